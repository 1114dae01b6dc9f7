// Loss and accuracy per epoch. All stages share one axis, since what pruning cost and how much
// fine-tuning won back is read across the border; a dashed line marks it.
#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

#include "apps/report/figures.h"
#include "apps/report/svg.h"
#include "apps/report/text.h"

namespace bonsai::report {
namespace {

constexpr double width = 460, height = 270, left = 46, right = 14, top = 26, bottom = 36;

using Reading = std::function<std::optional<double>(const Epoch&)>;

struct Curve {
  const char* css;
  const char* name;
  Reading value;
};

struct Panel {
  const char* title;
  double low, high;
  bool shares;  // the values are shares of 1, shown in percent
  std::vector<Curve> curves;

  double y(double value) const {
    const double place = std::clamp((value - low) / (high - low), 0.0, 1.0);
    return height - bottom - place * (height - top - bottom);
  }
  std::string label(double value) const {
    return shares ? fixed(100 * value, 0) + " %" : fixed(value, high - low < 1.5 ? 2 : 1);
  }
};

// Epoch 0, the network as a stage found it, has no slot of its own: it stands on the border.
size_t slots(const Stage& stage) {
  return static_cast<size_t>(std::count_if(stage.epochs.begin(), stage.epochs.end(),
                                           [](const Epoch& e) { return e.epoch > 0; }));
}

size_t epoch_count(const ReportData& data) {
  size_t n = 0;
  for (const Stage& stage : data.stages) n += slots(stage);
  return n;
}

// Epoch k of all stages together (from 0) stands in the middle of its slot.
double x_of(double epoch, size_t count) {
  return left + (epoch + 0.5) / static_cast<double>(count) * (width - left - right);
}

void draw_frame(Svg& svg, const Panel& panel, size_t count) {
  svg.text({left, 14}, panel.title, "caption");
  for (const double value : ticks(panel.low, panel.high, 5)) {
    svg.line({left, panel.y(value)}, {width - right, panel.y(value)}, "grid");
    svg.text({left - 7, panel.y(value) + 4}, panel.label(value), "tick", Anchor::end);
  }
  const size_t step = std::max<size_t>(1, (count + 9) / 10);
  for (size_t k = 0; k < count; k += step)
    svg.text({x_of(static_cast<double>(k), count), height - bottom + 17}, std::to_string(k + 1),
             "tick", Anchor::middle);
  svg.text({(left + width - right) / 2, height - 4}, "epoch", "tick", Anchor::middle);
}

void draw_borders(Svg& svg, const ReportData& data, size_t count) {
  size_t before = 0;
  for (size_t s = 0; s + 1 < data.stages.size(); ++s) {
    before += slots(data.stages[s]);
    const double x = x_of(static_cast<double>(before) - 0.5, count);
    svg.line({x, top - 4}, {x, height - bottom}, "border");
    const bool near_edge = x > width - 90;
    svg.text({near_edge ? x - 5 : x + 5, top + 7}, data.stage_mark, "mark",
             near_edge ? Anchor::end : Anchor::start);
  }
}

void draw_curve(Svg& svg, const Panel& panel, const Curve& curve, const ReportData& data,
                size_t count) {
  size_t k = 0;
  for (const Stage& stage : data.stages) {
    std::vector<Point> points;
    std::vector<std::string> tips;
    for (const Epoch& epoch : stage.epochs) {
      const std::optional<double> value = curve.value(epoch);
      const double slot = static_cast<double>(k);
      const double x = x_of(epoch.epoch > 0 ? slot : slot - 0.5, count);
      if (epoch.epoch > 0) ++k;
      if (!value || !std::isfinite(*value)) continue;
      points.push_back({x, panel.y(*value)});
      tips.push_back(stage.name + ", epoch " + std::to_string(epoch.epoch) + ", " + curve.name +
                     ": " + (panel.shares ? percent(*value, 2) : fixed(*value, 4)));
    }
    svg.path(points, std::string("curve ") + curve.css);
    const double radius = count > 60 ? 1.5 : 3;
    for (size_t i = 0; i < points.size(); ++i)
      svg.circle(points[i], radius, std::string("dot ") + curve.css, tips[i]);
  }
}

std::string draw(const Panel& panel, const ReportData& data) {
  const size_t count = epoch_count(data);
  Svg svg(width, height, std::string(panel.title) + " per epoch");
  draw_frame(svg, panel, count);
  draw_borders(svg, data, count);
  for (const Curve& curve : panel.curves) draw_curve(svg, panel, curve, data, count);
  return svg.str();
}

// The range of all finite values, widened to round numbers.
void fit_range(Panel& panel, const ReportData& data) {
  bool any = false;
  double low = 0, high = 1;
  for (const Stage& stage : data.stages)
    for (const Epoch& epoch : stage.epochs)
      for (const Curve& curve : panel.curves) {
        const std::optional<double> value = curve.value(epoch);
        if (!value || !std::isfinite(*value)) continue;
        low = any ? std::min(low, *value) : *value;
        high = any ? std::max(high, *value) : *value;
        any = true;
      }
  if (panel.shares) {
    const double step = high - low > 0.25 ? 0.1 : 0.05;
    panel.low = std::max(0.0, std::floor(low / step) * step);
    panel.high = std::min(1.0, std::ceil(high / step) * step);
  } else {
    panel.low = 0;
    panel.high = high * 1.05;
  }
  if (!(panel.high > panel.low)) panel.high = panel.low + (panel.shares ? 0.05 : 1);
}

}  // namespace

std::string learning_curves(const ReportData& data) {
  if (epoch_count(data) == 0) return {};
  Panel loss{"Loss",
             0,
             1,
             false,
             {{"train", "training pictures", [](const Epoch& e) { return e.train_loss; }},
              {"test", "test pictures", [](const Epoch& e) { return e.test_loss; }}}};
  Panel accuracy{"Accuracy",
                 0,
                 1,
                 true,
                 {{"train", "training pictures", [](const Epoch& e) { return e.train_accuracy; }},
                  {"test", "test pictures", [](const Epoch& e) { return e.test_accuracy; }}}};
  fit_range(loss, data);
  fit_range(accuracy, data);
  return "<div class=\"legend\"><span><i class=\"key train\"></i>training pictures</span>"
         "<span><i class=\"key test\"></i>test pictures</span></div><div class=\"pair\">" +
         draw(loss, data) + draw(accuracy, data) + "</div>";
}

}  // namespace bonsai::report
