#include "data/hold_out.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/random.h"

namespace bonsai {
namespace {

void copy_image(const Images& from, int i, Images& to, int j) {
  std::copy_n(from.image(i), from.image_bytes(), to.image(j));
  to.labels[static_cast<size_t>(j)] = from.labels[static_cast<size_t>(i)];
}

}  // namespace

Images hold_out(Images& images, int n, uint64_t seed) {
  const int all = images.count();
  require(n > 0 && n < all, "hold out: ", n, " of ", all, " pictures, should be 1 to ", all - 1);
  const std::vector<int> order = permutation(all, Random(seed, Purpose::split, 0, 1));
  std::vector<bool> out(static_cast<size_t>(all), false);
  for (int i = 0; i < n; ++i) out[static_cast<size_t>(order[static_cast<size_t>(i)])] = true;
  Images held = make_images(n, images.height, images.width);
  Images rest = make_images(all - n, images.height, images.width);
  for (int i = 0, h = 0, r = 0; i < all; ++i) {
    if (out[static_cast<size_t>(i)]) {
      copy_image(images, i, held, h++);
    } else {
      copy_image(images, i, rest, r++);
    }
  }
  images = std::move(rest);
  return held;
}

}  // namespace bonsai
