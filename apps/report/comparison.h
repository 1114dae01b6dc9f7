// The before/after table as rows of text, one source for the page and the terminal.
#pragma once

#include <string>
#include <vector>

#include "apps/report/data.h"

namespace bonsai::report {

struct ComparisonRow {
  std::string label, note;           // "latency, 1 thread", "median (p90) at batch 1"
  std::vector<std::string> figures;  // one per network
  std::string change;                // "2.00x fewer", "-0.4 points"; empty for a single network
  double gain = 0;                   // above 0: the change is for the better
};

std::vector<ComparisonRow> comparison(const std::vector<Measurement>& models);

// How many times the first network's median latency is the last one's; 0 when not measured.
double speedup_one_thread(const std::vector<Measurement>& models);

}  // namespace bonsai::report
