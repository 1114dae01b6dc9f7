// What the command says and returns when something is wrong: one line that begins with "bonsai: ",
// nothing on standard output, 2 for a wrong command line and 1 for the rest.
#include <algorithm>
#include <string>
#include <vector>

#include "data/image.h"
#include "engine/file.h"
#include "tests/catch.h"
#include "tests/command.h"
#include "zoo/zoo.h"

namespace bonsai::test {
namespace {

struct Wrong {
  std::string arguments;
  std::string complaint;  // a part of the line
};

std::vector<std::string> lines_of_bonsai(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    if (line.starts_with("bonsai: ")) lines.push_back(line);
    at = end + 1;
  }
  return lines;
}

void expect(const CommandFolder& folder, const Wrong& wrong, int status) {
  INFO("bonsai " << wrong.arguments);
  const Outcome outcome = folder.run(wrong.arguments);
  INFO(outcome.err);
  CHECK(outcome.status == status);
  CHECK(outcome.out.empty());
  const auto lines = lines_of_bonsai(outcome.err);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].find(wrong.complaint) != std::string::npos);
  CHECK(outcome.err.ends_with(lines[0] + "\n"));
}

Graph small_graph() { return trace(*zoo::make("vgg_small", {.width = 0.125F}), {1, 32, 32, 3}); }

void save_model(const CommandFolder& folder, const std::string& name) {
  Graph graph = small_graph();
  graph.info.mean = graph.info.std = {0.5F, 0.5F, 0.5F};
  save(folder.path(name).string(), graph);
}

Picture grey_picture() { return {32, 32, std::vector<uint8_t>(size_t{32} * 32 * 3, 128)}; }

void write_pictures(const CommandFolder& folder, const std::string& name, int count) {
  std::filesystem::create_directories(folder.path(name));
  for (int i = 0; i < count; ++i)
    write_png(folder.path(name) / (std::to_string(i) + ".png"), grey_picture());
}

}  // namespace

