// Slimming by the command, on tiny data: what it prints and leaves, that it goes on where it
// stopped, and its errors.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/error.h"
#include "tests/catch.h"
#include "tests/command.h"
#include "tests/command_json.h"

namespace bonsai::test {
namespace {

using Json = nlohmann::json;

const std::string data = " --images 128 --test-images 32 --batch 32 --width 0.125 ";

}  // namespace

TEST_CASE("slim trains apart, shows the cliff, cuts and fine-tunes") {
  const CommandFolder folder;
  const Outcome outcome = folder.run(
      "slim --epochs 2 --penalty proximal --lambda 0.1 --part 0.4 --floor 0.25 --finetune 1 "
      "--teacher self --out run --json" +
      data);
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  const Json result = Json::parse(outcome.out);
  const Json& cliff = result.at("cliff");
  REQUIRE(cliff.size() == 10);
  CHECK(cliff[0].at("units") == 0);
  for (size_t i = 1; i < cliff.size(); ++i) {
    CHECK(cliff[i].at("units") >= cliff[i - 1].at("units"));
    CHECK(cliff[i].at("macs") <= cliff[i - 1].at("macs"));
  }
  const Json &before = result.at("before"), &after = result.at("after");
  CHECK(after.at("macs").get<double>() / before.at("macs").get<double>() ==
        Approx(cliff[4].at("macs").get<double>()));
  for (const char* name : {"run/model.bonsai", "run/slim.bonsai", "run/train/log.jsonl",
                           "run/finetune/log.jsonl", "run/report.html"})
    CHECK(std::filesystem::file_size(folder.path(name)) > 0);
  const std::string scores = folder.read("run/scores.jsonl");
  CHECK(std::count(scores.begin(), scores.end(), '\n') == 2);
  const std::string page = folder.read("run/report.html");
  for (const char* part : {"How channels part", "What a cut leaves", "Channels per layer"})
    CHECK(page.find(part) != std::string::npos);

  const auto refused = [&](int status, const std::string& arguments, const std::string& text) {
    const Outcome other = folder.run("slim --epochs 2 --out run " + arguments + data);
    INFO(arguments << "\n" << other.err);
    CHECK(other.status == status);
    CHECK(other.err.find(text) != std::string::npos);
  };
  refused(1, "--penalty group --resume", "penalty was l1, proximal, is now group");
  refused(2, "--penalty l2", "--penalty: unknown 'l2'");
  refused(2, "--part 1", "--part is 1, should be at least 0 and below 1");
  refused(2, "--penalty blocks --target macs=0.5", "--target: blocks go when");
  refused(2, "--target size=0.5", "--target: unknown 'size'");
  refused(1, "--teacher nowhere.bonsai", "cannot be opened");
}

TEST_CASE("slim switches residual blocks off, shows what each is worth, and takes them out") {
  const CommandFolder folder;
  const std::string job =
      "slim --net resnet20 --epochs 2 --penalty blocks --lambda 5 --finetune 0 --out run --json" +
      data;
  const Outcome outcome = folder.run(job);
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  const Json result = Json::parse(outcome.out);
  CHECK(result.at("cliff").size() == 8);  // none to all seven that can go
  CHECK(result.at("cliff")[7].at("units") == 7);
  CHECK(outcome.err.find(" of 7 residual blocks have a factor of zero") != std::string::npos);
  CHECK(outcome.err.find("0 of 7 residual") == std::string::npos);
  CHECK(result.at("after").at("macs") < result.at("before").at("macs"));
  CHECK(folder.read("run/slim.bonsai").find("channel_scale") == std::string::npos);
  for (const char* penalty : {"blocks", "conv-groups"}) {
    const Outcome refused =
        folder.run(join("slim --net vgg_small --epochs 1 --out other --penalty ", penalty, data));
    CHECK(refused.status == 1);
    CHECK(refused.err.find("could go") != std::string::npos);
  }
}

TEST_CASE("slim takes out groups of convolutions, the lowest first") {
  const CommandFolder folder;
  const Outcome outcome = folder.run(
      "slim --net igc_l24m2 --epochs 1 --penalty conv-groups --part 0.4 --finetune 0 --out run "
      "--json --images 32 --test-images 8 --batch 16 --width 0.125");
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  const Json result = Json::parse(outcome.out);
  // Of three groups in each of 18 layers two can go.
  REQUIRE(result.at("cliff").size() == 21);
  CHECK(result.at("cliff")[20].at("units") == 36);
  CHECK(result.at("cliff")[20].at("part") == Approx(36.0 / 54));
  CHECK(result.at("after").at("macs") < result.at("before").at("macs"));
  CHECK(folder.read("run/report.html").find("How groups of convolutions part") !=
        std::string::npos);
}

TEST_CASE("without a part, no group goes whose factor is not zero") {
  const CommandFolder folder;
  const auto macs_left = [&](const std::string& strength) {
    const Json result = json_of(
        folder, "slim --net igc_l24m2 --epochs 1 --penalty conv-groups --finetune 0 --out run" +
                    strength + " --lambda " + strength +
                    " --images 32 --test-images 8 --batch 16 --width 0.125");
    return result.at("after").at("macs").get<double>() /
           result.at("before").at("macs").get<double>();
  };
  CHECK(macs_left("0") == 1);
  CHECK(macs_left("1000") < 0.6);
}

}  // namespace bonsai::test
