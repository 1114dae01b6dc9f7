// Pruning by reconstruction goes by a clock in places. With its times given, a run is the same
// again, also after it was interrupted, and the test can ask for what the clock would not say.
#include <csignal>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/file.h"
#include "tests/catch.h"
#include "tests/command.h"
#include "tests/command_json.h"
#include "tests/networks.h"

namespace bonsai::test {
namespace {

using Json = nlohmann::json;

// Two convolutions behind each other, the first of which reads what the sum reads as well.
void save_network(const std::filesystem::path& path) {
  testing::Network net("net", {1, 16, 16, 3}, 0);
  Layer& stem = net.block("stem", 3, 12, 3, {.padding = 1});
  Layer& a = net.block("a", 12, 12, 3, {.padding = 1});
  Layer& b = net.block("b", 12, 12, 3, {.padding = 1});
  Layer& head = net.add<Linear>("head", 12, 10, net.init);
  net.run = [&](Var x) {
    const Var y = stem.forward(x);
    return head.forward(global_average_pool(add(y, b.forward(a.forward(y)))));
  };
  Graph graph = trace(net, net.input);
  graph.info.network = "net";
  graph.info.mean = graph.info.std = {0.5F, 0.5F, 0.5F};
  save(path.string(), graph);
}

void write_times(const CommandFolder& folder, const std::string& to, const std::string& times) {
  std::filesystem::create_directories(folder.path(to));
  folder.write(to + "/times.json", times);
}

// The times of all layers that may be split, each slow as it is; what else was timed is left out.
std::string with_slow_layers(const std::string& times, size_t layers) {
  Json all = Json::parse(times);
  REQUIRE(all.size() > layers);
  Json slow = Json::array();
  for (size_t i = 0; i < layers; ++i) {
    slow.push_back(all[i]);
    slow.back().at("ms")[0] = 100;
  }
  return slow.dump();
}

}  // namespace

TEST_CASE("3c and samplers go by the times of the run that is resumed, to the same network") {
  const CommandFolder folder;
  save_network(folder.path("net.bonsai"));
  const std::string job =
      "prune net.bonsai --method 3c --mode sampled --data synthetic --images 64 --test-images 32 "
      "--calibration 40 --positions 2 --batch 32 --round-to 1 --finetune 6 --target macs=";
  const auto cut = [&](const std::string& options) {
    const Outcome outcome = folder.run_and_signal(job + options, "epoch 1/6", SIGINT);
    INFO(outcome.err);
    CHECK(outcome.status == 130);
  };
  cut("0.3 --out first.bonsai");
  write_times(folder, "whole.finetune",
              with_slow_layers(folder.read("first.finetune/times.json"), 3));
  const Json found = json_of(folder, job + "0.3 --resume --out whole.bonsai");
  REQUIRE(found.at("decomposed").size() == 3);
  int split = 0;
  for (const Json& layer : found.at("decomposed")) {
    if (layer.at("decomposed_ms") == layer.at("ms")) continue;  // no form saves work
    ++split;
    CHECK(layer.at("ms") == 100);
    CHECK(layer.at("spatial_rank").get<int>() + layer.at("channel_rank").get<int>() > 0);
    CHECK(layer.at("error").get<double>() > 0);
    CHECK(layer.at("error") <= layer.at("linear_error"));
  }
  CHECK(split >= 2);
  REQUIRE(found.at("sampled").size() == 1);
  CHECK(found.at("sampled")[0].at("channels") == 12);
  CHECK(found.at("after").at("macs").get<double>() <=
        0.3 * found.at("before").at("macs").get<double>());
  Graph small = load(folder.path("whole.bonsai").string());
  CHECK(small.find("head.weight")->value.shape() == Shape{10, 12});  // the stage is as it was

  write_times(folder, "cut.finetune", folder.read("whole.finetune/times.json"));
  cut("0.3 --resume --out cut.bonsai");
  REQUIRE(folder.run(job + "0.3 --resume --out cut.bonsai").status == 0);
  CHECK(folder.read("cut.bonsai") == folder.read("whole.bonsai"));
  const Outcome other = folder.run(job + "0.6 --resume --out whole.bonsai");
  CHECK(other.status == 1);
  CHECK(other.err.find("the times of another run than this one") != std::string::npos);
}

}  // namespace bonsai::test