TEST_CASE("a wrong command line gives one line and status 2") {
  const CommandFolder folder;
  const std::vector<Wrong> all = {
      {"", "subcommand"},
      {"trein", "unknown command 'trein' (did you mean 'train'?)"},
      {"train --epoch 3", "unknown option --epoch (did you mean '--epochs'?)"},
      {"zoo extra", "extra"},
      {"train --net vgg_smal", "unknown network 'vgg_smal' (did you mean 'vgg_small'?)"},
      {"summary vgg-61", "unknown network 'vgg-61'"},
      {"summary nonsense", "unknown network 'nonsense' (bonsai zoo lists them)"},
      {"summary vgg16 --classes 0", "--classes: Value 0 not in range"},
      {"train --net vgg16 --width 0", "--width: Value 0 not in range"},
      {"train --epochs 0", "--epochs"},
      {"train --epochs many", "--epochs"},
      {"train --schedule cosin", "did you mean 'cosine'"},
      {"train --optimizer sdg", "unknown 'sdg'"},
      {"train --optimizer adam --bias-rate 8", "--bias-rate: only sgd has one"},
      {"train --lr -1", "--lr"},
      {"train --input 32x32", "--input is '32x32', should be H,W,C"},
      {"compress --criterion L1", "did you mean 'l1'?"},
      {"prune m --ratio 0.5 --out o --criterion taylor", "looks at pictures: give --data"},
      {"prune m --ratio 0.5 --out o --recalibrate", "--recalibrate looks at pictures"},
      {"sensitivity m --step 0", "--step is 0, should be above 0 and at most 0.5"},
      {"sensitivity m --criterion l3", "unknown 'l3'"},
      {"compress --target macs=1.5", "above 0 and at most 1"},
      {"compress --target macs=0", "above 0 and at most 1"},
      {"compress --target macs=half", "above 0 and at most 1"},
      {"compress --target mac=0.5", "did you mean 'macs'"},
      {"compress --target 0.5", "should be name=ratio"},
      {"compress --ratio 1.5", "--ratio is 1.5"},
      {"compress --ratio 0", "--ratio is 0"},
      {"prune m --ratios conv1=0 --out o", "should be above 0 and at most 1"},
      {"compare m --parts 0.5,1", "--parts has 1, should be above 0 and below 1"},
      {"compress --criterion l9", "unknown 'l9'"},
      {"compress --ratio 0.5 --target macs=0.5", "--target"},
      {"prune vgg_small --target macs=0.5 --out x", "is the name of a network"},
      {"prune model.bonsai --out x", "how much is to go"},
      {"prune m.bonsai --target macs=0.5 --out x --method lasso", "give --data"},
      {"prune m.bonsai --target macs=0.5 --out x --repair", "--repair looks at pictures"},
      {"prune m.bonsai --target macs=0.5 --out x --method laso", "did you mean 'lasso'"},
      {"compress --method lasso --select gready", "did you mean 'greedy'"},
      {"compress --method lasso --repair", "--repair is for criteria"},
      {"compress --method 3c --ratio 0.5", "give --target macs=0.5 alone"},
      {"compress --method 3c --target params=0.5", "give --target macs=0.5 alone"},
      {"compress --mode sampled", "--mode sampled goes with --method lasso or 3c"},
      {"compress --mode smapled", "did you mean 'sampled'"},
      {"slim --penalty blocks --floor 0.2", "--floor and --round-to are for channels"},
      {"slim --penalty blocks --ema 0.9", "which --ema and --lookahead average away"},
      {"compress --no-residual-target", "--no-residual-target is for --method lasso"},
      {"compress --select greedy", "--select is for --method lasso"},
      {"compress --compare", "--compare is for --method lasso"},
      {"compress --method lasso --positions 0", "--positions"},
      {"eval", "model is required"},
      {"data chek somewhere", "did you mean 'check'"},
      {"data check", "which data"}};
  for (const Wrong& wrong : all) expect(folder, wrong, 2);
  CHECK_FALSE(std::filesystem::exists(folder.path("runs")));
}

TEST_CASE("a network that cannot be gives one line and status 1") {
  const CommandFolder folder;
  const std::vector<Wrong> all = {
      {"summary vgg61", "vgg61: there is no depth 61, only 11, 13, 16 and 19"},
      {"summary vgg16 --input 16,32,3", "vgg16: pictures of 16x32 are too small"},
      {"summary shufflenet_g5", "shufflenet_g5: there are no 5 groups"},
      {"summary vgg16 --width 0.001", "width 0.001 leaves features.0 none of its 64 channels"}};
  for (const Wrong& wrong : all) expect(folder, wrong, 1);
}

TEST_CASE("data that cannot be used give one line and status 1") {
  const CommandFolder folder;
  expect(folder, {"train --cache c --data missing", "missing"}, 1);
  std::filesystem::create_directory(folder.path("empty"));
  expect(folder, {"train --cache c --data empty", "empty"}, 1);

  write_pictures(folder, "partly/cats", 6);
  std::filesystem::create_directory(folder.path("partly/dogs"));
  expect(folder, {"train --cache c --data partly", "dogs"}, 1);

  write_pictures(folder, "damaged/cats", 6);
  write_pictures(folder, "damaged/dogs", 6);
  const std::string whole = folder.read("damaged/dogs/0.png");
  folder.write("damaged/dogs/0.png", whole.substr(0, whole.size() - 20));
  expect(folder, {"train --cache c --data damaged", "dogs/0.png"}, 1);
  // One of twelve is more than may be skipped.
  expect(folder, {"train --cache c --data damaged --skip-bad", "1 %"}, 1);
  CHECK_FALSE(std::filesystem::exists(folder.path("runs")));

  const Outcome check = folder.run("data check damaged --cache c");
  CHECK(check.status == 1);
  CHECK(check.out.find("dogs/0.png") != std::string::npos);
}

