// Checkpoints: a training that is stopped and resumed equals one that was not, to the bit; a
// checkpoint of anything else is refused; one that cannot be written leaves the old one whole.
#include <fstream>
#include <iterator>
#include <limits>

#include "layers/trainer.h"
#include "tests/catch.h"
#include "tests/error_of.h"
#include "tests/train_fixture.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

using Stage = Progress::Stage;

// Where a training is stopped: after the given batch of the epoch, or in its test, or at its end.
struct Break {
  const char* name;
  int epoch;
  Stage stage;
  int images;  // of the stage
};

uint64_t unbroken(const TrainOptions& options) {
  SmallNet net;
  const TrainResult result = fit(net, small_data(), options);
  CHECK(result.test.images == 20);
  return fingerprint(net, result);
}

uint64_t with_break(TrainOptions options, const Break& at) {
  const Folder folder;
  options.folder = folder.path();
  options.resume = true;
  std::atomic<bool> stop = false;
  options.stop = &stop;
  options.progress = [&](const Progress& p) {
    if (p.epoch == at.epoch && p.stage == at.stage && p.done == at.images) stop = true;
  };
  {
    SmallNet net;
    const TrainResult result = fit(net, small_data(), options);
    CHECK(result.stopped);
    CHECK(result.test.images == 0);
  }
  stop = false;
  options.progress = {};
  SmallNet net(99);  // whatever it begins with, the checkpoint decides
  const TrainResult result = fit(net, small_data(), options);
  CHECK(!result.stopped);
  CHECK(result.test.images == 20);
  return fingerprint(net, result);
}

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Trains an epoch into the folder.
void make_checkpoint(const Folder& folder) {
  TrainOptions options = small_options();
  options.folder = folder.path();
  std::atomic<bool> stop = false;
  options.stop = &stop;
  options.progress = [&](const Progress& p) { stop = p.stage == Stage::epoch_done; };
  SmallNet net;
  fit(net, small_data(), options);
}

std::string refusal(const Folder& folder, const std::function<void(TrainOptions&)>& change,
                    const Dataset& data = small_data(), int width = 8) {
  TrainOptions options = small_options();
  options.folder = folder.path();
  options.resume = true;
  change(options);
  SmallNet net(5, width);
  const Tensor before = net.parameters()[0]->value.clone();
  const std::string checkpoint = bytes_of(folder / "checkpoint.bonsai");
  std::string text = error_of([&] { fit(net, data, options); });
  CHECK(max_abs_difference(before, net.parameters()[0]->value) == 0);
  CHECK(bytes_of(folder / "checkpoint.bonsai") == checkpoint);
  const std::string path = (folder / "checkpoint.bonsai").string();
  return text.starts_with(path) ? text.substr(path.size()) : text;
}

}  // namespace

TEST_CASE("stopped and resumed anywhere, a training gives the same bits") {
  const std::vector<Break> breaks = {{"after the first step", 1, Stage::training, 24},
                                     {"in the middle of an epoch", 2, Stage::training, 48},
                                     {"after the last step of an epoch", 2, Stage::training, 72},
                                     {"in a test", 2, Stage::testing, 20},
                                     {"at the end of an epoch", 1, Stage::epoch_done, 72},
                                     {"in the last test", 3, Stage::testing, 20}};
  TrainOptions plain = small_options(), averaged = small_options();
  averaged.optimiser.kind = OptimiserKind::adamw;
  averaged.lr = 0.005F;
  averaged.ema = 0.9F;
  averaged.lookahead = 2;
  averaged.augment.flip = Flip::alternate;
  for (const TrainOptions& options : {plain, averaged}) {
    const uint64_t expected = unbroken(options);
    for (const Break& at : breaks) {
      INFO(at.name);
      CHECK(with_break(options, at) == expected);
    }
  }
}

TEST_CASE("a stop before the first step, and a run that is already done, resume as well") {
  const Folder folder;
  TrainOptions options = small_options();
  options.folder = folder.path();
  options.resume = true;
  std::atomic<bool> stop = true;
  options.stop = &stop;
  SmallNet first;
  CHECK(fit(first, small_data(), options).stopped);
  stop = false;
  SmallNet second(7);
  const uint64_t expected = unbroken(small_options());
  CHECK(fingerprint(second, fit(second, small_data(), options)) == expected);
  SmallNet third(8);
  const TrainResult again = fit(third, small_data(), options);
  CHECK(fingerprint(third, again) == expected);
  CHECK(again.test.images == 20);
}

