// The command's jobs on tiny data: what --json promises, what a run leaves in its folder, and a
// run that a signal stops and --resume finishes.
#include <algorithm>
#include <csignal>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/catch.h"
#include "tests/command.h"
#include "tests/command_json.h"

namespace bonsai::test {
namespace {

using Json = nlohmann::json;

const std::string tiny = " --width 0.125 --images 256 --test-images 64 --batch 32 ";

void require_keys(const Json& value, const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    INFO(key << " in " << value.dump());
    CHECK(value.contains(key));
  }
}

void require_files(const CommandFolder& folder, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    INFO(name);
    CHECK(std::filesystem::file_size(folder.path(name)) > 0);
  }
}

}  // namespace

TEST_CASE("zoo and summary print the promised JSON") {
  const CommandFolder folder;
  const Json zoo = json_of(folder, "zoo");
  REQUIRE(zoo.is_array());
  for (const Json& entry : zoo)
    require_keys(entry, {"name", "input", "classes", "params", "macs", "source"});

  const Json summary = json_of(folder, "summary vgg_small --input 32,32,3 --classes 7");
  require_keys(summary, {"name", "input", "params", "macs", "activation_bytes", "units", "layers"});
  CHECK(summary.at("layers").back().at("output") == Json::array({7}));
  int64_t params = 0, macs = 0;
  for (const Json& layer : summary.at("layers")) {
    require_keys(layer, {"name", "op", "output", "params", "macs"});
    params += layer.at("params").get<int64_t>();
    macs += layer.at("macs").get<int64_t>();
  }
  CHECK(params == summary.at("params").get<int64_t>());
  CHECK(macs == summary.at("macs").get<int64_t>());
  // The zoo counts from shapes what summary counts from the traced graph.
  const Json own = json_of(folder, "summary vgg16");
  for (const Json& entry : zoo)
    if (entry.at("name") == "vgg16") {
      CHECK(entry.at("macs") == own.at("macs"));
      CHECK(entry.at("params") == own.at("params"));
    }
}

TEST_CASE("train, eval, prune, classify and bench print the promised JSON") {
  const CommandFolder folder;
  const Json trained = json_of(folder, "train --epochs 2 --profile --out run" + tiny);
  require_keys(trained, {"accuracy", "loss", "epochs", "seconds", "images_per_s", "model",
                         "waiting_for_data", "layers"});
  CHECK(folder.read("run/report.html").find("Time by layer") != std::string::npos);
  CHECK(trained.at("model") == "run/model.bonsai");
  require_files(folder, {"run/model.bonsai", "run/log.jsonl", "run/checkpoint.bonsai",
                         "run/report.html", "run/report.json", "run/config.json"});
  CHECK(Json::parse(folder.read("run/config.json")).at("epochs") == "2");

  const std::string data = " --data synthetic --images 256 --test-images 64";
  const Json tested = json_of(folder, "eval run/model.bonsai" + data);
  require_keys(tested, {"accuracy", "loss", "images"});
  CHECK(tested.at("images") == 64);
  CHECK(tested.at("accuracy") == trained.at("accuracy"));

  const std::vector<std::string> figures = {"params",           "macs",       "bytes",
                                            "activation_bytes", "latency_ms", "accuracy"};
  const Json blind = json_of(folder, "prune run/model.bonsai --target macs=0.5 --out half.bonsai");
  for (const char* side : {"before", "after"}) {
    require_keys(blind.at(side), figures);
    CHECK(blind.at(side).at("accuracy").is_null());
  }
  const double before = blind.at("before").at("macs"), after = blind.at("after").at("macs");
  CHECK(after <= before / 2);
  CHECK(blind.at("after").at("bytes") == std::filesystem::file_size(folder.path("half.bonsai")));
  const Json seen = json_of(folder, "prune run/model.bonsai --ratio 0.9 --out most.bonsai" + data);
  CHECK(seen.at("before").at("accuracy") == trained.at("accuracy"));
  for (const char* how : {"--criterion geometric_median --fold-constants", "--criterion apoz",
                          "--criterion taylor --recalibrate"})
    json_of(folder, std::string("prune run/model.bonsai --ratio 0.5 --out other.bonsai") +
                        " --calibration 64 " + how + data);

  const Json repaired = json_of(
      folder, "prune run/model.bonsai --repair --target macs=0.5 --out repaired.bonsai" + data);
  CHECK(repaired.at("after").at("macs") == after);
  REQUIRE_FALSE(repaired.at("layers").empty());
  for (const Json& layer : repaired.at("layers"))
    require_keys(layer, {"name", "channels", "kept", "error"});

  require_keys(json_of(folder, "bench half.bonsai --batch 2 --threads 1 --seconds 0.05"),
               {"median_ms", "p90_ms", "images_per_s", "arena_bytes", "peak_rss_bytes"});
  const Json steps = json_of(folder, "bench half.bonsai --train --batch 8 --seconds 0.05 --layers");
  require_keys(steps, {"images_per_s", "step_ms", "share_of_peak", "peak_rss_bytes"});
  std::map<std::string, double> ms;  // by direction
  for (const Json& step : steps.at("layers").at("steps")) {
    require_keys(step, {"layer", "operation", "direction", "kernel", "ms", "gflops", "gb_per_s"});
    ms[step.at("direction")] += step.at("ms").get<double>();
  }
  for (const char* direction : {"forward", "backward-data", "backward-weights"})
    CHECK(ms[direction] > 0);
  const Json drawn = json_of(folder, "report run");
  CHECK(drawn.at("report") == "run/report.html");
}

