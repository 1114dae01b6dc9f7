// Which classes are taken for which: a heat map whose rows are the truth and whose columns the
// network's guesses. Shares are of the row, so that a rare class is as visible as a common one.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "apps/report/figures.h"
#include "apps/report/svg.h"
#include "apps/report/text.h"

namespace bonsai::report {
namespace {

constexpr size_t most_named = 40;     // beyond, names would be unreadable
constexpr size_t most_numbered = 24;  // and so would be the numbers in the cells

struct Mistake {
  size_t truth, guess;
  int count;
};

std::string class_name(const ReportData& data, size_t i) {
  return i < data.classes.size() ? data.classes[i] : std::to_string(i);
}

// The most frequent mistakes in words.
std::string worst_pairs(const ReportData& data) {
  std::vector<Mistake> mistakes;
  for (size_t t = 0; t < data.confusion.size(); ++t)
    for (size_t g = 0; g < data.confusion[t].size(); ++g)
      if (t != g && data.confusion[t][g] > 0) mistakes.push_back({t, g, data.confusion[t][g]});
  std::stable_sort(mistakes.begin(), mistakes.end(),
                   [](const Mistake& a, const Mistake& b) { return a.count > b.count; });
  if (mistakes.empty()) return "<p class=\"note\">Every test picture was recognised.</p>";
  std::string words = "<p class=\"note\">Most often mistaken: ";
  for (size_t i = 0; i < std::min<size_t>(3, mistakes.size()); ++i) {
    const Mistake& m = mistakes[i];
    words += (i > 0 ? "; " : "") + escape(class_name(data, m.truth)) + " for " +
             escape(class_name(data, m.guess)) + " (" + std::to_string(m.count) + ")";
  }
  return words + ".</p>";
}

void draw_cell(Svg& svg, const ReportData& data, size_t truth, size_t guess, Point corner,
               double size) {
  const std::vector<int>& row = data.confusion[truth];
  const int count = row[guess], total = std::accumulate(row.begin(), row.end(), 0);
  const double share = total > 0 ? static_cast<double>(count) / total : 0;
  // Mistakes are rare: their colour is scaled so that 20 % of a row is already full.
  const bool right = truth == guess;
  const double strength = right ? share : std::min(1.0, std::sqrt(share / 0.2));
  const std::string tip = class_name(data, truth) + " taken for " + class_name(data, guess) + ": " +
                          std::to_string(count) + " of " + std::to_string(total);
  const double gap = size > 12 ? 1 : 0.25;
  svg.rect({corner.x + gap, corner.y + gap}, size - 2 * gap, size - 2 * gap, "cell", {}, 1, 2);
  if (count > 0)
    svg.rect({corner.x + gap, corner.y + gap}, size - 2 * gap, size - 2 * gap,
             right ? "hit" : "miss", tip, 0.12 + 0.88 * strength, 2);
  if (row.size() <= most_numbered && count > 0)
    svg.text({corner.x + size / 2, corner.y + size / 2 + 4}, std::to_string(count),
             strength > 0.5 ? "count on" : "count", Anchor::middle);
}

}  // namespace

std::string confusion_matrix(const ReportData& data) {
  const size_t n = data.confusion.size();
  if (n == 0) return {};
  const bool named = n <= most_named;
  size_t longest = 0;
  for (size_t i = 0; i < n; ++i)
    longest = std::max(longest, std::min<size_t>(18, class_name(data, i).size()));
  const double margin = named ? 16 + 6.6 * static_cast<double>(longest) : 10;
  const double size = std::clamp(560.0 / static_cast<double>(n), 3.0, 46.0);
  const double side = size * static_cast<double>(n);

  Svg svg(margin + side + 4, margin + side + 4, "Confusion matrix: rows are the truth");
  for (size_t i = 0; named && i < n; ++i) {
    const std::string name = shortened(class_name(data, i), 18);
    const double middle = margin + size * (static_cast<double>(i) + 0.5);
    svg.text({margin - 8, middle + 4}, name, "name", Anchor::end);
    svg.text({middle + 4, margin - 8}, name, "name", Anchor::start, -90);
  }
  for (size_t t = 0; t < n; ++t)
    for (size_t g = 0; g < data.confusion[t].size(); ++g)
      draw_cell(svg, data, t, g,
                {margin + size * static_cast<double>(g), margin + size * static_cast<double>(t)},
                size);
  return "<p class=\"note\">Each row holds the test pictures of one class; the columns say what "
         "they were taken for.</p><div class=\"matrix\" style=\"max-width:" +
         fixed(margin + side + 4, 0) + "px\">" + svg.str() + "</div>" + worst_pairs(data);
}

}  // namespace bonsai::report
