// How well each layer's response was reconstructed: a row per layer, a dot for what removing
// channels alone would have cost and one for what is left after each repair. Errors are squares
// relative to the response's; their axis is logarithmic, since repair makes them several times
// smaller. Where selection rules were compared, each has a dot of its own in a row below.
#include <algorithm>
#include <array>
#include <cmath>

#include "apps/report/figures.h"
#include "apps/report/svg.h"
#include "apps/report/text.h"

namespace bonsai::report {
namespace {

constexpr double width = 940, left = 190, right = 110, row = 24, top = 8;

struct Kind {
  const char* css;
  const char* name;
  double ResponseError::*share;
};
constexpr std::array<Kind, 3> kinds = {
    {{"removed", "channels removed", &ResponseError::naive},
     {"constant", "a constant added", &ResponseError::bias_only},
     {"solved", "weights solved for", &ResponseError::least_squares}}};

struct Row {
  std::string name;
  const ResponseError* error;
  bool minor;  // one rule of several at the layer above
  std::string note;
};

std::vector<Row> rows_of(const ReportData& data) {
  std::vector<Row> rows;
  for (const LayerError& layer : data.layer_errors) {
    rows.push_back({layer.name, &layer.error, false,
                    std::to_string(layer.kept) + " of " + std::to_string(layer.channels)});
    for (const LayerError::Trial& trial : layer.trials)
      rows.push_back({trial.selection, &trial.error, true, {}});
  }
  return rows;
}

// Powers of ten around all errors.
struct Axis {
  int low = -1, high = 0;

  explicit Axis(const std::vector<Row>& rows) {
    for (const Row& r : rows)
      for (const Kind& kind : kinds) {
        const double share = r.error->*kind.share;
        if (!(share > 0) || !std::isfinite(share)) continue;
        low = std::max(-5, std::min(low, static_cast<int>(std::floor(std::log10(share)))));
        high = std::min(3, std::max(high, static_cast<int>(std::ceil(std::log10(share)))));
      }
  }
  double x(double share) const {
    const double power = share > 0 ? std::clamp(std::log10(share), double(low), double(high)) : low;
    return left + (power - low) / (high - low) * (width - left - right);
  }
};

std::string label(int power) {
  return power >= -2 ? percent(std::pow(10, power), 0) : percent(std::pow(10, power), -power - 2);
}

}  // namespace

std::string layer_error_dots(const ReportData& data) {
  if (data.layer_errors.empty()) return {};
  const std::vector<Row> rows = rows_of(data);
  const Axis axis(rows);
  const double bottom = top + row * static_cast<double>(rows.size());
  Svg svg(width, bottom + 22, "Error of each layer's response");
  for (int power = axis.low; power <= axis.high; ++power) {
    const double x = axis.x(std::pow(10, power));
    svg.line({x, top}, {x, bottom}, "grid");
    svg.text({x, bottom + 16}, label(power), "tick", Anchor::middle);
  }
  double y = top + row / 2;
  for (const Row& r : rows) {
    svg.text({left - 10, y + 4}, shortened(r.name, 26), r.minor ? "tick" : "name", Anchor::end);
    svg.line({axis.x(r.error->least_squares), y}, {axis.x(r.error->naive), y}, "grid");
    for (const Kind& kind : kinds) {
      const double share = r.error->*kind.share;
      svg.circle({axis.x(share), y}, r.minor ? 3 : 4.5, std::string("dot ") + kind.css,
                 r.name + ", " + kind.name + ": " + percent(share, 2));
    }
    if (!r.note.empty()) svg.text({width - right + 14, y + 4}, r.note, "tick");
    y += row;
  }
  std::string legend = "<div class=\"legend\">";
  for (const Kind& kind : kinds)
    legend += std::string("<span><i class=\"key ") + kind.css + "\"></i>" + kind.name + "</span>";
  return "<p class=\"note\">Squared error of what each layer answers, as a share of the original "
         "network's response (its mean taken off); on the right the input channels kept.</p>" +
         legend + "</div>" + svg.str();
}

}  // namespace bonsai::report
