#include "data/synthetic.h"

#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include "data/shapes.h"
#include "engine/error.h"
#include "engine/parallel.h"
#include "engine/random.h"

namespace bonsai {
namespace {

using shapes::Point;

struct Kind {
  const char* name;
  float (*distance)(Point);
  bool texture;
};

constexpr std::array<Kind, 10> kinds{{{"circle", shapes::circle, false},
                                      {"ring", shapes::ring, false},
                                      {"square", shapes::square, false},
                                      {"triangle", shapes::triangle, false},
                                      {"star", shapes::star, false},
                                      {"cross", shapes::cross, false},
                                      {"crescent", shapes::crescent, false},
                                      {"stripes", shapes::stripes, true},
                                      {"checkerboard", shapes::checkerboard, true},
                                      {"dots", shapes::dots, true}}};

struct Colour {
  float r = 0, g = 0, b = 0;
};

Colour mix(Colour a, Colour b, float t) {
  return {a.r + t * (b.r - a.r), a.g + t * (b.g - a.g), a.b + t * (b.b - a.b)};
}

Colour scaled(Colour c, float s) { return {c.r * s, c.g * s, c.b * s}; }

struct Stroke {
  Point a, b;
  float half_thickness = 0;
  Colour colour;
  float opacity = 0;
};

// Everything about a picture but its pixels, in a frame where the picture spans -1 .. 1.
struct Scene {
  const Kind* kind = nullptr;
  Point centre, direction;       // where the shape is, and its turn as (cos, sin)
  float size = 1;                // radius of a shape, period of a texture
  Point patch, patch_direction;  // a texture fills a turned rectangle
  Point patch_half;
  Colour ink, paper, paper_end;  // the paper changes along `slope`
  Point slope, light;            // `light`: brightness per unit of way
  float exposure = 1, shadow = 0, noise = 0;
  std::vector<Stroke> behind, front;
};

// Numbers are drawn one per statement or inside braces: only there C++ fixes their order.
Point any_direction(Random& random) {
  const float angle = random.uniform(0, 2 * std::numbers::pi_v<float>);
  return {std::cos(angle), std::sin(angle)};
}

Colour any_colour(float low, float high, Random& random) {
  return Colour{random.uniform(low, high), random.uniform(low, high), random.uniform(low, high)};
}

float brightness(Colour c) { return 0.3f * c.r + 0.59f * c.g + 0.11f * c.b; }

// The brightest of a few tries, or the first that stands out well enough.
Colour brighter_than(Colour other, float least, Random& random) {
  Colour best = any_colour(0.3f, 1.0f, random);
  for (int i = 0; i < 12 && brightness(best) < brightness(other) + least; ++i) {
    const Colour c = any_colour(0.3f, 1.0f, random);
    if (brightness(c) > brightness(best)) best = c;
  }
  return best;
}

Stroke any_stroke(Random& random) {
  Stroke s;
  s.a = Point{random.uniform(-1.1f, 1.1f), random.uniform(-1.1f, 1.1f)};
  const Point way = any_direction(random);
  const float reach = random.uniform(0.15f, 0.9f);
  s.b = {s.a.x + reach * way.x, s.a.y + reach * way.y};
  s.half_thickness = random.uniform(0.02f, 0.07f);
  s.colour = any_colour(0.05f, 0.8f, random);
  s.opacity = random.uniform(0.25f, 0.7f);
  return s;
}

void place_shape(Scene& scene, Random& random) {
  scene.size = random.uniform(0.4f, 0.8f);
  const float room = 1.0f - scene.size;
  scene.centre = Point{random.uniform(-room, room), random.uniform(-room, room)};
}

void place_texture(Scene& scene, Random& random) {
  scene.size = random.uniform(0.34f, 0.62f);
  scene.centre = Point{random.uniform(-1, 1), random.uniform(-1, 1)};
  scene.patch = Point{random.uniform(-0.25f, 0.25f), random.uniform(-0.25f, 0.25f)};
  scene.patch_direction = any_direction(random);
  scene.patch_half = Point{random.uniform(0.65f, 1.3f), random.uniform(0.65f, 1.3f)};
}

Scene compose(const Kind& kind, Random random) {
  Scene scene;
  scene.kind = &kind;
  scene.direction = any_direction(random);
  kind.texture ? place_texture(scene, random) : place_shape(scene, random);
  scene.paper = any_colour(0.02f, 0.65f, random);
  scene.paper_end = mix(scene.paper, any_colour(0.02f, 0.65f, random), 0.4f);
  scene.ink = brighter_than(mix(scene.paper, scene.paper_end, 0.5f), 0.16f, random);
  scene.slope = any_direction(random);
  const Point to_light = any_direction(random);
  const float falloff = random.uniform(0.05f, 0.3f);
  scene.light = {to_light.x * falloff, to_light.y * falloff};
  scene.exposure = random.uniform(0.7f, 1.1f);
  scene.shadow = random.uniform(0.0f, 0.5f);
  scene.noise = random.uniform(0.01f, 0.05f);
  scene.behind.resize(random.below(5));
  for (Stroke& s : scene.behind) s = any_stroke(random);
  scene.front.resize(random.below(3));
  for (Stroke& s : scene.front) s = any_stroke(random);
  return scene;
}

float coverage(float distance, float pixel) {
  return std::clamp(0.5f - distance / pixel, 0.0f, 1.0f);
}

// How much of the pixel at p the scene's subject covers.
float subject(const Scene& scene, Point p, float pixel) {
  const Point q = shapes::turned(p - scene.centre, scene.direction);
  const Point unit{q.x / scene.size, q.y / scene.size};
  const float inside = coverage(scene.kind->distance(unit) * scene.size, pixel);
  if (!scene.kind->texture || inside == 0) return inside;
  const Point in_patch = shapes::turned(p - scene.patch, scene.patch_direction);
  return inside * coverage(shapes::box(in_patch, scene.patch_half.x, scene.patch_half.y), pixel);
}

void draw_strokes(const std::vector<Stroke>& strokes, Point p, float pixel, Colour& colour) {
  for (const Stroke& s : strokes) {
    const float cover = coverage(shapes::stroke(p, s.a, s.b, s.half_thickness), pixel);
    if (cover > 0) colour = mix(colour, s.colour, cover * s.opacity);
  }
}

Colour shade(const Scene& scene, Point p, float pixel) {
  const float along =
      std::clamp(0.5f + 0.5f * (p.x * scene.slope.x + p.y * scene.slope.y), 0.0f, 1.0f);
  Colour colour = mix(scene.paper, scene.paper_end, along);
  draw_strokes(scene.behind, p, pixel, colour);
  const float cover = subject(scene, p, pixel);
  if (!scene.kind->texture && scene.shadow > 0 && cover < 1) {
    // A soft shadow falls away from the light.
    const float reach = 0.12f / std::max(shapes::length(scene.light), 1e-6f);
    const Point caster{p.x + scene.light.x * reach, p.y + scene.light.y * reach};
    colour = scaled(colour, 1 - scene.shadow * subject(scene, caster, pixel + 0.12f));
  }
  colour = mix(colour, scene.ink, cover);
  draw_strokes(scene.front, p, pixel, colour);
  return scaled(colour, scene.exposure * (1 + p.x * scene.light.x + p.y * scene.light.y));
}

// Two uniform bytes with a triangular sum: nearly normal, variance 1, and quick.
float noise_from(uint32_t bits) {
  const int sum = static_cast<int>(bits & 0xFF) + static_cast<int>(bits >> 8 & 0xFF) - 255;
  return static_cast<float>(sum) * (1 / 104.5f);
}

uint8_t to_byte(float value) {
  return static_cast<uint8_t>(std::lround(std::clamp(value, 0.0f, 1.0f) * 255));
}

}  // namespace

const std::vector<std::string>& synthetic_classes() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const Kind& kind : kinds) all.emplace_back(kind.name);
    return all;
  }();
  return names;
}