TEST_CASE("a checkpoint of another run is refused with the difference") {
  const Folder folder;
  make_checkpoint(folder);
  CHECK(refusal(folder, [](TrainOptions& o) { o.lr = 0.1F; }) ==
        ": belongs to another run: learning rate was 0.05, is now 0.1; go on with 0.05, or "
        "begin anew in another folder");
  const std::vector<std::pair<std::string, std::function<void(TrainOptions&)>>> changes = {
      {"epochs", [](TrainOptions& o) { o.epochs = 4; }},
      {"batch", [](TrainOptions& o) { o.batch = 12; }},
      {"seed", [](TrainOptions& o) { o.seed = 2; }},
      {"starting network", [](TrainOptions& o) { o.start = "another"; }},
      {"label smoothing", [](TrainOptions& o) { o.label_smoothing = 0; }},
      {"dropping the last batch", [](TrainOptions& o) { o.drop_last = false; }},
      {"decay of the weight average", [](TrainOptions& o) { o.ema = 0.5F; }},
      {"crop padding", [](TrainOptions& o) { o.augment.crop_padding = 4; }},
      {"flip", [](TrainOptions& o) { o.augment.flip = Flip::none; }},
      {"steps of lookahead", [](TrainOptions& o) { o.lookahead = 5; }},
      {"learning rate of biases", [](TrainOptions& o) { o.optimiser.bias_rate = 2; }},
      {"ends of the schedule", [](TrainOptions& o) { o.schedule.last = 0.1; }},
      {"tested with mirror images", [](TrainOptions& o) { o.flip_test = true; }},
      {"cutout", [](TrainOptions& o) { o.augment.cutout = 0; }},
      {"optimiser", [](TrainOptions& o) { o.optimiser.kind = OptimiserKind::adam; }},
      {"momentum", [](TrainOptions& o) { o.optimiser.momentum = 0.8F; }},
      {"nesterov", [](TrainOptions& o) { o.optimiser.nesterov = false; }},
      {"weight decay", [](TrainOptions& o) { o.optimiser.weight_decay = 0; }},
      {"schedule", [](TrainOptions& o) { o.schedule.kind = ScheduleKind::step; }},
      {"warm-up", [](TrainOptions& o) { o.schedule.warmup = 0; }}};
  for (const auto& [key, change] : changes) {
    const std::string text = refusal(folder, change);
    INFO(key << text);
    CHECK((text.find(key + " was ") != std::string::npos || key == "optimiser"));
    CHECK(text.starts_with(": belongs to another run: "));
  }
  Dataset other = small_data();
  other.train.pixels[0] ^= 1;
  CHECK(refusal(
            folder, [](TrainOptions&) {}, other)
            .starts_with(": belongs to another run: data was "));
  CHECK(refusal(
            folder, [](TrainOptions&) {}, small_data(), 9)
            .starts_with(": belongs to another network: model.net.block1.conv.weight is "
                         "[8, 3, 3, 3], should be [9, 3, 3, 3]"));
}

TEST_CASE("a damaged checkpoint is refused by name") {
  const Folder folder;
  make_checkpoint(folder);
  const std::string whole = bytes_of(folder / "checkpoint.bonsai");
  for (const size_t length : {size_t{0}, size_t{5}, whole.size() / 2, whole.size() - 1}) {
    std::ofstream(folder / "checkpoint.bonsai", std::ios::binary) << whole.substr(0, length);
    CHECK(refusal(folder, [](TrainOptions&) {}).starts_with(": "));
  }
  std::string changed = whole;
  changed[whole.size() - 9] = static_cast<char>(changed[whole.size() - 9] ^ 4);
  std::ofstream(folder / "checkpoint.bonsai", std::ios::binary) << changed;
  CHECK(refusal(folder, [](TrainOptions&) {}).starts_with(": "));
}

TEST_CASE("a training that diverges can go on from its last checkpoint") {
  const uint64_t expected = unbroken(small_options());
  const Folder folder;
  TrainOptions options = small_options();
  options.folder = folder.path();
  SmallNet net;
  options.progress = [&](const Progress& p) {
    if (p.stage != Stage::epoch_done) return;
    net.parameters()[0]->value[0] = std::numeric_limits<Scalar>::quiet_NaN();
  };
  CHECK_THROWS_AS(fit(net, small_data(), options), Diverged);
  options.progress = {};
  options.resume = true;
  SmallNet again(4);
  CHECK(fingerprint(again, fit(again, small_data(), options)) == expected);
}

TEST_CASE("a checkpoint that cannot be written is noted, and an error at the end") {
  const Folder folder;
  std::filesystem::create_directories(folder / "checkpoint.bonsai");  // in its way
  TrainOptions options = small_options();
  options.folder = folder.path();
  std::vector<std::string> notes;
  options.progress = [&](const Progress& p) {
    if (p.stage == Stage::epoch_done) notes.push_back(p.note);
  };
  SmallNet net;
  const std::string text = error_of([&] { fit(net, small_data(), options); });
  CHECK(text.find("checkpoint.bonsai") != std::string::npos);
  REQUIRE(notes.size() == 2);
  CHECK(notes[0].starts_with("not saved: "));
}

TEST_CASE("nothing is left in the folder but checkpoint and log") {
  const Folder folder;
  make_checkpoint(folder);
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  CHECK(names == std::vector<std::string>{"checkpoint.bonsai", "log.jsonl"});
}
