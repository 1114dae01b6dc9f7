#include "apps/report/html.h"

#include <cmath>

#include "apps/report/comparison.h"
#include "apps/report/figures.h"
#include "apps/report/style.h"
#include "apps/report/text.h"

namespace bonsai::report {
namespace {

std::string section(const std::string& title, const std::string& content) {
  if (content.empty()) return {};
  return "<section><h2>" + escape(title) + "</h2>" + content + "</section>\n";
}

std::string tile(const std::string& figure, const std::string& meaning) {
  return "<div class=\"tile\"><b>" + escape(figure) + "</b><span>" + escape(meaning) +
         "</span></div>";
}

std::string times(double ratio) { return fixed(ratio, ratio < 10 ? 2 : 1) + "\u00d7"; }

// The four figures that matter, large.
std::string comparison_tiles(const Measurement& before, const Measurement& after, double speedup) {
  std::string html;
  const auto ratio = [](int64_t a, int64_t b) {
    return b > 0 ? static_cast<double>(a) / static_cast<double>(b) : 0;
  };
  html += tile(times(ratio(before.macs, after.macs)), "fewer multiply-accumulates");
  html += tile(times(ratio(before.file_bytes, after.file_bytes)), "smaller model file");
  if (speedup > 0)
    html += speedup >= 1 ? tile(times(speedup), "quicker, measured on one thread")
                         : tile(times(1 / speedup), "slower, measured on one thread");
  if (before.accuracy && after.accuracy) {
    const double points = 100 * (*after.accuracy - *before.accuracy);
    html +=
        tile(percent(*after.accuracy, 1), "accuracy (" + std::string(points < 0 ? "\u2212" : "+") +
                                              fixed(std::abs(points), 1) + " points)");
  }
  return html;
}

std::string tiles(const std::vector<Measurement>& models) {
  if (models.empty()) return {};
  std::string html;
  if (models.size() > 1) {
    html = comparison_tiles(models.front(), models.back(), speedup_one_thread(models));
  } else {
    const Measurement& model = models.front();
    if (model.accuracy) html += tile(percent(*model.accuracy, 1), "accuracy on test pictures");
    html += tile(short_count(static_cast<double>(model.params)), "parameters");
    html += tile(short_count(static_cast<double>(model.macs)), "multiply-accumulates");
    html += tile(short_bytes(static_cast<double>(model.file_bytes)), "model file");
  }
  return "<div class=\"tiles\">" + html + "</div>\n";
}

// A loss of accuracy under half a point is neither good nor bad.
const char* verdict(double gain) { return gain > 0 ? " better" : gain < -0.5 ? " worse" : ""; }

std::string comparison_table(const std::vector<Measurement>& models) {
  if (models.empty()) return {};
  std::string html = "<div class=\"scroll\"><table class=\"comparison\"><thead><tr><th></th>";
  for (const Measurement& model : models) html += "<th>" + escape(model.name) + "</th>";
  if (models.size() > 1) html += "<th>change</th>";
  html += "</tr></thead><tbody>";
  for (const ComparisonRow& row : comparison(models)) {
    html += "<tr><th>" + escape(row.label);
    if (!row.note.empty()) html += "<small>" + escape(row.note) + "</small>";
    html += "</th>";
    for (const std::string& figure : row.figures) html += "<td>" + escape(figure) + "</td>";
    if (models.size() > 1)
      html += "<td class=\"change" + std::string(verdict(row.gain)) + "\">" + escape(row.change) +
              "</td>";
    html += "</tr>";
  }
  return html + "</tbody></table></div>";
}

std::string fact_table(const std::vector<Fact>& facts) {
  if (facts.empty()) return {};
  std::string html = "<table class=\"facts\"><tbody>";
  for (const Fact& fact : facts)
    html += "<tr><th>" + escape(fact.label) + "</th><td>" + escape(fact.value) + "</td></tr>";
  return html + "</tbody></table>";
}

std::string note(const std::string& text) {
  return text.empty() ? "" : "<p class=\"note\">" + escape(text) + "</p>";
}

std::string plain_table(const Table& table) {
  std::string html = "<div class=\"scroll\"><table><thead><tr>";
  for (const std::string& cell : table.head) html += "<th>" + escape(cell) + "</th>";
  html += "</tr></thead><tbody>";
  for (const auto& row : table.rows) {
    html += "<tr>";
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string tag = i == 0 ? "th" : "td";
      html.append("<").append(tag).append(">").append(escape(row[i]));
      html.append("</").append(tag).append(">");
    }
    html += "</tr>";
  }
  return html + "</tbody></table></div>";
}

// What analyses found: grids, charts and tables under titles of their own.
std::string analyses(const ReportData& data) {
  std::string html = section("What stands out", fact_table(data.findings));
  for (const HeatMap& map : data.heat_maps)
    html += section(map.title, note(map.note) + heat_map(map));
  for (const Chart& c : data.charts) html += section(c.title, note(c.note) + chart(c));
  for (const Bars& bars : data.bars)
    html += section(bars.title, note(bars.note) + stacked_bars(bars));
  for (const Table& table : data.tables)
    html += section(table.title, note(table.note) + plain_table(table));
  return html;
}

std::string command_list(const ReportData& data) {
  std::string html;
  if (!data.commands.empty()) {
    html += "<h3>The same again</h3><pre>";
    for (size_t i = 0; i < data.commands.size(); ++i)
      html += (i > 0 ? "\n" : "") + escape(data.commands[i]);
    html += "</pre>";
  }
  if (!data.next.empty()) html += "<h3>Try next</h3><pre>" + escape(data.next) + "</pre>";
  return html;
}

}  // namespace

std::string render(const ReportData& data) {
  const std::string of = data.confusion_of.empty() ? "" : " of the " + data.confusion_of;
  return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
         "<title>" +
         escape(data.title) + "</title><style>" + std::string(style_sheet()) +
         "</style></head>\n<body><main><header><h1>" + escape(data.title) +
         "</h1><p class=\"lead\">" + escape(data.summary) + "</p></header>\n" + tiles(data.models) +
         section(data.models.size() > 1 ? "Before and after" : "The network",
                 comparison_table(data.models)) +
         section("Learning curves", learning_curves(data)) +
         section("Channels per layer", channel_bars(data)) +
         section("Reconstruction", layer_error_dots(data)) + analyses(data) +
         section("Test pictures and the guesses" + of, picture_strip(data)) +
         section("Confusion matrix" + of, confusion_matrix(data)) +
         section("How this was made", fact_table(data.facts) + command_list(data)) +
         "<footer>Written by Bonsai.</footer></main></body></html>\n";
}

}  // namespace bonsai::report
