#include "apps/teaching.h"

#include <algorithm>

#include <CLI/CLI.hpp>

#include "apps/report/text.h"
#include "apps/signals.h"
#include "apps/steps.h"
#include "apps/usage.h"

namespace bonsai::app {
namespace {

std::vector<LayerPair> pairs_of(const std::string& option, const std::vector<std::string>& texts,
                                const Graph& student, const Graph& teacher) {
  std::vector<LayerPair> pairs;
  for (const std::string& text : texts) {
    if (text == "stages") {
      for (LayerPair& pair : stage_pairs(student, teacher)) pairs.push_back(std::move(pair));
      continue;
    }
    const size_t equals = text.find('=');
    const std::string ours = text.substr(0, equals),
                      theirs = equals == std::string::npos ? ours : text.substr(equals + 1);
    require_usage(!ours.empty() && !theirs.empty(), option, " is '", text,
                  "', should be STUDENT'S LAYER=TEACHER'S LAYER, a name of both, or stages");
    pairs.push_back({ours, theirs});
  }
  return pairs;
}

std::string layers_text(const std::vector<LayerPair>& pairs) {
  std::string text;
  for (const auto& [student, teacher] : pairs) {
    text += (text.empty() ? "" : ", ") + student + (student == teacher ? "" : "=" + teacher);
  }
  return text;
}

}  // namespace

void add_teaching(CLI::App& parser, TeachingArguments& teaching) {
  parser.add_option("--temperature", teaching.temperature, "softens the answers that are compared")
      ->check(CLI::Range(0.01, 1000.0));
  parser
      .add_option("--alpha", teaching.alpha,
                  "weight of the teacher's answers; the labels have the rest of 1")
      ->check(CLI::Range(0.0, 1.0));
  parser
      .add_option("--hint", teaching.hints,
                  "layers whose values the student learns to predict the teacher's from: "
                  "student=teacher, one name for both, or stages (see bonsai summary)")
      ->delimiter(',');
  parser.add_option("--hint-weight", teaching.hint_weight, "weight of each hint")
      ->check(CLI::NonNegativeNumber);
  parser
      .add_option("--attention", teaching.attention,
                  "layers that should be active at the same places: as for --hint")
      ->delimiter(',');
  parser.add_option("--attention-weight", teaching.attention_weight, "weight of each such layer")
      ->check(CLI::NonNegativeNumber);
}

DistillationOptions distillation_options(const TeachingArguments& teaching, const Graph& student,
                                         const Graph& teacher, uint64_t seed) {
  return {.temperature = static_cast<float>(teaching.temperature),
          .labels = static_cast<float>(1 - teaching.alpha),
          .answers = static_cast<float>(teaching.alpha),
          .hints = pairs_of("--hint", teaching.hints, student, teacher),
          .attention = pairs_of("--attention", teaching.attention, student, teacher),
          .hint_weight = static_cast<float>(teaching.hint_weight),
          .attention_weight = static_cast<float>(teaching.attention_weight),
          .seed = seed};
}

std::unique_ptr<Distillation> distillation(Graph& student, const Graph& teacher,
                                           const Dataset& data, const TrainOptions& training,
                                           const DistillationOptions& options) {
  auto result = std::make_unique<Distillation>(student, teacher, data, options);
  if (training.augment.changes()) return result;
  Steps steps("asking the teacher");
  result->remember(data, [&steps](int done, int total) {
    steps.show(done, total);
    end_if_stopped();
  });
  return result;
}

std::string description(const DistillationOptions& options) {
  std::string text = join("labels ", options.labels, ", the teacher's answers ", options.answers,
                          " at temperature ", options.temperature);
  if (!options.hints.empty()) {
    text += join(", hints ", options.hint_weight, " (", layers_text(options.hints), ")");
  }
  if (!options.attention.empty()) {
    text +=
        join(", attention ", options.attention_weight, " (", layers_text(options.attention), ")");
  }
  return text;
}

void TeachingCost::add(const Distillation& distillation, const TrainResult& result) {
  teacher_seconds += distillation.teacher_seconds();
  step_seconds += result.step_seconds;
  steps += result.steps;
}

double TeachingCost::share() const { return step_seconds > 0 ? teacher_seconds / step_seconds : 0; }

double TeachingCost::teacher_ms() const {
  return 1000 * teacher_seconds / static_cast<double>(std::max<int64_t>(steps, 1));
}

std::string TeachingCost::text() const {
  const double step_ms = 1000 * step_seconds / static_cast<double>(std::max<int64_t>(steps, 1));
  return join("teacher: ", report::percent(share(), 0), " of the time of a step, ",
              report::fixed(teacher_ms(), 1), " of ", report::fixed(step_ms, 1), " ms");
}

}  // namespace bonsai::app
