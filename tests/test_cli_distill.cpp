// Learning from a teacher by the command, on tiny data: what it prints and leaves, and its errors.
#include <nlohmann/json.hpp>
#include <string>

#include "tests/catch.h"
#include "tests/command.h"
#include "tests/command_json.h"

namespace bonsai::test {
namespace {

using Json = nlohmann::json;

const std::string data = " --images 128 --test-images 32 --batch 32 ";

}  // namespace

TEST_CASE("distill trains a student, says what the teacher costs, and refuses what does not fit") {
  const CommandFolder folder;
  REQUIRE(folder.run("train --epochs 1 --width 0.25 --out teacher" + data).status == 0);
  const std::string job =
      "distill teacher/model.bonsai --width 0.125 --attention stages "
      "--hint features.3,relu_9 --hint-epochs 1 --epochs 2 --out student" +
      data;
  const Json result = json_of(folder, job);
  CHECK(result.at("teacher") == "teacher/model.bonsai");
  CHECK(result.at("teacher_share").get<double>() > 0);
  CHECK(result.at("teacher_share").get<double>() < 1);
  CHECK(result.at("teacher_ms").get<double>() ==
        Approx(result.at("teacher_share").get<double>() * result.at("step_ms").get<double>()));
  for (const char* name : {"student/model.bonsai", "student/log.jsonl", "student/report.html",
                           "student/hints/checkpoint.bonsai"})
    CHECK(std::filesystem::file_size(folder.path(name)) > 0);
  CHECK(folder.read("student/report.html").find("at temperature 4") != std::string::npos);
  CHECK(folder.read("student/model.bonsai").find("hint") == std::string::npos);
  const Outcome other = folder.run(job + " --resume --temperature 2");
  CHECK(other.status == 1);
  CHECK(other.err.find("temperature was 4, is now 2") != std::string::npos);

  // Any network teaches any other, of the zoo or of a file.
  const Json residual =
      json_of(folder,
              "distill student/model.bonsai --net resnet20 --width 0.25 --epochs 1 "
              "--no-augment --out residual" +
                  data);
  CHECK(residual.at("teacher") == "student/model.bonsai");
  const Json again = json_of(folder,
                             "distill residual/model.bonsai --net student/model.bonsai --epochs 1 "
                             "--attention relu_5=relu_23,relu_9=relu_46 --out again" +
                                 data);
  CHECK(again.at("teacher") == "residual/model.bonsai");

  const auto refused = [&](int status, const std::string& arguments, const std::string& text) {
    const Outcome outcome = folder.run("distill " + arguments + data);
    INFO(arguments << "\n" << outcome.err);
    CHECK(outcome.status == status);
    CHECK(outcome.err.find(text) != std::string::npos);
  };
  const std::string teacher = "teacher/model.bonsai --width 0.125 ";
  refused(2, "", "teacher is required");
  refused(2, "vgg_small", "should be a model file");
  refused(2, teacher + "--hint-epochs 2", "no layers are hinted at");
  refused(2, teacher + "--hint =relu_9", "--hint is '=relu_9'");
  refused(2, teacher + "--alpha 1.5", "--alpha");
  refused(1, teacher + "--hint relu_10", "the student has no layer 'relu_10' (did you mean");
  refused(1, teacher + "--net resnet20 --attention stages", "stages, the teacher");
}

}  // namespace bonsai::test