TEST_CASE("files that are no model give one line and status 1") {
  const CommandFolder folder;
  save_model(folder, "model.bonsai");
  const std::string whole = folder.read("model.bonsai");
  folder.write("short.bonsai", whole.substr(0, whole.size() / 2));
  folder.write("long.bonsai", whole + "more");
  folder.write("text.bonsai", "this is not a model, though it is long enough to be one");
  folder.write("empty.bonsai", "");
  const std::string tiny = " --data synthetic --images 100 --test-images 50";
  for (const char* name : {"short", "long", "text", "empty", "missing"})
    expect(folder, {std::string("eval ") + name + ".bonsai" + tiny, name}, 1);
  expect(folder, {"summary text.bonsai", "text.bonsai"}, 1);
  expect(folder, {"eval ." + tiny, "."}, 1);
}

TEST_CASE("plans that cannot be used give one line and status 1") {
  const CommandFolder folder;
  folder.write("text.json", "quick");
  folder.write("row.json",
               R"({"format": "bonsai plan 1", "choices": [{"table": "forward",)"
               R"("input": [1, 8, 8, 4], "output": [1, 8, 8, 4], "kernel": [3, 3], "stride": 1,)"
               R"("padding": 1, "dilation": 1, "groups": 1, "row": "interleaved"}]})");
  const std::string net = "vgg_small --width 0.125 --plan ";
  expect(folder, {"bench " + net + "text.json", "text.json: "}, 1);
  expect(folder, {"bench " + net + "row.json", "choice 1: plan: the forward row 'interleaved'"}, 1);
  expect(folder, {"bench " + net + "nowhere/plan.json", "nowhere"}, 1);
}

TEST_CASE("places that cannot be written give one line and status 1") {
  const CommandFolder folder;
  save_model(folder, "model.bonsai");
  expect(folder, {"prune model.bonsai --target macs=0.5 --out nowhere/small.bonsai", "nowhere"}, 1);
  expect(folder, {"prune model.bonsai --target macs=0.5 --out model.bonsai/x", "model.bonsai/x"},
         1);
  expect(folder,
         {"train --width 0.125 --epochs 1 --images 64 --test-images 32 --out model.bonsai",
          "model.bonsai"},
         1);
  expect(folder, {"report nowhere", "nowhere"}, 1);
  if (std::filesystem::exists("/dev/full")) {
    const Outcome full = folder.run("zoo >/dev/full 2>&1; true");
    CHECK(full.status != 0);
  }
}

TEST_CASE("a model that does not say how pictures are normalised cannot read one") {
  const CommandFolder folder;
  Graph graph = small_graph();
  save(folder.path("bare.bonsai").string(), graph);
  write_png(folder.path("good.png"), grey_picture());
  expect(folder, {"classify bare.bonsai good.png", "mean and std"}, 1);
}

TEST_CASE("a picture of the wrong kind is an entry with an error and status 1") {
  const CommandFolder folder;
  save_model(folder, "model.bonsai");
  write_png(folder.path("good.png"), grey_picture());
  folder.write("text.png", "not a picture");
  const Outcome outcome = folder.run("classify model.bonsai good.png text.png missing.png");
  CHECK(outcome.status == 1);
  CHECK(outcome.out.find("good.png") != std::string::npos);
  CHECK(outcome.err.find("bonsai: text.png") != std::string::npos);
  CHECK(outcome.err.find("bonsai: missing.png") != std::string::npos);
  CHECK(outcome.err.find("2 of 3 pictures") != std::string::npos);
}

TEST_CASE("a training that diverges says so with status 3") {
  const CommandFolder folder;
  expect(folder,
         {"train --width 0.125 --epochs 2 --images 256 --test-images 32 --batch 32 --lr 1e30 "
          "--schedule constant --out run",
          "not finite"},
         3);
}

}  // namespace bonsai::test