void draw_synthetic(uint64_t seed, Split split, int index, int height, int width, uint8_t* pixels) {
  require(index >= 0 && height > 0 && width > 0, "synthetic: picture ", index, " of ", height, "x",
          width, " pixels");
  const uint64_t address = static_cast<uint64_t>(split) << 32 | static_cast<uint32_t>(index);
  const Scene scene = compose(kinds[static_cast<size_t>(index) % kinds.size()],
                              Random(seed, Purpose::picture, address, 0));
  Random grain(seed, Purpose::picture, address, 1);
  const float pixel = 2.0f / static_cast<float>(std::min(height, width));
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const Point p{(static_cast<float>(x) + 0.5f - static_cast<float>(width) / 2) * pixel,
                    (static_cast<float>(y) + 0.5f - static_cast<float>(height) / 2) * pixel};
      const Colour colour = shade(scene, p, pixel);
      const uint32_t a = grain.next(), b = grain.next();
      *pixels++ = to_byte(colour.r + scene.noise * noise_from(a));
      *pixels++ = to_byte(colour.g + scene.noise * noise_from(a >> 16));
      *pixels++ = to_byte(colour.b + scene.noise * noise_from(b));
    }
  }
}

Images synthetic_images(uint64_t seed, Split split, int count, int height, int width,
                        const ProgressCallback& progress) {
  Images images = make_images(count, height, width);
  constexpr int block = 1000;
  for (int first = 0; first < count; first += block) {
    const int n = std::min(block, count - first);
    parallel_ranges(n, 16, [&](int64_t begin, int64_t end) {
      for (int i = first + static_cast<int>(begin); i < first + static_cast<int>(end); ++i) {
        draw_synthetic(seed, split, i, height, width, images.image(i));
        images.labels[static_cast<size_t>(i)] = i % static_cast<int>(kinds.size());
      }
    });
    if (progress) progress({"drawing pictures", first + n, count});
  }
  return images;
}

Dataset synthetic_dataset(const DataOptions& options) {
  const int height = options.height > 0 ? options.height : 32;
  const int width = options.width > 0 ? options.width : 32;
  Dataset data;
  data.name = "synthetic";
  data.classes = synthetic_classes();
  data.train = synthetic_images(options.seed, Split::train,
                                options.train_images > 0 ? options.train_images : 5000, height,
                                width, options.progress);
  data.test = synthetic_images(options.seed, Split::test,
                               options.test_images > 0 ? options.test_images : 1000, height, width,
                               options.progress);
  const PixelStatistics statistics = pixel_statistics(data.train);
  data.mean = statistics.mean;
  data.std = statistics.deviation;
  return data;
}

}  // namespace bonsai
