// The training loop: that it learns, gives the same bits whatever the number of threads, asks
// nothing of the system, and stops with the culprit's name when numbers overflow.
#include "layers/trainer.h"

#include <cmath>
#include <fstream>
#include <limits>

#include "engine/ops.h"
#include "engine/parallel.h"
#include "engine/storage.h"
#include "tests/catch.h"
#include "tests/error_of.h"
#include "tests/train_fixture.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

uint64_t trained(const TrainOptions& options) {
  SmallNet net;
  const TrainResult result = fit(net, small_data(), options);
  return fingerprint(net, result);
}

Batch first_batch() {
  Loader loader(small_data().train, small_data().mean, small_data().std, {.batch = 24});
  Batch batch;
  loader.start(0);
  loader.next(batch);
  return batch;
}

void poison(Layer& net, const std::string& name, Scalar value) {
  for (Parameter* p : net.parameters()) {
    if (p->name == name) p->value[p->value.size() / 2] = value;
  }
}

std::string diverged(Layer& net) {
  const auto optimiser = make_optimiser(net.parameters());
  try {
    train_step(net, *optimiser, first_batch(), {});
  } catch (const Diverged& error) {
    return error.what();
  }
  return {};
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("thirty-two pictures are learnt by heart") {
  Dataset data =
      synthetic_dataset({.height = 16, .width = 16, .train_images = 32, .test_images = 32});
  data.test = data.train;
  SmallNet net(1, 16, 0);
  const TrainResult result = fit(
      net, data,
      {.epochs = 40, .batch = 32, .lr = 0.05F, .label_smoothing = 0, .augment = Augment::none()});
  CHECK(result.history.front().loss > 1.5);
  CHECK(result.history.back().loss < 0.1);
  CHECK(result.test.accuracy == 1);
  CHECK(result.history.size() == 40);
}

TEST_CASE("two trainings are equal to the bit, another seed is not") {
  TrainOptions options = small_options();
  const uint64_t first = trained(options);
  CHECK(trained(options) == first);
  options.seed = 2;
  CHECK(trained(options) != first);
}

TEST_CASE("the number of threads does not change a training", "[threads]") {
  const int before = thread_count();
  std::vector<uint64_t> prints;
  for (const int threads : {1, 2, 3}) {
    set_thread_count(threads);
    prints.push_back(trained(small_options()));
  }
  set_thread_count(before);
  CHECK(prints[0] == prints[1]);
  CHECK(prints[0] == prints[2]);
}

TEST_CASE("every optimiser and schedule trains") {
  for (const auto kind : {OptimiserKind::sgd, OptimiserKind::adam, OptimiserKind::adamw}) {
    TrainOptions options = small_options();
    options.optimiser.kind = kind;
    options.schedule = {.kind = ScheduleKind::cosine, .warmup = 0.1};
    options.lr = kind == OptimiserKind::sgd ? 0.05F : 0.005F;
    options.ema = 0.9F;
    options.drop_last = false;
    options.batch = 30;  // 30, 30 and 12 pictures
    SmallNet net;
    const TrainResult result = fit(net, small_data(), options);
    CHECK(result.history.back().loss < result.history.front().loss);
  }
}

TEST_CASE("evaluation counts every picture once") {
  SmallNet net;
  const Images& images = small_data().test;
  const Evaluation whole = evaluate(net, images, small_data().mean, small_data().std);
  const Evaluation parts = evaluate(net, images, small_data().mean, small_data().std, 7);
  CHECK(whole.images == 20);
  CHECK(whole.predictions == parts.predictions);
  CHECK(whole.loss == Approx(parts.loss));
  int all = 0, right = 0;
  for (size_t c = 0; c < 10; ++c) {
    for (size_t g = 0; g < 10; ++g) all += whole.confusion[c][g];
  }
  for (size_t i = 0; i < 20; ++i) right += whole.predictions[i] == images.labels[i] ? 1 : 0;
  CHECK(all == 20);
  CHECK(whole.accuracy == Approx(right / 20.0));
  CHECK(!error_of([&] { evaluate(net, Images{}, {}, {1, 1, 1}); }).empty());
}

TEST_CASE("a test with mirror images takes the mean of both outputs") {
  const Dataset& data = small_data();
  SmallNet net;
  const auto logits = [&](const Tensor& images) {
    Tape tape(Mode::inference);
    return net.forward(tape.constant(images)).value();
  };
  Loader loader(data.test, data.mean, data.std, {.batch = 20});
  Batch batch;
  loader.start(0);
  REQUIRE(loader.next(batch));
  Tensor mirror = Tensor::uninitialized(batch.images.shape());
  for (size_t i = 0; i < mirror.size(); ++i) {
    const size_t channel = i % 3, column = i / 3 % 16, line = i / 48;
    mirror[i] = batch.images[(line * 16 + 15 - column) * 3 + channel];
  }
  const Tensor a = logits(batch.images), b = logits(mirror);
  double loss = 0;
  for (size_t n = 0; n < 20; ++n) {
    double sum = 0;
    const auto mean_of = [&](size_t k) {
      return (double{a[n * 10 + k]} + double{b[n * 10 + k]}) / 2;
    };
    for (size_t k = 0; k < 10; ++k) sum += std::exp(mean_of(k));
    loss += (std::log(sum) - mean_of(static_cast<size_t>(batch.labels[n]))) / 20;
  }
  const auto tested = [&](bool flip) {
    return evaluate(net, data.test, data.mean, data.std, EvaluateOptions{.batch = 7, .flip = flip});
  };
  CHECK(tested(true)->loss == Approx(loss).epsilon(1e-5));
  CHECK(tested(false)->loss != Approx(loss).epsilon(1e-4));
}

// With one thread: others get their scratch memory whenever they first win a share of the work.
TEST_CASE("a step asks nothing of the system after the first") {
  const int threads = thread_count();
  set_thread_count(1);
  SmallNet net;
  const auto optimiser = make_optimiser(net.parameters());
  const Batch batch = first_batch();
  train_step(net, *optimiser, batch, {});
  const size_t before = storage_stats().system_allocations;
  for (int i = 1; i < 6; ++i) train_step(net, *optimiser, batch, {.step = i});
  CHECK(storage_stats().system_allocations == before);
  set_thread_count(threads);
}

TEST_CASE("a weight that is no number is named within the step") {
  const auto nan = std::numeric_limits<Scalar>::quiet_NaN();
  const auto infinity = std::numeric_limits<Scalar>::infinity();
  SmallNet names;
  for (const Scalar value : {nan, infinity}) {
    for (const Parameter* p : names.parameters()) {
      if (!p->trainable) continue;
      SmallNet net;
      poison(net, p->name, value);
      const std::string text = diverged(net);
      INFO(text);
      CHECK(contains(text, "step 1: " + p->name + ", read by "));
      CHECK(contains(text, join("1 of ", p->value.size(), " numbers")));
    }
  }
  SmallNet sound;
  CHECK(diverged(sound).empty());
}

TEST_CASE("the operation that overflows is named, not the one that passes it on") {
  SmallNet net;
  for (Parameter* p : net.parameters()) {
    if (p->name == "net.block2.conv.weight") p->value.fill(std::numeric_limits<Scalar>::max());
  }
  const std::string text = diverged(net);
  INFO(text);
  CHECK(contains(text, "result of conv2d 'net.block2.conv'"));
  CHECK(contains(text, "all that it read is finite"));
}

TEST_CASE("a step that diverges leaves the weights alone") {
  SmallNet net;
  poison(net, "net.head.bias", std::numeric_limits<Scalar>::infinity());
  const Tensor before = net.parameters()[0]->value.clone();
  CHECK(!diverged(net).empty());
  CHECK(max_abs_difference(before, net.parameters()[0]->value) == 0);
}

TEST_CASE("a learning rate beyond reason ends in one line with the epoch") {
  SmallNet net;
  TrainOptions options = small_options();
  options.lr = 1e30F;
  const std::string text = error_of([&] { fit(net, small_data(), options); });
  INFO(text);
  CHECK(contains(text, "epoch 1, learning rate "));
  CHECK(contains(text, "training diverged in step "));
}

TEST_CASE("what cannot be trained is refused before the first step") {
  SmallNet net;
  auto refused = [&](const std::function<void(TrainOptions&)>& change) {
    TrainOptions options = small_options();
    change(options);
    return error_of([&] { fit(net, small_data(), options); });
  };
  CHECK(refused([](TrainOptions& o) { o.epochs = 0; }) == "train: 0 epochs, should be at least 1");
  CHECK(refused([](TrainOptions& o) { o.batch = 0; }) == "train: batch of 0, should be at least 1");
  CHECK(refused([](TrainOptions& o) { o.lr = -1; }) == "train: learning rate -1 should be above 0");
  CHECK(!refused([](TrainOptions& o) { o.label_smoothing = 1; }).empty());
  CHECK(!refused([](TrainOptions& o) { o.ema = 1; }).empty());
  CHECK(!refused([](TrainOptions& o) { o.schedule.warmup = -1; }).empty());

  const Dataset other = synthetic_dataset({.train_images = 10, .test_images = 10});
  CHECK(contains(error_of([&] { fit(net, other, small_options()); }),
                 "train: the network does not take pictures of 32x32: "));
  Dataset fewer = small_data();
  fewer.classes.pop_back();
  CHECK(error_of([&] { fit(net, fewer, small_options()); }) ==
        "train: the network's result for one picture has shape [1, 10], should be [1, 9], one "
        "number per class of the data");
  Dataset untested = small_data();
  untested.test = {};
  CHECK(contains(error_of([&] { fit(net, untested, small_options()); }), "0 test pictures"));
}

TEST_CASE("progress tells of every batch, and the log of every epoch") {
  const Folder folder;
  SmallNet net;
  TrainOptions options = small_options();
  options.folder = folder.path();
  int batches = 0, tests = 0, epochs = 0;
  options.progress = [&](const Progress& p) {
    CHECK(p.done <= p.total);
    batches += p.stage == Progress::Stage::training ? 1 : 0;
    tests += p.stage == Progress::Stage::testing ? 1 : 0;
    if (p.stage != Progress::Stage::epoch_done) return;
    CHECK(p.epoch == ++epochs);
    REQUIRE(p.record != nullptr);
    CHECK(p.record->epoch == epochs);
  };
  const TrainResult result = fit(net, small_data(), options);
  CHECK(batches == 9);
  CHECK(tests == 3);
  CHECK(epochs == 3);
  CHECK(!result.stopped);
  CHECK(result.images_per_second > 0);

  std::ifstream log(folder / "log.jsonl");
  std::string line;
  for (const EpochRecord& record : result.history) {
    REQUIRE(std::getline(log, line));
    CHECK(line == to_json(record));
    for (const char* key : {"epoch", "loss", "accuracy", "test_loss", "lr", "seconds",
                            "images_per_s", "peak_bytes"}) {
      CHECK(contains(line, std::string("\"") + key + "\":"));
    }
  }
  CHECK(!std::getline(log, line));
}
