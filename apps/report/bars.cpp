// Bars of several parts, end to end on one scale: which row is long, and which part makes it so.
#include <algorithm>
#include <numeric>

#include "apps/report/figures.h"
#include "apps/report/svg.h"
#include "apps/report/text.h"

namespace bonsai::report {
namespace {

std::string css_of(size_t part) { return "series-" + std::to_string(part); }

double length_of(const Bars::Row& row) {
  return std::accumulate(row.parts.begin(), row.parts.end(), 0.0);
}

std::string legend(const Bars& bars) {
  std::string html = "<div class=\"legend\">";
  for (size_t i = 0; i < bars.parts.size(); ++i)
    html += "<span><i class=\"key " + css_of(i) + "\"></i>" + escape(bars.parts[i]) + "</span>";
  return html + "</div>";
}

}  // namespace

std::string stacked_bars(const Bars& bars) {
  double longest = 0;
  for (const Bars::Row& row : bars.rows) longest = std::max(longest, length_of(row));
  if (longest <= 0) return {};
  constexpr double width = 940, height = 17, bar = 11, left = 230, right = 90;
  const double unit = (width - left - right) / longest;
  Svg svg(width, height * static_cast<double>(bars.rows.size()) + 4, bars.title);
  double y = 2;
  for (const Bars::Row& row : bars.rows) {
    svg.text({left - 10, y + bar - 1}, shortened(row.name, 32), "name", Anchor::end);
    double x = left;
    for (size_t i = 0; i < row.parts.size(); ++i) {
      const std::string tip =
          row.name + ", " + bars.parts[i] + ": " + fixed(row.parts[i], 3) + " " + bars.unit;
      svg.rect({x, y}, unit * row.parts[i], bar, "part " + css_of(i), tip);
      x += unit * row.parts[i];
    }
    svg.text({x + 9, y + bar - 1}, fixed(length_of(row), 2) + " " + bars.unit, "tick");
    y += height;
  }
  return legend(bars) + svg.str();
}

}  // namespace bonsai::report
