// A batch cut into blocks of a few images, for steps that do several passes over a block while it
// is in the cache.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "engine/kernels/conv.h"

namespace bonsai {

// How many images of so many numbers stay in the cache while a step without weights goes over them.
inline int64_t images_in_cache(int64_t numbers) {
  return 1 + (1 << 15) / std::max<int64_t>(numbers, 1);
}

// Some images of a convolution's batch: their shape, and the pixels where they begin.
struct ImageBlock {
  ConvShape shape;
  int64_t in_row, out_row;  // of x and y, as matrices of pixels

  int64_t in_rows() const { return int64_t{shape.n} * shape.h * shape.w; }
  int64_t out_rows() const { return shape.pixels(); }
};

// How a batch is cut, which depends on the shapes alone.
class ImageBlocks {
 public:
  explicit ImageBlocks(const ConvShape& shape);

  int count() const { return count_; }
  ImageBlock operator[](int i) const;
  std::vector<int64_t> out_rows() const;  // of each

  // Shares of the batch, runs of blocks, whose derivatives by `weights` numbers are summed apart.
  int sums(int64_t weights) const;

 private:
  int begin(int i) const { return static_cast<int>(int64_t{i} * shape_.n / count_); }

  ConvShape shape_;
  int count_;
};

}  // namespace bonsai
