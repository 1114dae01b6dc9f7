#include "apps/report/svg.h"

#include <array>
#include <cmath>

#include "apps/report/text.h"

namespace bonsai::report {
namespace {

std::string number(double value) {
  std::string text = fixed(value, 2);
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text;
}

std::string attribute(std::string_view name, double value) {
  return " " + std::string(name) + "=\"" + number(value) + "\"";
}

std::string css_class(std::string_view css) { return " class=\"" + std::string(css) + "\""; }

// Closes an element, with the text that shows when a pointer rests on it.
std::string ending(std::string_view element, std::string_view tip) {
  if (tip.empty()) return "/>";
  return "><title>" + escape(tip) + "</title></" + std::string(element) + ">";
}

}  // namespace

Svg::Svg(double width, double height, std::string_view label) {
  body_ = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + number(width) + " " +
          number(height) + "\" role=\"img\" aria-label=\"" + escape(label) + "\">";
}

void Svg::line(Point from, Point to, std::string_view css) {
  body_ += "<line" + attribute("x1", from.x) + attribute("y1", from.y) + attribute("x2", to.x) +
           attribute("y2", to.y) + css_class(css) + "/>";
}

void Svg::path(const std::vector<Point>& points, std::string_view css) {
  if (points.empty()) return;
  body_ += "<polyline points=\"";
  for (size_t i = 0; i < points.size(); ++i)
    body_ += (i > 0 ? " " : "") + number(points[i].x) + "," + number(points[i].y);
  body_ += "\"" + css_class(css) + "/>";
}

void Svg::circle(Point centre, double radius, std::string_view css, std::string_view tip) {
  body_ += "<circle" + attribute("cx", centre.x) + attribute("cy", centre.y) +
           attribute("r", radius) + css_class(css) + ending("circle", tip);
}

void Svg::rect(Point corner, double width, double height, std::string_view css,
               std::string_view tip, double opacity, double radius) {
  body_ += "<rect" + attribute("x", corner.x) + attribute("y", corner.y) +
           attribute("width", width) + attribute("height", height) + css_class(css);
  if (opacity < 1) body_ += attribute("fill-opacity", opacity);
  if (radius > 0) body_ += attribute("rx", radius);
  body_ += ending("rect", tip);
}

void Svg::text(Point at, std::string_view words, std::string_view css, Anchor anchor, double turn) {
  constexpr std::array<std::string_view, 3> anchors = {"start", "middle", "end"};
  body_ += "<text" + attribute("x", at.x) + attribute("y", at.y) + css_class(css) +
           " text-anchor=\"" + std::string(anchors[static_cast<size_t>(anchor)]) + "\"";
  if (turn != 0)
    body_ +=
        " transform=\"rotate(" + number(turn) + " " + number(at.x) + " " + number(at.y) + ")\"";
  body_ += ">" + escape(words) + "</text>";
}

std::vector<double> ticks(double low, double high, int most) {
  if (!(high > low) || !std::isfinite(high - low)) return {low};
  double step = std::pow(10, std::floor(std::log10((high - low) / most)));
  for (const double factor : {1.0, 2.0, 5.0, 10.0}) {
    if ((high - low) / (step * factor) <= most) {
      step *= factor;
      break;
    }
  }
  std::vector<double> marks;
  for (double k = std::ceil(low / step - 1e-9); k * step <= high + step * 1e-9; ++k)
    marks.push_back(k * step);
  return marks;
}

}  // namespace bonsai::report
