// How many channels each layer had and has: a pair of bars per layer, on one scale.
#include <algorithm>

#include "apps/report/figures.h"
#include "apps/report/svg.h"
#include "apps/report/text.h"

namespace bonsai::report {

std::string channel_bars(const ReportData& data) {
  if (data.layers.empty()) return {};
  constexpr double width = 940, row = 27, bar = 9, left = 190, right = 130;
  int widest = 1;
  for (const LayerWidth& layer : data.layers)
    widest = std::max({widest, layer.before, layer.after});
  const double unit = (width - left - right) / widest;

  Svg svg(width, row * static_cast<double>(data.layers.size()) + 4,
          "Channels per layer before and after");
  double y = 2;
  for (const LayerWidth& layer : data.layers) {
    const std::string before = std::to_string(layer.before), after = std::to_string(layer.after);
    const std::string tip = layer.name + ": " + before + " before, " + after + " after";
    const double longer = unit * std::max(layer.before, layer.after);
    svg.text({left - 10, y + bar + 5}, shortened(layer.name, 26), "name", Anchor::end);
    svg.rect({left, y}, unit * layer.before, bar, "bar-before", tip, 1, 2);
    svg.rect({left, y + bar + 2}, unit * layer.after, bar, "bar-after", tip, 1, 2);
    std::string figures = before;
    if (layer.after != layer.before)
      figures += " \u2192 " + after + "  (" +
                 percent(static_cast<double>(layer.after) / std::max(1, layer.before), 0) + ")";
    svg.text({left + longer + 9, y + bar + 5}, figures, "tick");
    y += row;
  }
  return "<div class=\"legend\"><span><i class=\"key bar-before\"></i>before</span>"
         "<span><i class=\"key bar-after\"></i>after</span></div>" +
         svg.str();
}

}  // namespace bonsai::report
