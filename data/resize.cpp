// Resizing, one axis after the other: every result is a weighted mean of neighbouring pixels. The
// weights are those of a box over the covered area when shrinking, of linear interpolation
// between pixel centres when growing; so nothing aliases and nothing shifts.
#include <algorithm>
#include <cmath>

#include "data/image.h"
#include "engine/error.h"

namespace bonsai {
namespace {

// Result position i is the sum over k of weight[k] * pixel[first + k].
struct Taps {
  int first = 0;
  std::vector<float> weight;
};

Taps box_taps(int i, double scale, int n) {
  const double begin = i * scale, end = std::min((i + 1) * scale, static_cast<double>(n));
  Taps taps;
  taps.first = std::min(static_cast<int>(begin), n - 1);
  for (int k = taps.first; k < n && k < end; ++k) {
    const double covered = std::min<double>(end, k + 1) - std::max<double>(begin, k);
    taps.weight.push_back(static_cast<float>(covered / (end - begin)));
  }
  return taps;
}

Taps linear_taps(int i, double scale, int n) {
  const double centre = std::clamp((i + 0.5) * scale - 0.5, 0.0, n - 1.0);
  Taps taps;
  taps.first = std::min(static_cast<int>(centre), std::max(n - 2, 0));
  const auto right = static_cast<float>(centre - taps.first);
  taps.weight = {1 - right};
  if (n > 1) taps.weight.push_back(right);
  return taps;
}

std::vector<Taps> axis_taps(int from, int to) {
  const double scale = static_cast<double>(from) / to;
  std::vector<Taps> taps;
  taps.reserve(static_cast<size_t>(to));
  for (int i = 0; i < to; ++i) {
    taps.push_back(scale > 1 ? box_taps(i, scale, from) : linear_taps(i, scale, from));
  }
  return taps;
}

// row: pixels of 3 bytes; out: one result pixel per entry of `columns`
void resize_row(const uint8_t* row, const std::vector<Taps>& columns, float* out) {
  for (const Taps& taps : columns) {
    float sum[3] = {0, 0, 0};
    const uint8_t* p = row + static_cast<ptrdiff_t>(taps.first) * 3;
    for (const float w : taps.weight) {
      for (int c = 0; c < 3; ++c) sum[c] += w * static_cast<float>(p[c]);
      p += 3;
    }
    out = std::copy_n(sum, 3, out);
  }
}

}  // namespace

Picture resize(const Picture& picture, int height, int width) {
  require(picture.height > 0 && picture.width > 0 && height > 0 && width > 0,
          "resize: ", picture.width, "x", picture.height, " pixels to ", width, "x", height);
  if (picture.height == height && picture.width == width) return picture;
  const std::vector<Taps> rows = axis_taps(picture.height, height);
  const std::vector<Taps> columns = axis_taps(picture.width, width);
  const size_t row_size = static_cast<size_t>(width) * 3;
  std::vector<float> narrowed(row_size), sum(row_size);
  Picture result{height, width, {}};
  result.pixels.reserve(static_cast<size_t>(height) * row_size);
  for (const Taps& taps : rows) {
    std::fill(sum.begin(), sum.end(), 0.0f);
    for (size_t k = 0; k < taps.weight.size(); ++k) {
      const size_t row = static_cast<size_t>(taps.first) + k;
      resize_row(picture.pixels.data() + row * static_cast<size_t>(picture.width) * 3, columns,
                 narrowed.data());
      for (size_t i = 0; i < row_size; ++i) sum[i] += taps.weight[k] * narrowed[i];
    }
    for (const float v : sum) {
      result.pixels.push_back(static_cast<uint8_t>(std::lround(std::clamp(v, 0.0f, 255.0f))));
    }
  }
  return result;
}

Picture crop(const Picture& picture, int top, int left, int height, int width) {
  require(top >= 0 && left >= 0 && height > 0 && width > 0 && top + height <= picture.height &&
              left + width <= picture.width,
          "crop: ", width, "x", height, " pixels at column ", left, ", row ", top,
          " do not lie inside ", picture.width, "x", picture.height);
  Picture result{height, width, {}};
  for (int y = top; y < top + height; ++y) {
    const auto row =
        picture.pixels.begin() + (static_cast<ptrdiff_t>(y) * picture.width + left) * 3;
    result.pixels.insert(result.pixels.end(), row, row + static_cast<ptrdiff_t>(width) * 3);
  }
  return result;
}

Picture fit(const Picture& picture, int height, int width) {
  require(height > 0 && width > 0, "fit: ", width, "x", height, " pixels");
  const double scale = std::min(static_cast<double>(picture.height) / height,
                                static_cast<double>(picture.width) / width);
  const int kept_height =
      std::clamp(static_cast<int>(std::lround(scale * height)), 1, picture.height);
  const int kept_width = std::clamp(static_cast<int>(std::lround(scale * width)), 1, picture.width);
  return resize(crop(picture, (picture.height - kept_height) / 2, (picture.width - kept_width) / 2,
                     kept_height, kept_width),
                height, width);
}

}  // namespace bonsai