TEST_CASE("speedrun says when it reached what") {
  const CommandFolder folder;
  const Json run = json_of(folder,
                           "speedrun --epochs 2 --batch 32 --width 0.125 --images 192"
                           " --test-images 64 --out run");
  require_keys(run, {"accuracy", "seconds", "marks", "history", "model"});
  CHECK(run.at("history").size() == 2);
  // Every mark up to the best accuracy was reached, and no other.
  double best = 0, seconds = 0;
  for (const Json& epoch : run.at("history"))
    best = std::max(best, epoch.at("accuracy").get<double>());
  const std::vector<double> marks = {0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.92, 0.93, 0.94};
  CHECK(static_cast<int64_t>(run.at("marks").size()) ==
        std::count_if(marks.begin(), marks.end(), [&](double m) { return m <= best; }));
  for (const Json& mark : run.at("marks")) {
    require_keys(mark, {"accuracy", "epoch", "seconds"});
    CHECK(mark.at("seconds") >= seconds);
    seconds = mark.at("seconds");
    const size_t epoch = mark.at("epoch").get<size_t>();
    CHECK(run.at("history").at(epoch - 1).at("accuracy") >= mark.at("accuracy"));
  }
  const Json tested = json_of(folder,
                              "eval run/model.bonsai --flip-test --data synthetic"
                              " --images 192 --test-images 64");
  CHECK(tested.at("accuracy") == run.at("accuracy"));
  CHECK(folder.run("train --whiten --net airbench93 --epochs 1 --out other" + tiny).status == 0);
}

TEST_CASE("compress does the whole job and leaves a report and a command that works") {
  const CommandFolder folder;
  const Outcome outcome =
      folder.run("compress --epochs 2 --finetune 1 --teacher self --out run" + tiny);
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  require_files(folder, {"run/model.bonsai", "run/pruned.bonsai", "run/report.html",
                         "run/picture.png", "run/train/log.jsonl", "run/finetune/log.jsonl"});
  const std::string page = folder.read("run/report.html");
  for (const char* part :
       {"Before and after", "Learning curves", "Channels per layer", "Test pictures",
        "Confusion matrix", "How this was made", "self: labels"})
    CHECK(page.find(part) != std::string::npos);

  CHECK(outcome.out.find("MACs") != std::string::npos);
  CHECK(outcome.out.find("report: run/report.html") != std::string::npos);
  const size_t next = outcome.out.find(" classify ");
  REQUIRE(next != std::string::npos);
  const std::string arguments = outcome.out.substr(next + 1, outcome.out.find('\n', next) - next);
  const Json guesses = json_of(folder, arguments.substr(0, arguments.find('\n')));
  REQUIRE(guesses.size() == 1);
  require_keys(guesses[0], {"image", "top", "ms"});
  double last = 1;
  for (const Json& guess : guesses[0].at("top")) {
    require_keys(guess, {"label", "probability"});
    CHECK(guess.at("probability").get<double>() <= last);
    last = guess.at("probability").get<double>();
  }
  const Json repeated = json_of(folder,
                                "compress run/model.bonsai --data synthetic --finetune 0 "
                                "--images 256 --test-images 64 --target params=0.5 "
                                "--out again");
  CHECK(repeated.at("after").at("params").get<double>() <=
        repeated.at("before").at("params").get<double>() / 2);
}

