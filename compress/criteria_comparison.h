// Criteria side by side on one network: agreement with the oracle, accuracy after pruning by them,
// and how far their choices overlap.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "compress/agreement.h"
#include "compress/judge.h"

namespace bonsai {

struct ComparedCriterion {
  std::string name;
  std::string refused = {};  // why it has no scores here; then nothing of the rest holds
  Scores scores = {};
  Agreement agreement = {};                         // with the oracle
  std::vector<PrunedAccuracy> curve = {};           // per part
  std::vector<std::vector<Accuracy>> treated = {};  // by treatment, then part
  std::set<int> chosen = {};                        // units that go at the cut
};

// Every criterion of the table that can score this network, and the reason of those that cannot.
// The oracle comes last, as a criterion, when it measured every unit.
std::vector<ComparedCriterion> compared_criteria(const Evidence& evidence,
                                                 const std::map<int, double>& oracle);

// What is done to a network to make up for units that go, beside recalibration: least squares, or
// some training.
struct Treatment {
  std::string name;
  // The pruned network, treated; nothing when stopped.
  std::function<std::optional<Graph>(const std::set<int>& gone)> apply;
};

struct CurveOptions {
  std::vector<double> parts = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7};  // that go, of every group
  double cut = 0.5;                                                 // where choices are compared
  std::vector<Treatment> treatments = {};
  std::function<void(int done, int total)> progress = {};
  const std::atomic<bool>* stop = nullptr;
  Measurements* kept = nullptr;  // that an interrupted run goes on with
};

// What is left without these units, which a criterion chose as a part of every group, after a
// treatment; of CurveOptions::kept where it is known. Nothing when stopped.
std::optional<Accuracy> judged_after(const Treatment& treatment, const std::string& criterion,
                                     double part, const std::set<int>& gone, const Judge& judge,
                                     const CurveOptions& options);

// Fills in the curves and choices; false when stopped.
bool measure_curves(std::vector<ComparedCriterion>& criteria, const Evidence& evidence,
                    const Judge& judge, std::span<const Batch> calibration,
                    const CurveOptions& options);

// In one sentence: do the L1 and the L2 norm choose the same here, and why?
std::string explain_norms(const std::vector<NormRatio>& ratios, double overlap_at_cut);

}  // namespace bonsai
