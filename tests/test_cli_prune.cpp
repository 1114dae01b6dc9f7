// bonsai prune in steps: interrupted and resumed, replayed where the test pictures are others, and
// refused in one line where it cannot be done.
#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>

#include "engine/file.h"
#include "tests/catch.h"
#include "tests/command.h"
#include "tests/pictures.h"
#include "zoo/zoo.h"

namespace bonsai::test {
namespace {

using Json = nlohmann::json;

void write_class(const CommandFolder& folder, const std::string& name, int count, int seed) {
  std::filesystem::create_directories(folder.path(name));
  for (int i = 0; i < count; ++i)
    write_png(folder.path(name) / (std::to_string(i) + ".png"), test_picture(16, 16, seed + i));
}

void write_data(const CommandFolder& folder, const std::string& name, int train_seed,
                int test_seed) {
  for (const int label : {0, 1}) {
    const std::string group = label == 0 ? "a" : "b";
    write_class(folder, name + "/train/" + group, 16, train_seed + 100 * label);
    write_class(folder, name + "/test/" + group, 3, test_seed + 100 * label);
  }
}

void save_network(const CommandFolder& folder) {
  zoo::Options options{.classes = 2, .seed = 1, .width = 0.125F, .input = {16, 16, 3}};
  Graph graph = trace(*zoo::make("vgg_small", options), {1, 16, 16, 3});
  graph.info.network = "vgg_small";
  graph.info.classes = {"a", "b"};
  graph.info.mean = graph.info.std = {0.5F, 0.5F, 0.5F};
  save(folder.path("net.bonsai").string(), graph);
}

const std::string job =
    "prune net.bonsai --target macs=0.8 --max-drop 100 --round-to 2 --hold-out 6 --batch 8 "
    "--cache cache ";
const std::string taught = job + "--teacher self ";

}  // namespace

TEST_CASE("prune in steps resumes, reports, and never looks at test pictures before the end") {
  const CommandFolder folder;
  save_network(folder);
  write_data(folder, "data", 1, 1000);
  write_data(folder, "other_test", 1, 5000);
  write_data(folder, "other_train", 3, 1000);

  const Outcome cut =
      folder.run_and_signal(taught + "--data data --scratch --out run", "step 1", SIGINT);
  INFO(cut.err);
  CHECK(cut.status == 130);
  CHECK(cut.err.find("go on with: ") != std::string::npos);
  const Outcome done = folder.run(taught + "--data data --scratch --out run --json --resume");
  INFO(done.err);
  REQUIRE(done.status == 0);
  const Json found = Json::parse(done.out);
  CHECK(found.at("reason") == "the target is reached");
  CHECK(found.at("after").at("macs").get<double>() <=
        0.8 * found.at("before").at("macs").get<double>());
  CHECK(found.at("validation").at("images") == 6);
  CHECK(found.at("scratch").at("epochs") == found.at("steps").size());
  for (const char* name : {"pruned.bonsai", "scratch.bonsai", "journal.jsonl", "config.json"})
    CHECK(std::filesystem::exists(folder.path("run") / name));
  CHECK(folder.read("run/decisions.log").find("step 1: ") != std::string::npos);
  const std::string page = folder.read("run/report.html");
  for (const char* part : {"What can be reached", "Steps", "taken back", "from scratch"})
    CHECK(page.find(part) != std::string::npos);

  // Had a test picture been looked at, this would come out differently. The rest, which measures,
  // is not needed.
  const std::string replay = taught + "--replay run/journal.jsonl ";
  folder.run_and_signal(replay + "--data other_test --out same", "end: ", SIGTERM);
  CHECK(folder.read("same/journal.jsonl") == folder.read("run/journal.jsonl"));
  const Outcome refused = folder.run(replay + "--data other_train --out other");
  CHECK(refused.status == 1);
  CHECK(refused.err.find("belongs to another run: data was") != std::string::npos);
  const Outcome untaught = folder.run(job + "--data data --out run --resume");
  CHECK(untaught.status == 1);
  CHECK(untaught.err.find("is now nothing") != std::string::npos);
}

TEST_CASE("prune in steps solves for weights by least squares and trains nothing if so asked") {
  const CommandFolder folder;
  save_network(folder);
  write_data(folder, "data", 1, 1000);
  const Outcome done = folder.run(job + "--method lasso --epochs 0 --data data --json --out run");
  INFO(done.err);
  REQUIRE(done.status == 0);
  const Json found = Json::parse(done.out);
  CHECK(found.at("reason") == "the target is reached");
  for (const Json& step : found.at("steps")) {
    CHECK(step.at("epochs") == 0);
    CHECK(step.at("solved") == true);
    CHECK(step.at("chosen_by") == "lasso");
    CHECK(step.at("accuracy") == step.at("recalibrated"));
  }
  CHECK(done.err.find("after least squares, channels chosen by lasso") != std::string::npos);
}

TEST_CASE("prune at once trains what is left, with the network before pruning as its teacher") {
  const CommandFolder folder;
  save_network(folder);
  write_data(folder, "data", 1, 1000);
  const Outcome outcome = folder.run(
      "prune net.bonsai --target macs=0.6 --round-to 1 --cache cache --batch 8 --data data "
      "--finetune 2 --teacher self --out small.bonsai --json");
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  CHECK(outcome.err.find("of the time of a step") != std::string::npos);
  const Json result = Json::parse(outcome.out);
  CHECK(result.contains("accuracy_pruned"));
  CHECK(result.at("after").at("macs") < result.at("before").at("macs"));
  const std::string log = folder.read("small.finetune/log.jsonl");
  CHECK(std::count(log.begin(), log.end(), '\n') == 2);
  // What is saved is the network after its training, not before it.
  const Outcome eval = folder.run("eval small.bonsai --cache cache --data data --json");
  REQUIRE(eval.status == 0);
  CHECK(Json::parse(eval.out).at("accuracy") == result.at("after").at("accuracy"));
  REQUIRE(
      folder.run("prune net.bonsai --target macs=0.6 --round-to 1 --out untrained.bonsai").status ==
      0);
  CHECK(folder.read("untrained.bonsai") != folder.read("small.bonsai"));
}

TEST_CASE("prune in steps says in one line what it cannot do") {
  const CommandFolder folder;
  save_network(folder);
  write_data(folder, "data", 1, 1000);
  struct Wrong {
    std::string arguments, complaint;
    int status;
  };
  const std::string base = "prune net.bonsai --cache cache ";
  for (const Wrong& wrong : std::vector<Wrong>{
           {base + "--target macs=0.5 --max-drop 1", "give --data", 2},
           {base + "--budget 5m --data data", "give --target macs=0.5", 2},
           {base + "--target maks=0.5 --budget 5m --data data", "did you mean 'macs'", 2},
           {base + "--target macs=0.5 --budget 5 --data data", "such as 90s, 30m or 2h", 2},
           {base + "--target macs=0.5 --max-drop 1 --mode iner --data data", "'inner'", 2},
           {base + "--target macs=0.5 --max-drop 1 --rank tailor --data data", "'taylor'", 2},
           {base + "--target macs=0.5 --max-drop 1 --method 3c --data data", "for pruning at once",
            2},
           {base + "--target macs=0.5 --max-drop 1 --ratios a=0.5 --data data", "do not go with",
            2},
           {base + "--target macs=0.5 --max-drop 1 --mode blocks --rank sensitivity --epochs 0 "
                   "--data data",
            "give --epochs 1 or more", 2},
           {base + "--target macs=0.5 --max-drop 1 --teacher self --epochs 0 --data data",
            "--teacher teaches what is trained", 2},
           {base + "--target macs=0.5 --scratch --out x", "--scratch belongs to", 2},
           {base + "--target latency=0.5 --out x", "give bonsai prune --max-drop", 2},
           {base + "--target macs=0.5", "--out is required", 2},
           {base + "--target macs=0.5 --finetune 1 --out x", "--finetune learns from pictures", 2},
           {base + "--target macs=0.5 --teacher self --out x", "--teacher teaches what is", 2},
           {base + "--target macs=0.5 --lr 0.1 --out x", "--lr belongs to training", 2},
           {base + "--target macs=0.5 --mode blocks --out x", "--mode blocks goes in steps", 2},
           {base + "--target macs=0.5 --mode blocks --max-drop 1 --data data",
            "give --rank sensitivity", 2},
           {base + "--target macs=0.001 --max-drop 1 --data data --out out",
            "cannot be reached, the least in mode coupled is", 1},
           {base + "--target macs=0.5 --max-drop 1 --data data --hold-out 32 --out out", "32",
            1}}) {
    INFO(wrong.arguments);
    const Outcome outcome = folder.run(wrong.arguments);
    INFO(outcome.err);
    CHECK(outcome.status == wrong.status);
    CHECK(outcome.out.empty());
    const size_t line = outcome.err.find("bonsai: ");
    REQUIRE(line != std::string::npos);
    CHECK(outcome.err.find(wrong.complaint, line) != std::string::npos);
    CHECK(outcome.err.find('\n', line) == outcome.err.size() - 1);
  }
}

}  // namespace bonsai::test
