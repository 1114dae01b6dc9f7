// The few SVG elements that the report's figures consist of. Colours are CSS classes of style.h,
// so that the figures follow the page into dark mode and onto paper.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bonsai::report {

struct Point {
  double x = 0, y = 0;
};

enum class Anchor { start, middle, end };

class Svg {
 public:
  // `label` is read to people who do not see the figure.
  Svg(double width, double height, std::string_view label);

  void line(Point from, Point to, std::string_view css);
  void path(const std::vector<Point>& points, std::string_view css);
  void circle(Point centre, double radius, std::string_view css, std::string_view tip = {});
  // Opacity is how figures of one colour show more and less.
  void rect(Point corner, double width, double height, std::string_view css,
            std::string_view tip = {}, double opacity = 1, double radius = 0);
  void text(Point at, std::string_view words, std::string_view css, Anchor anchor = Anchor::start,
            double turn = 0);

  std::string str() const { return body_ + "</svg>"; }

 private:
  std::string body_;
};

// Round numbers that divide [low, high] into at most about `most` steps.
std::vector<double> ticks(double low, double high, int most);

}  // namespace bonsai::report
