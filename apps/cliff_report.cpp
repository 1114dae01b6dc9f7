#include "apps/cliff_report.h"

#include <nlohmann/json.hpp>

#include "apps/console.h"
#include "apps/report/text.h"

namespace bonsai::app {

report::Chart cliff_chart(const std::vector<CliffPoint>& cliff, const std::string& what) {
  report::Chart chart;
  chart.title = "What a cut leaves";
  chart.note = "Accuracy on training pictures that were set aside when the lowest " + what +
               " of the whole network are removed, without training.";
  chart.x_label = "per cent of the " + what + " removed";
  chart.y_label = "accuracy, per cent";
  report::Series cut{"as cut", {}, {}}, recalibrated{"batch norm recalibrated", {}, {}};
  for (const CliffPoint& point : cliff) {
    cut.points.push_back({100 * point.part, 100 * point.without.pruned.accuracy});
    recalibrated.points.push_back({100 * point.part, 100 * point.without.recalibrated.accuracy});
  }
  chart.series = {std::move(cut), std::move(recalibrated)};
  return chart;
}

std::string cliff_text(const std::vector<CliffPoint>& cliff, const std::string& what) {
  std::vector<std::vector<std::string>> rows;
  for (const CliffPoint& point : cliff)
    rows.push_back({report::percent(point.part, 0), std::to_string(point.units),
                    report::percent(point.macs, 1),
                    report::percent(point.without.pruned.accuracy, 1),
                    report::percent(point.without.recalibrated.accuracy, 1)});
  return table({"lowest " + what + " removed", "number", "MACs left", "accuracy", "recalibrated"},
               rows);
}

nlohmann::ordered_json cliff_json(const std::vector<CliffPoint>& cliff) {
  nlohmann::ordered_json points = nlohmann::ordered_json::array();
  for (const CliffPoint& point : cliff)
    points.push_back({{"part", point.part},
                      {"units", point.units},
                      {"macs", point.macs},
                      {"accuracy", point.without.pruned.accuracy},
                      {"recalibrated", point.without.recalibrated.accuracy}});
  return points;
}

}  // namespace bonsai::app
