// How the scores of a network's units part into small and large ones while it is trained: the share
// of units in each of a few ranges, a line per epoch in scores.jsonl, and a heat map of it.
#pragma once

#include <filesystem>
#include <vector>

#include "apps/report/data.h"
#include "compress/criterion.h"

namespace bonsai::app {

class ScoreHistory {
 public:
  // Goes on after what the folder's scores.jsonl holds when `resume` is set.
  ScoreHistory(const std::filesystem::path& folder, bool resume);

  void add(int epoch, const Scores& scores);  // replaces that epoch and later ones
  report::HeatMap map() const;

 private:
  struct Row {
    int epoch;
    std::vector<double> shares;  // of the ranges
  };
  void write() const;

  std::filesystem::path file_;
  std::vector<Row> rows_;
};

}  // namespace bonsai::app
