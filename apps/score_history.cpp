#include "apps/score_history.h"

#include <algorithm>
#include <fstream>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "apps/files.h"
#include "engine/error.h"

namespace bonsai::app {
namespace {

constexpr size_t most_rows = 24;  // in the map

}  // namespace

ScoreHistory::ScoreHistory(const std::filesystem::path& folder, std::string what,
                           std::vector<double> ends, bool resume)
    : file_(folder / "scores.jsonl"), what_(std::move(what)), ends_(std::move(ends)) {
  if (!resume) return;
  std::ifstream in(file_);
  for (std::string line; std::getline(in, line);) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    const bool whole = json.is_object() && json.contains("epoch") && json.contains("shares") &&
                       json["epoch"].is_number_integer() && json["shares"].is_array() &&
                       json["shares"].size() == ends_.size() + 1;
    require(whole, file_.string(), ": a line is not one of this version: ", line.substr(0, 60));
    Row row{json["epoch"].get<int>(), {}};
    for (const auto& share : json["shares"]) row.shares.push_back(share.get<double>());
    rows_.push_back(std::move(row));
  }
}

void ScoreHistory::add(int epoch, const Scores& scores) {
  std::erase_if(rows_, [epoch](const Row& row) { return row.epoch >= epoch; });
  Row row{epoch, std::vector<double>(ends_.size() + 1, 0)};
  for (const double score : scores) {
    const auto range = std::lower_bound(ends_.begin(), ends_.end(), score) - ends_.begin();
    row.shares[static_cast<size_t>(range)] += 1 / static_cast<double>(scores.size());
  }
  rows_.push_back(std::move(row));
  write();
}

void ScoreHistory::write() const {
  std::string text;
  for (const Row& row : rows_) {
    text += nlohmann::ordered_json{{"epoch", row.epoch}, {"shares", row.shares}}.dump() + "\n";
  }
  write_text(file_, text);
}

report::HeatMap ScoreHistory::map() const {
  report::HeatMap map;
  map.title = "How " + what_ + " part while the network learns";
  map.note = "Per cent of the " + what_ + " whose score is in each range, after each epoch.";
  for (const double end : ends_) map.columns.push_back(end == 0 ? "0" : join("to ", end));
  map.columns.push_back("more");
  map.full = 60;
  map.digits = 0;
  map.good = true;
  const size_t stride = 1 + rows_.size() / most_rows;
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (i % stride != 0 && i + 1 != rows_.size()) continue;
    report::HeatMap::Row row{join("epoch ", rows_[i].epoch), {}};
    for (const double share : rows_[i].shares) row.values.push_back(100 * share);
    map.rows.push_back(std::move(row));
  }
  return map;
}

}  // namespace bonsai::app
