// What `bonsai compare` measures: criteria against the loss of every channel alone, and by what
// they leave of a network.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "apps/analysis.h"
#include "apps/method_comparison.h"
#include "compress/criteria_comparison.h"

namespace bonsai::app {

struct CompareArguments {
  AnalysisArguments analysis;
  int channels = 32, oracle_images = 256;
  std::vector<double> parts = CurveOptions{}.parts;
  bool repair = false;
  int finetune = 0;  // epochs
};

struct Compared {
  std::map<int, double> oracle;  // by unit
  std::vector<ComparedCriterion> criteria;
  std::vector<NormRatio> norms;
  CurveOptions curves;
  std::vector<ComparedMethod> methods;

  const ComparedCriterion& find(const std::string& name) const {
    return *std::find_if(criteria.begin(), criteria.end(),
                         [&](const ComparedCriterion& c) { return c.name == name; });
  }
  size_t cut_place() const {
    return static_cast<size_t>(std::find(curves.parts.begin(), curves.parts.end(), curves.cut) -
                               curves.parts.begin());
  }
};

// Throws Stopped after a signal; what was measured by then is kept in the run's folder.
Compared compared_by(const Analysis& analysis, const CompareArguments& arguments);

}  // namespace bonsai::app
