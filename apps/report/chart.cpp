// Curves or points on common axes, as many as there are colours to tell them apart.
#include <algorithm>
#include <cmath>

#include "apps/report/figures.h"
#include "apps/report/svg.h"
#include "apps/report/text.h"

namespace bonsai::report {
namespace {

constexpr double width = 940, height = 330, left = 64, right = 18, top = 12, bottom = 44;
constexpr size_t colours = 12;  // series-0, ... of the style sheet

struct Range {
  double low = 0, high = 1;
  bool any = false;

  void include(double value) {
    low = any ? std::min(low, value) : value;
    high = any ? std::max(high, value) : value;
    any = true;
  }
  // Room for what lies on the edge, and for values that are all the same.
  void widen() {
    const double room = high > low ? (high - low) * 0.04 : std::max(std::abs(high) * 0.1, 0.5);
    low -= room;
    high += room;
  }
  double place(double value) const { return (value - low) / (high - low); }
};

bool is_finite(const std::array<double, 2>& point) {
  return std::isfinite(point[0]) && std::isfinite(point[1]);
}

// As many as tell one mark from the next.
int digits_of(const std::vector<double>& marks) {
  if (marks.size() < 2) return 2;
  return std::clamp(static_cast<int>(std::ceil(-std::log10(marks[1] - marks[0]) - 1e-9)), 0, 6);
}

class Axes {
 public:
  explicit Axes(const Chart& chart) {
    for (const Series& series : chart.series)
      for (const auto& point : series.points) {
        if (!is_finite(point)) continue;
        x_.include(point[0]);
        y_.include(point[1]);
      }
    x_.widen();
    y_.widen();
  }

  Point at(double x, double y) const {
    return {left + x_.place(x) * (width - left - right),
            height - bottom - y_.place(y) * (height - top - bottom)};
  }

  void draw(Svg& svg, const Chart& chart) const {
    const std::vector<double> rows = ticks(y_.low, y_.high, 6),
                              columns = ticks(x_.low, x_.high, 10);
    for (const double value : rows) {
      const double y = at(x_.low, value).y;
      svg.line({left, y}, {width - right, y}, "grid");
      svg.text({left - 7, y + 4}, fixed(value, digits_of(rows)), "tick", Anchor::end);
    }
    for (const double value : columns) {
      const double x = at(value, y_.low).x;
      svg.text({x, height - bottom + 16}, fixed(value, digits_of(columns)), "tick", Anchor::middle);
    }
    svg.text({(left + width - right) / 2, height - 6}, chart.x_label, "tick", Anchor::middle);
    svg.text({14, (top + height - bottom) / 2}, chart.y_label, "tick", Anchor::middle, -90);
  }

 private:
  Range x_, y_;
};

std::string css_of(size_t series) { return "series-" + std::to_string(series % colours); }

void draw_cross(Svg& svg, Point centre, const std::string& css, const std::string& tip) {
  constexpr double arm = 4.5;
  for (const double side : {-arm, arm})
    svg.path({{centre.x - side, centre.y - arm}, {centre.x + side, centre.y + arm}},
             "curve " + css);
  svg.circle(centre, arm + 2, "hit", tip);
}

void draw_series(Svg& svg, const Chart& chart, const Axes& axes, size_t number) {
  const Series& series = chart.series[number];
  std::vector<Point> points;
  for (const auto& point : series.points)
    if (is_finite(point)) points.push_back(axes.at(point[0], point[1]));
  if (chart.lines && !series.crosses) svg.path(points, "curve " + css_of(number));
  for (size_t i = 0; i < series.points.size(); ++i) {
    const auto& [x, y] = series.points[i];
    if (!is_finite(series.points[i])) continue;
    const std::string name = i < series.labels.size() ? series.labels[i] : series.name;
    const std::string tip = name + ": " + fixed(x, 3) + ", " + fixed(y, 4);
    if (series.crosses) {
      draw_cross(svg, axes.at(x, y), css_of(number), tip);
    } else {
      svg.circle(axes.at(x, y), chart.lines ? 3 : 4.5, "dot " + css_of(number), tip);
    }
  }
}

std::string legend(const Chart& chart) {
  if (chart.series.size() < 2) return {};
  std::string html = "<div class=\"legend many\">";
  for (size_t i = 0; i < chart.series.size(); ++i)
    html +=
        "<span><i class=\"key " + css_of(i) + "\"></i>" + escape(chart.series[i].name) + "</span>";
  return html + "</div>";
}

}  // namespace

std::string chart(const Chart& chart) {
  const bool empty = std::all_of(chart.series.begin(), chart.series.end(), [](const Series& s) {
    return std::none_of(s.points.begin(), s.points.end(), is_finite);
  });
  if (empty) return {};
  const Axes axes(chart);
  Svg svg(width, height, chart.title);
  axes.draw(svg, chart);
  for (size_t i = 0; i < chart.series.size(); ++i) draw_series(svg, chart, axes, i);
  return legend(chart) + svg.str();
}

}  // namespace bonsai::report
