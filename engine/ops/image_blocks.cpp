#include "engine/ops/image_blocks.h"

#include <algorithm>

#include "engine/ceil_div.h"

namespace bonsai {
namespace {

// As many images as half a megabyte of inputs or of outputs, but pixels enough on either side for
// the tiles of a kernel, so that all blocks end in the row that the weights are packed for, and for
// the weights, which each block reads anew. All where that would be more than the caches hold, or
// too few blocks for some threads.
int images_of_block(const ConvShape& s) {
  constexpr int64_t numbers = 1 << 17, most_numbers = 1 << 19, least_blocks = 8;
  const int64_t least_pixels = s.taps() == 1 || s.groups > 1 ? 192 : 768;
  const int64_t in_pixels = int64_t{s.h} * s.w, out_pixels = int64_t{s.out_h} * s.out_w;
  const int64_t image = std::max(in_pixels * s.in, out_pixels * s.out);
  const int64_t fewer_pixels = std::min(in_pixels, out_pixels);
  const int64_t least = ceil_div(least_pixels, fewer_pixels);
  const int64_t images = std::max(least, std::min(numbers / image, s.n / least_blocks));
  const bool fits = images * image <= most_numbers && images * least_blocks <= s.n;
  return fits ? static_cast<int>(images) : s.n;
}

}  // namespace

ImageBlocks::ImageBlocks(const ConvShape& shape)
    : shape_(shape), count_(shape.n / images_of_block(shape)) {}

ImageBlock ImageBlocks::operator[](int i) const {
  const int first = begin(i);
  ConvShape some = shape_;
  some.n = begin(i + 1) - first;
  return {.shape = some,
          .in_row = int64_t{first} * shape_.h * shape_.w,
          .out_row = int64_t{first} * shape_.out_h * shape_.out_w};
}

std::vector<int64_t> ImageBlocks::out_rows() const {
  std::vector<int64_t> rows;
  for (int i = 0; i < count_; ++i) rows.push_back((*this)[i].out_rows());
  return rows;
}

int ImageBlocks::sums(int64_t weights) const {
  constexpr int64_t numbers = 1 << 21, least = 4, most = 16;
  return std::min(count_, static_cast<int>(std::clamp(numbers / weights, least, most)));
}

}  // namespace bonsai
