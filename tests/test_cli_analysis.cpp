// The commands that look at a trained network, on tiny data: what --json promises and what a run
// leaves in its folder.
#include <csignal>
#include <nlohmann/json.hpp>
#include <string>

#include "data/synthetic.h"
#include "engine/error.h"
#include "engine/file.h"
#include "tests/catch.h"
#include "tests/command.h"
#include "tests/command_json.h"
#include "zoo/zoo.h"

namespace bonsai::test {
namespace {

using Json = nlohmann::json;

const std::string tiny = " --data synthetic --images 200 --test-images 20 --calibration 32 ";

// More than chance without training: of each class the classifier knows the mean of what random
// layers make of its pictures, and names the nearest.
void tell_classes_apart(Graph& graph) {
  constexpr size_t count = 200, classes = 10;
  const Images images = synthetic_images(1, Split::train, count, 16, 16);
  Tensor x({count, 16, 16, 3});
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<Scalar>(images.pixels[i]) / 127.5F - 1;
  const Node& head = graph.nodes.back();
  const Tensor features = taps(graph, x, std::vector<int>{head.in[0]})[0],
               w = graph.values[static_cast<size_t>(head.in[1])].parameter->value,
               b = graph.values[static_cast<size_t>(head.in[2])].parameter->value;
  const size_t n = features.size() / count;
  w.fill(0);
  for (size_t i = 0; i < features.size(); ++i) {
    const auto k = static_cast<size_t>(images.labels[i / n]);
    w[k * n + i % n] += features[i] * classes / count;
  }
  // |x - m|^2 up to what all classes share.
  b.fill(0);
  for (size_t i = 0; i < w.size(); ++i) {
    b[i / n] -= w[i] * w[i];
    w[i] *= 2;
  }
}

// For pictures of 16 x 16: what is asked is whether the command does its job.
void save_network(const CommandFolder& folder) {
  zoo::Options options{.classes = 10, .seed = 1, .width = 0.25F, .input = {16, 16, 3}};
  Graph graph = trace(*zoo::make("vgg_small", options), {1, 16, 16, 3});
  graph.info.network = "vgg_small";
  graph.info.mean = graph.info.std = {0.5F, 0.5F, 0.5F};
  tell_classes_apart(graph);
  save(folder.path("net.bonsai").string(), graph);
}

}  // namespace

TEST_CASE("sensitivity prints a row per group and leaves a report") {
  const CommandFolder folder;
  save_network(folder);
  const std::string job = "sensitivity net.bonsai --step 0.5 --hold-out 40" + tiny;
  const Json found = json_of(folder, job + "--out run");
  CHECK(found.at("images") == 40);
  CHECK(found.at("groups").size() == 6);
  for (const Json& group : found.at("groups")) {
    for (const char* key : {"group", "units", "why", "stage_boundary", "effective_rank"})
      CHECK(group.contains(key));
    REQUIRE(group.at("points").size() == 1);
    CHECK(group.at("points")[0].at("units").get<int>() == group.at("units").get<int>() / 2);
    CHECK(group.at("points")[0].at("recalibrated").contains("accuracy"));
  }
  const std::string page = folder.read("run/report.html");
  for (const char* part : {"Points lost as pruned", "Points lost after recalibration",
                           "What stands out", "How this was made"})
    CHECK(page.find(part) != std::string::npos);
  CHECK(folder.run("report run").status == 0);

  const Outcome text = folder.run(job + "--out other");
  CHECK(text.status == 0);
  CHECK(text.out.find("features.0") != std::string::npos);
  CHECK(json_of(folder, job + "--out again").at("groups") == found.at("groups"));
}

TEST_CASE("profile prints a row per layer and correlations, and leaves a report") {
  const CommandFolder folder;
  save_network(folder);
  const Json found = json_of(folder, "profile net.bonsai --hold-out 40 --out run" + tiny);
  REQUIRE(found.at("layers").size() == 7);
  for (const Json& layer : found.at("layers"))
    for (const char* key : {"name", "depth", "raw", "folded", "gamma", "zeros", "effective_rank"})
      CHECK(layer.contains(key));
  CHECK(found.at("layers")[6].at("points_lost").is_null());
  for (const char* key : {"with_depth", "with_points_lost"})
    CHECK(found.at(key)[0].contains("rho"));
  const std::string page = folder.read("run/report.html");
  for (const char* part : {"Norms of folded filters by depth", "Zeros and effective rank",
                           "With depth", "With points lost"})
    CHECK(page.find(part) != std::string::npos);
}

TEST_CASE("compare prints a row per criterion and leaves a report") {
  const CommandFolder folder;
  save_network(folder);
  const Json found = json_of(
      folder,
      "compare net.bonsai --hold-out 60 --channels 4 --oracle-images 16 --out run --data synthetic "
      "--images 200 --test-images 20 --calibration 100 ");
  CHECK(found.at("oracle_units") == 24);
  REQUIRE(found.at("criteria").size() == 13);
  for (const Json& criterion : found.at("criteria")) {
    if (criterion.at("name") == "gate") continue;  // the network has none
    for (const char* key : {"name", "spearman", "kendall", "groups", "curve", "overlap"})
      CHECK(criterion.contains(key));
    CHECK(criterion.at("curve").size() == 7);
    CHECK(criterion.at("overlap").at(criterion.at("name").get<std::string>()) == 1);
  }
  REQUIRE(found.at("methods").size() == 3);
  for (const Json& method : found.at("methods")) {
    CHECK(method.at("macs").get<double>() > 0.1);
    CHECK(method.at("macs").get<double>() < 0.5);
    CHECK(method.at("accuracy").get<double>() > 0.15);  // of ten classes
  }
  CHECK(found.at("l1_l2").size() == 6);
  const std::string page = folder.read("run/report.html");
  for (const char* part :
       {"Agreement with the oracle", "Overlap of choices", "Accuracy after recalibration",
        "L1 against L2", "closest to the oracle", "Methods that solve for weights"})
    CHECK(page.find(part) != std::string::npos);
}

TEST_CASE("compare with least squares and training measures each figure once") {
  const CommandFolder folder;
  save_network(folder);
  const std::string job =
      "compare net.bonsai --hold-out 40 --channels 1 --oracle-images 8 --parts 0.5 --repair "
      "--finetune 1 --out run" +
      tiny;
  const Json found = json_of(folder, job);
  const std::string measured = folder.read("run/measured.jsonl");
  for (const char* name : {"l1 without 0.5, least squares", "lasso without 0.5", "3c without 0.5",
                           "first_k without 0.5, fine-tuned, 1 epoch"}) {
    const size_t place = measured.find(join("\"", name, "\""));
    CHECK(place != std::string::npos);
    CHECK(measured.find(join("\"", name, "\""), place + 1) == std::string::npos);
  }
  for (const Json& criterion : found.at("criteria")) {
    if (criterion.at("name") == "gate") continue;
    REQUIRE(criterion.at("curve").size() == 1);
    CHECK(criterion.at("curve")[0].contains("fine-tuned, 1 epoch"));
    if (criterion.at("name") == "l1")
      CHECK(criterion.at("curve")[0].at("least squares") == found.at("methods")[0].at("accuracy"));
  }
  const Json again = json_of(folder, job + "--resume");
  CHECK(folder.read("run/measured.jsonl") == measured);
  for (const char* part : {"criteria", "methods"}) CHECK(again.at(part) == found.at(part));
}

TEST_CASE("sensitivity stopped by a signal ends in good order", "[slow]") {
  const CommandFolder folder;
  save_network(folder);
  const Outcome outcome = folder.run_and_signal(
      "sensitivity net.bonsai --step 0.01 --hold-out 100" + tiny + "--out run", "judged by",
      SIGINT);
  INFO(outcome.err);
  CHECK(outcome.status == 130);
  CHECK(outcome.out.empty());
  CHECK(outcome.err.find("groups are in run/report.html") != std::string::npos);
  CHECK(folder.run("report run").status == 0);
}

TEST_CASE("pictures that are held out are not learned from") {
  const CommandFolder folder;
  const std::string job = "train --width 0.125 --images 120 --test-images 20 --epochs 1 --out run ";
  REQUIRE(folder.run(job + "--hold-out 60").status == 0);
  CHECK(folder.read("run/report.html").find("60 training and") != std::string::npos);
  const Outcome wrong = folder.run(job + "--hold-out 120");
  CHECK(wrong.status == 1);
  CHECK(wrong.err.find("hold out: 120 of 120 pictures") != std::string::npos);
}

}  // namespace bonsai::test
