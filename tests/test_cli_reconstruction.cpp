// Pruning by reconstruction goes by a clock in places. With its times given, a run is the same
// again, also after it was interrupted, and the tests can ask for what the clock would not say.
#include <csignal>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/file.h"
#include "tests/catch.h"
#include "tests/command.h"
#include "tests/command_json.h"
#include "zoo/zoo.h"

namespace bonsai::test {
namespace {

using Json = nlohmann::json;

const std::string tiny =
    " --data synthetic --images 64 --test-images 32 --calibration 40 --positions 2 --batch 32 "
    "--round-to 1 --finetune 2 ";

void save_network(const CommandFolder& folder, const std::string& name, float width) {
  zoo::Options options{.classes = 10, .seed = 1, .width = width, .input = {16, 16, 3}};
  Graph graph = trace(*zoo::make(name, options), {1, 16, 16, 3});
  graph.info.network = name;
  graph.info.mean = graph.info.std = {0.5F, 0.5F, 0.5F};
  save(folder.path("net.bonsai").string(), graph);
}

// The times of a finished run, with every layer slow as it is, for a run to come.
void hand_over_times(const CommandFolder& folder, const std::string& from, const std::string& to) {
  Json times = Json::parse(folder.read(from + "/times.json"));
  REQUIRE_FALSE(times.empty());
  for (Json& entry : times) entry.at("ms")[0] = 100;
  std::filesystem::create_directories(folder.path(to));
  folder.write(to + "/times.json", times.dump());
}

}  // namespace

TEST_CASE(
    "3c splits where times say so, and goes on where it was interrupted as the same network") {
  const CommandFolder folder;
  save_network(folder, "vgg_small", 0.25F);
  const std::string job = "prune net.bonsai --method 3c --target macs=0.4" + tiny;
  folder.run_and_signal(job + "--out first.bonsai", "epoch 1/2", SIGINT);  // all is timed by then
  hand_over_times(folder, "first.finetune", "split.finetune");
  hand_over_times(folder, "first.finetune", "cut.finetune");
  const Json split = json_of(folder, job + "--resume --out split.bonsai");
  int decomposed = 0;
  for (const Json& layer : split.at("decomposed")) {
    const int ranks = layer.at("spatial_rank").get<int>() + layer.at("channel_rank").get<int>();
    if (layer.at("decomposed_ms") == layer.at("ms")) continue;  // no form saves work
    CHECK(layer.at("ms") == 100);
    CHECK(ranks > 0);
    CHECK(layer.at("error").get<double>() > 0);
    CHECK(layer.at("error").get<double>() < 1);
    ++decomposed;
  }
  CHECK(decomposed >= 4);
  CHECK(split.at("after").at("macs").get<double>() <=
        0.4 * split.at("before").at("macs").get<double>());

  const Outcome cut = folder.run_and_signal(job + "--resume --out cut.bonsai", "epoch 1/2", SIGINT);
  INFO(cut.err);
  CHECK(cut.status == 130);
  REQUIRE(folder.run(job + "--resume --out cut.bonsai").status == 0);
  CHECK(folder.read("cut.bonsai") == folder.read("split.bonsai"));
  const Outcome other = folder.run("prune net.bonsai --method 3c --target macs=0.6" + tiny +
                                   "--resume --out split.bonsai");
  CHECK(other.status == 1);
  CHECK(other.err.find("the times of another run than this one") != std::string::npos);
}

TEST_CASE("prune --mode sampled leaves stages as wide as they were") {
  const CommandFolder folder;
  save_network(folder, "resnet20", 0.5F);
  const std::string job = "prune net.bonsai --method lasso --mode sampled --target macs=0.6" + tiny;
  folder.run_and_signal(job + "--out first.bonsai", "epoch 1/2", SIGINT);  // all is timed by then
  hand_over_times(folder, "first.finetune", "small.finetune");
  const Json found = json_of(folder, job + "--resume --out small.bonsai");
  REQUIRE(found.at("sampled").size() == 9);  // the first convolution of every block
  for (const Json& layer : found.at("sampled")) {
    CHECK(layer.at("kept").get<int>() < layer.at("channels").get<int>());
    CHECK(layer.at("ms") == 100);
  }
  Graph before = load(folder.path("net.bonsai").string()),
        after = load(folder.path("small.bonsai").string());
  CHECK(after.find("fc.weight")->value.shape() == before.find("fc.weight")->value.shape());
  CHECK(after.find("layer1.0.conv1.weight")->value.dim(3) <
        before.find("layer1.0.conv1.weight")->value.dim(3));
  CHECK(after.find("layer1.0.conv2.weight")->value.dim(0) ==
        before.find("layer1.0.conv2.weight")->value.dim(0));
  CHECK(folder.run("summary small.bonsai").status == 0);
}

}  // namespace bonsai::test
