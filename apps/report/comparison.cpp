#include "apps/report/comparison.h"

#include "apps/report/text.h"

namespace bonsai::report {
namespace {

constexpr const char* unknown = "-";

// "2.00x fewer", or "1.10x more" when it went the wrong way.
void set_times(ComparisonRow& row, double before, double after, const char* less,
               const char* more) {
  row.change = unknown;
  if (before <= 0 || after <= 0) return;
  row.gain = before - after;
  row.change = after <= before ? fixed(before / after, 2) + "x " + less
                               : fixed(after / before, 2) + "x " + more;
}

ComparisonRow titled(std::string label, std::string note) {
  ComparisonRow row;
  row.label = std::move(label);
  row.note = std::move(note);
  return row;
}

bool compared(const std::vector<Measurement>& models) { return models.size() > 1; }

ComparisonRow count_row(const std::vector<Measurement>& models, std::string label, std::string note,
                        int64_t Measurement::*member, bool bytes) {
  ComparisonRow row = titled(std::move(label), std::move(note));
  for (const Measurement& model : models) {
    const auto value = static_cast<double>(model.*member);
    row.figures.push_back(bytes ? short_bytes(value) : short_count(value));
  }
  if (compared(models))
    set_times(row, static_cast<double>(models.front().*member),
              static_cast<double>(models.back().*member), bytes ? "smaller" : "fewer",
              bytes ? "larger" : "more");
  return row;
}

ComparisonRow latency_row(const std::vector<Measurement>& models, std::string label,
                          std::optional<Latency> Measurement::*member) {
  ComparisonRow row = titled(std::move(label), "one picture, median (90th percentile)");
  for (const Measurement& model : models) {
    const auto& latency = model.*member;
    row.figures.push_back(latency ? milliseconds(latency->median_ms) + " (" +
                                        milliseconds(latency->p90_ms) + ")"
                                  : unknown);
  }
  const auto &first = models.front().*member, &last = models.back().*member;
  if (compared(models))
    set_times(row, first ? first->median_ms : 0, last ? last->median_ms : 0, "quicker", "slower");
  return row;
}

ComparisonRow accuracy_row(const std::vector<Measurement>& models) {
  ComparisonRow row = titled("accuracy", "on pictures not trained on");
  for (const Measurement& model : models)
    row.figures.push_back(model.accuracy ? percent(*model.accuracy, 2) : unknown);
  const auto &first = models.front().accuracy, &last = models.back().accuracy;
  if (compared(models)) {
    row.change = unknown;
    if (first && last) {
      const double points = 100 * (*last - *first);
      row.gain = points;
      row.change = (points < 0 ? "" : "+") + fixed(points, 2) + " points";
    }
  }
  return row;
}

}  // namespace

std::vector<ComparisonRow> comparison(const std::vector<Measurement>& models) {
  std::vector<ComparisonRow> rows;
  if (models.empty()) return rows;
  rows.push_back(count_row(models, "parameters", "trainable numbers", &Measurement::params, false));
  rows.push_back(
      count_row(models, "MACs", "multiply-accumulates for one picture", &Measurement::macs, false));
  rows.push_back(count_row(models, "model file", "", &Measurement::file_bytes, true));
  rows.push_back(count_row(models, "activation memory", "the most held at once for one picture",
                           &Measurement::activation_bytes, true));
  const bool measured = models.front().one_thread || models.back().one_thread;
  if (measured) rows.push_back(latency_row(models, "latency, 1 thread", &Measurement::one_thread));
  if (models.back().threads > 1 && (models.front().all_threads || models.back().all_threads))
    rows.push_back(latency_row(models,
                               "latency, " + std::to_string(models.back().threads) + " threads",
                               &Measurement::all_threads));
  if (models.front().accuracy || models.back().accuracy) rows.push_back(accuracy_row(models));
  return rows;
}

double speedup_one_thread(const std::vector<Measurement>& models) {
  if (models.size() < 2) return 0;
  const auto &first = models.front().one_thread, &last = models.back().one_thread;
  return first && last && last->median_ms > 0 ? first->median_ms / last->median_ms : 0;
}

}  // namespace bonsai::report
