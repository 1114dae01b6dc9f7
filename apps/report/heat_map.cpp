// A grid of numbers, shaded by size: rows and columns that stand out are seen before any number is
// read.
#include <algorithm>
#include <cmath>

#include "apps/report/figures.h"
#include "apps/report/svg.h"
#include "apps/report/text.h"

namespace bonsai::report {
namespace {

constexpr double width = 940, row_height = 24, title_height = 16, letter = 6.8;
constexpr size_t longest_name = 30;

struct Grid {
  double left, top, cell;  // where the cells begin, how wide one is
  bool staggered;          // titles too wide for their cells stand on two lines in turn

  explicit Grid(const HeatMap& map) {
    size_t longest = 0;
    for (const HeatMap::Row& row : map.rows) longest = std::max(longest, row.name.size());
    left = 16 + letter * static_cast<double>(std::min(longest, longest_name));
    const double columns = static_cast<double>(std::max<size_t>(map.columns.size(), 1));
    cell = std::min(90.0, (width - left) / columns);
    size_t widest = 0;
    for (const std::string& title : map.columns) widest = std::max(widest, title.size());
    staggered = letter * static_cast<double>(widest) > cell;
    top = (staggered ? 2 : 1) * title_height + 6;
  }
};

void draw_cell(Svg& svg, const HeatMap& map, const HeatMap::Row& row, size_t column, Point corner,
               double cell) {
  svg.rect({corner.x + 1, corner.y + 1}, cell - 2, row_height - 2, "cell", {}, 1, 2);
  const std::optional<double>& value = row.values[column];
  if (!value || !std::isfinite(*value)) return;
  const double strength = std::clamp(*value / map.full, 0.0, 1.0);
  const std::string number = fixed(*value, map.digits);
  const std::string tip = row.name + ", " + map.columns[column] + ": " + number;
  if (strength > 0)
    svg.rect({corner.x + 1, corner.y + 1}, cell - 2, row_height - 2, map.good ? "hit" : "miss", tip,
             0.08 + 0.92 * strength, 2);
  svg.text({corner.x + cell / 2, corner.y + row_height / 2 + 4}, number,
           strength > 0.6 ? "count on" : "count", Anchor::middle);
}

}  // namespace

std::string heat_map(const HeatMap& map) {
  if (map.rows.empty() || map.columns.empty()) return {};
  const Grid grid(map);
  const auto x_of = [&](size_t column) {
    return grid.left + grid.cell * static_cast<double>(column);
  };
  Svg svg(width, grid.top + row_height * static_cast<double>(map.rows.size()) + 4, map.title);
  for (size_t c = 0; c < map.columns.size(); ++c)
    svg.text(
        {x_of(c) + grid.cell / 2, grid.top - 7 - (grid.staggered && c % 2 == 0 ? title_height : 0)},
        map.columns[c], "tick", Anchor::middle);
  double y = grid.top;
  for (const HeatMap::Row& row : map.rows) {
    svg.text({grid.left - 8, y + row_height / 2 + 4}, shortened(row.name, longest_name), "name",
             Anchor::end);
    for (size_t c = 0; c < std::min(row.values.size(), map.columns.size()); ++c)
      draw_cell(svg, map, row, c, {x_of(c), y}, grid.cell);
    y += row_height;
  }
  return svg.str();
}

}  // namespace bonsai::report
