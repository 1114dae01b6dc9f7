// The shapes and textures of the synthetic pictures as signed distances: negative inside, positive
// outside, zero on the edge, in a frame where a shape has about radius 1. From a distance follows
// smooth (anti-aliased) coverage at any resolution.
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>

namespace bonsai::shapes {

struct Point {
  float x = 0, y = 0;
};

inline float length(Point p) { return std::sqrt(p.x * p.x + p.y * p.y); }
inline Point operator-(Point a, Point b) { return {a.x - b.x, a.y - b.y}; }
inline Point turned(Point p, Point direction) {
  return {p.x * direction.x + p.y * direction.y, p.y * direction.x - p.x * direction.y};
}

inline float circle(Point p) { return length(p) - 1; }

inline float ring(Point p) { return std::abs(length(p) - 0.78f) - 0.22f; }

inline float box(Point p, float half_width, float half_height) {
  const float dx = std::abs(p.x) - half_width, dy = std::abs(p.y) - half_height;
  const float outside = length({std::max(dx, 0.0f), std::max(dy, 0.0f)});
  return outside + std::min(std::max(dx, dy), 0.0f);
}

inline float square(Point p) { return box(p, 0.84f, 0.84f); }

// Three half-planes; the corners lie on radius 1.16.
inline float triangle(Point p) {
  const float slanted = std::numbers::sqrt3_v<float> / 2 * std::abs(p.x) + p.y / 2;
  return std::max(slanted, -p.y) - 0.58f;
}

// Five points. The plane folds onto a tenth of the star, where one straight edge is left.
inline float star(Point p) {
  constexpr float pi = std::numbers::pi_v<float>, tip = 1.12f, notch = 0.5f;
  const float sector = 2 * pi / 5;
  float angle = std::atan2(p.x, p.y) / sector;
  angle = std::abs(angle - std::round(angle)) * sector;
  const float r = length(p);
  const Point q{r * std::sin(angle), r * std::cos(angle) - tip};
  const Point edge{notch * std::sin(sector / 2), notch * std::cos(sector / 2) - tip};
  return (edge.x * q.y - edge.y * q.x) / length(edge);
}

inline float cross(Point p) { return std::min(box(p, 1.0f, 0.33f), box(p, 0.33f, 1.0f)); }

inline float crescent(Point p) { return std::max(circle(p), 0.82f - length(p - Point{0.5f, 0})); }

// A thin stroke with round ends from a to b.
inline float stroke(Point p, Point a, Point b, float half_thickness) {
  const Point along = b - a, from = p - a;
  const float t = (from.x * along.x + from.y * along.y) /
                  std::max(along.x * along.x + along.y * along.y, 1e-6f);
  const float s = std::clamp(t, 0.0f, 1.0f);
  return length({from.x - s * along.x, from.y - s * along.y}) - half_thickness;
}

// Textures repeat with period 1 and fill the plane.
inline float stripes(Point p) { return std::abs(p.x - std::floor(p.x) - 0.5f) - 0.25f; }

inline float dots(Point p) {
  return length({p.x - std::floor(p.x) - 0.5f, p.y - std::floor(p.y) - 0.5f}) - 0.32f;
}

// Inside where exactly one of two crossing stripe patterns is.
inline float checkerboard(Point p) {
  const float a = stripes(p), b = stripes({p.y, 0});
  return (a < 0) != (b < 0) ? -std::min(std::abs(a), std::abs(b))
                            : std::min(std::abs(a), std::abs(b));
}

}  // namespace bonsai::shapes
