#include "data/augment.h"

#include <algorithm>
#include <vector>

#include "engine/error.h"

namespace bonsai {
namespace {

// The index that a mirror at both borders shows at i: 2 1 | 0 1 2 ... n-1 | n-2 n-3.
int reflect(int i, int n) {
  if (n == 1) return 0;
  const int period = 2 * (n - 1);
  i = ((i % period) + period) % period;
  return i < n ? i : period - i;
}

// Where each of n result positions reads from; -1: outside, filled with the mean colour.
void source_positions(int n, int shift, bool flip, Padding padding, std::vector<int>& source) {
  source.resize(static_cast<size_t>(n));
  for (int i = 0; i < n; ++i) {
    const int from = (flip ? n - 1 - i : i) + shift;
    const bool inside = from >= 0 && from < n;
    source[static_cast<size_t>(i)] = inside                        ? from
                                     : padding == Padding::reflect ? reflect(from, n)
                                                                   : -1;
  }
}

}  // namespace

Placement draw_placement(const Augment& augment, int height, int width, Random random) {
  require(augment.crop_padding >= 0 && augment.cutout >= 0, "augment: crop padding ",
          augment.crop_padding, " and cutout ", augment.cutout, " should not be negative");
  Placement p;
  p.down = random.between(-augment.crop_padding, augment.crop_padding);
  p.right = random.between(-augment.crop_padding, augment.crop_padding);
  p.flip = random.chance(0.5f) && augment.flip == Flip::random;
  if (augment.cutout > 0) {
    const int top = random.between(0, height - 1) - augment.cutout / 2;
    const int left = random.between(0, width - 1) - augment.cutout / 2;
    p.cut_top = std::max(top, 0);
    p.cut_left = std::max(left, 0);
    p.cut_bottom = std::min(top + augment.cutout, height);
    p.cut_right = std::min(left + augment.cutout, width);
  }
  return p;
}

bool flips_in_turn(uint64_t seed, int sample, int epoch) {
  constexpr uint64_t no_epoch = ~uint64_t{0};  // the draw belongs to none
  Random random(seed, Purpose::augment, no_epoch, static_cast<uint32_t>(sample));
  return random.chance(0.5f) != (epoch % 2 == 1);
}

Normaliser::Normaliser(const std::array<float, 3>& mean, const std::array<float, 3>& deviation) {
  for (size_t c = 0; c < 3; ++c) {
    require(deviation[c] >= 0, "normalise: deviation ", deviation[c], " of channel ", c,
            " should not be negative");
    // Data without any contrast would divide by zero; one grey level is as little as bytes can
    // vary.
    const Scalar scale = 1 / std::max(Scalar{deviation[c]}, Scalar(1) / 255);
    for (size_t v = 0; v < 256; ++v) {
      table_[c][v] = (static_cast<Scalar>(v) / 255 - Scalar{mean[c]}) * scale;
    }
  }
}

void write_sample(const uint8_t* image, int height, int width, const Placement& placement,
                  Padding padding, const Normaliser& normaliser, Scalar* out) {
  thread_local std::vector<int> rows, columns;
  source_positions(height, placement.down, false, padding, rows);
  source_positions(width, placement.right, placement.flip, padding, columns);
  for (int y = 0; y < height; ++y) {
    const int row = rows[static_cast<size_t>(y)];
    const uint8_t* from = image + static_cast<ptrdiff_t>(std::max(row, 0)) * width * 3;
    Scalar* to = out + static_cast<ptrdiff_t>(y) * width * 3;
    for (int x = 0; x < width; ++x) {
      const int column = row < 0 ? -1 : columns[static_cast<size_t>(x)];
      for (int c = 0; c < 3; ++c) {
        to[3 * x + c] = column < 0 ? Scalar{0} : normaliser(c, from[3 * column + c]);
      }
    }
    if (y >= placement.cut_top && y < placement.cut_bottom) {
      std::fill(to + 3 * placement.cut_left, to + 3 * placement.cut_right, Scalar{0});
    }
  }
}

}  // namespace bonsai
