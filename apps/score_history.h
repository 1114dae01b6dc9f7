// How the scores of a network's channels, or of larger parts, part into small and large ones while
// it is trained: the share in each of a few ranges, a line per epoch in scores.jsonl, and a heat
// map of it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "apps/report/data.h"
#include "compress/criterion.h"

namespace bonsai::app {

class ScoreHistory {
 public:
  // `what` has scores ("channels"); `ends` of the ranges: the first is zero alone, and a last one
  // without end follows. Goes on after what the folder's scores.jsonl holds when `resume` is set.
  ScoreHistory(const std::filesystem::path& folder, std::string what, std::vector<double> ends,
               bool resume);

  void add(int epoch, const Scores& scores);  // replaces that epoch and later ones
  report::HeatMap map() const;

 private:
  struct Row {
    int epoch;
    std::vector<double> shares;  // of the ranges
  };
  void write() const;

  std::filesystem::path file_;
  std::string what_;
  std::vector<double> ends_;
  std::vector<Row> rows_;
};

}  // namespace bonsai::app
