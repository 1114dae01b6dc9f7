#include "apps/compared.h"

#include <cmath>

#include "apps/console.h"
#include "apps/signals.h"
#include "apps/steps.h"
#include "apps/training.h"
#include "compress/calibration.h"
#include "compress/oracle.h"
#include "compress/prune.h"
#include "compress/reconstruct.h"
#include "engine/error.h"

namespace bonsai::app {
namespace {

std::map<int, double> oracle_of(const Analysis& analysis, const CompareArguments& arguments,
                                Measurements& kept) {
  const std::vector<int> units =
      sample_units(analysis.coupling, arguments.channels, arguments.analysis.seed);
  const std::vector<Batch> pictures =
      calibration_batches(analysis.validation, analysis.data.mean, analysis.data.std,
                          {.images = arguments.oracle_images, .seed = arguments.analysis.seed});
  say(join("oracle: the loss without each of ", units.size(), " of ",
           analysis.coupling.units.size(), " channels alone"));
  Steps steps("oracle");
  const std::vector<double> increase =
      loss_increase(analysis.graph, analysis.coupling, units, pictures,
                    {.progress = [&steps](int done, int total) { steps.show(done, total); },
                     .stop = &stop_requested(),
                     .kept = &kept});
  steps.clear();
  end_if_stopped();
  std::map<int, double> by_unit;
  for (size_t i = 0; i < units.size(); ++i) by_unit[units[i]] = increase[i];
  return by_unit;
}

// The remaining weights by least squares, on the calibration's number of pictures.
Treatment repairing(const Analysis& analysis, const CompareArguments& arguments) {
  const Pictures pictures =
      sample_pictures(analysis.data.train, analysis.data.mean, analysis.data.std,
                      arguments.analysis.calibration, arguments.analysis.seed);
  return {"least squares",
          [&analysis, &arguments, pictures](const std::set<int>& gone) -> std::optional<Graph> {
            const auto repaired =
                repair(analysis.graph, analysis.coupling, gone, pictures,
                       {.seed = arguments.analysis.seed, .stop = &stop_requested()});
            if (!repaired) return std::nullopt;
            return prune(repaired->graph, analysis.coupling, repaired->gone);
          }};
}

// Some epochs on the training pictures that are not held out.
Treatment finetuning(const Analysis& analysis, const CompareArguments& arguments) {
  return {join("fine-tuned, ", arguments.finetune, arguments.finetune == 1 ? " epoch" : " epochs"),
          [&analysis, &arguments](const std::set<int>& gone) -> std::optional<Graph> {
            Graph small = prune(analysis.graph, analysis.coupling, gone);
            TrainingArguments training{.epochs = arguments.finetune,
                                       .lr = 0.01,
                                       .schedule = "cosine",
                                       .seed = arguments.analysis.seed};
            TrainOptions options = train_options(training, analysis.data.train.height);
            options.stop = &stop_requested();
            if (fit(small, analysis.data, options).stopped) return std::nullopt;
            return small;
          }};
}

RunIdentity choices_of(const CompareArguments& arguments) {
  RunIdentity choices = {{"channels of each group", join(arguments.channels)},
                         {"pictures of the oracle", join(arguments.oracle_images)}};
  if (arguments.finetune > 0) choices["epochs of fine-tuning"] = join(arguments.finetune);
  return choices;
}

// Where choices are compared: at a half, or at the part nearest to it.
double cut_of(const std::vector<double>& parts) {
  return *std::min_element(parts.begin(), parts.end(), [](double a, double b) {
    return std::abs(a - 0.5) < std::abs(b - 0.5);
  });
}

}  // namespace

Compared compared_by(const Analysis& analysis, const CompareArguments& arguments) {
  Measurements kept =
      measurements_of(analysis, arguments.analysis, "compare", choices_of(arguments));
  Compared found;
  found.oracle = oracle_of(analysis, arguments, kept);
  found.curves.parts = arguments.parts;
  found.curves.cut = cut_of(arguments.parts);
  const Treatment least_squares = repairing(analysis, arguments);
  if (arguments.repair) found.curves.treatments.push_back(least_squares);
  if (arguments.finetune > 0) found.curves.treatments.push_back(finetuning(analysis, arguments));
  found.curves.kept = &kept;
  const Evidence evidence(analysis.graph, analysis.coupling, analysis.calibration,
                          arguments.analysis.seed);
  found.criteria = compared_criteria(evidence, found.oracle);
  found.norms = norm_ratios(evidence);
  Steps steps("pruning by every criterion");
  found.curves.progress = [&steps](int done, int total) { steps.show(done, total); };
  found.curves.stop = &stop_requested();
  measure_curves(found.criteria, evidence, analysis.judge(), analysis.calibration, found.curves);
  found.curves.progress = {};
  steps.clear();
  end_if_stopped();
  found.methods =
      compared_methods(analysis, arguments.analysis, found.find("l1"), least_squares, found.curves);
  found.curves.kept = nullptr;
  return found;
}

}  // namespace bonsai::app