TEST_CASE("prune and compress reconstruct, compare selections and show the errors") {
  const CommandFolder folder;
  REQUIRE(folder.run("train --epochs 1 --out run" + tiny).status == 0);
  const std::string job =
      " run/model.bonsai --method lasso --compare --target macs=0.5 "
      "--calibration 100 --positions 4 --images 256 --test-images 64 ";
  const Json pruned = json_of(folder, "prune" + job + "--data synthetic --out lasso.bonsai");
  CHECK(pruned.at("after").at("macs").get<double>() <=
        pruned.at("before").at("macs").get<double>() / 2);
  const Json& layers = pruned.at("layers");
  REQUIRE(layers.size() == 6);
  for (const Json& layer : layers) {
    require_keys(layer.at("lasso"), {"alpha", "sweeps", "violation", "gap"});
    CHECK(layer.at("selections").size() == 7);
    const Json& error = layer.at("error");
    CHECK(error.at("least_squares") <= error.at("bias_only"));
    CHECK(error.at("bias_only") <= error.at("naive"));
  }
  const Outcome shown =
      folder.run("compress" + job + "--data synthetic --finetune 0 --out compressed");
  INFO(shown.err);
  REQUIRE(shown.status == 0);
  CHECK(shown.out.find("as made") != std::string::npos);
  CHECK(shown.out.find("greedy") != std::string::npos);
  CHECK(shown.out.find("duality gap at most") != std::string::npos);
  CHECK(folder.read("compressed/report.html").find("<h2>Reconstruction</h2>") != std::string::npos);
  // The report is drawn again from what the run left.
  CHECK(json_of(folder, "report compressed").at("report") == "compressed/report.html");
  CHECK(folder.read("compressed/report.html").find("<h2>Reconstruction</h2>") != std::string::npos);
}

TEST_CASE("runs by one plan leave the same model, and a resumed run keeps its plan") {
  const CommandFolder folder;
  const std::string net = "vgg_small --width 0.125 ";
  const Json plan =
      json_of(folder, "bench " + net + "--train --batch 8 --seconds 0.01 --plan plan.json")
          .at("plan");
  REQUIRE_FALSE(plan.empty());
  for (const Json& choice : plan)
    require_keys(choice, {"convolution", "direction", "rule", "rule_ms", "kernel", "ms"});
  const std::string job = "train --epochs 1 --images 64 --test-images 32 --batch 8 --net " + net;
  REQUIRE(folder.run(job + "--plan plan.json --out a").status == 0);
  const std::string text = folder.read("plan.json");
  CHECK(folder.read("a/plan.json") == text);
  // What stopped before its first checkpoint goes on by its plan, even unasked.
  std::filesystem::create_directory(folder.path("b"));
  folder.write("b/plan.json", text);
  REQUIRE(folder.run(job + "--resume --out b").status == 0);
  CHECK(folder.read("b/plan.json") == text);
  CHECK(folder.read("a/model.bonsai") == folder.read("b/model.bonsai"));
  std::filesystem::remove(folder.path("b/plan.json"));
  const Outcome other = folder.run(job + "--resume --out b");
  CHECK(other.status == 1);
  CHECK(other.err.find("plan of convolutions") != std::string::npos);
  // What began without a plan goes on without one, even if asked.
  REQUIRE(folder.run(job + "--out c").status == 0);
  CHECK(folder.run(job + "--plan plan.json --resume --out c").status == 0);
  CHECK_FALSE(std::filesystem::exists(folder.path("c/plan.json")));
}

TEST_CASE("a run stopped by a signal and resumed equals one that was not stopped", "[slow]") {
  const CommandFolder folder;
  const std::string job = "compress --epochs 6 --finetune 6" + tiny + "--out ";
  REQUIRE(folder.run(job + "whole").status == 0);

  // In the middle of the training, and in the middle of the fine-tuning.
  const Outcome first = folder.run_and_signal(job + "parts", "epoch 2/6  loss", SIGINT);
  INFO(first.err);
  REQUIRE(first.status == 130);
  CHECK(first.err.find("go on with: ") != std::string::npos);
  CHECK(first.err.find("--resume\n") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(folder.path("parts/model.bonsai")));

  const Outcome second =
      folder.run_and_signal(job + "parts --resume", "before fine-tuning", SIGTERM);
  INFO(second.err);
  REQUIRE(second.status == 143);
  CHECK(second.err.find("epoch 1/6") == std::string::npos);
  CHECK_FALSE(std::filesystem::exists(folder.path("parts/pruned.bonsai")));

  REQUIRE(folder.run(job + "parts --resume").status == 0);
  for (const char* file : {"model.bonsai", "pruned.bonsai", "picture.png"}) {
    INFO(file);
    CHECK(folder.read(std::string("whole/") + file) == folder.read(std::string("parts/") + file));
  }
  // Other options are another run: refused, and the old one is left alone.
  const Outcome other = folder.run(job + "parts --resume --lr 0.01");
  CHECK(other.status == 1);
  CHECK(other.err.find("learning rate") != std::string::npos);
}

}  // namespace bonsai::test
