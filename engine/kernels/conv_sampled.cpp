// A convolution that reads chosen channels of its input, such as the first of a residual branch
// whose other channels were pruned for it alone (He, Zhang and Sun 2017, section 3.3). The choice
// is made while the input is brought near: the channels of a few pictures are packed side by side
// into scratch memory, which the convolution's row then finds in the cache, so that no tensor of
// chosen channels is ever written to the network's memory.
#include <algorithm>

#include "engine/error.h"
#include "engine/kernels/conv.h"
#include "engine/kernels/gather.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

constexpr int scratch_slot = 4;  // the rows use the others
constexpr size_t scratch_bytes = size_t{256} << 10;
constexpr int64_t piece_pixels = 256;

size_t picture_scalars(const ConvShape& s) {
  return static_cast<size_t>(s.h) * static_cast<size_t>(s.w) * static_cast<size_t>(s.in);
}

}  // namespace

// As many pictures as the scratch memory takes, and a divisor of all: one form of the weights fits.
ConvShape conv_sampled_part(const ConvShape& shape) {
  const size_t fitting = scratch_bytes / sizeof(Scalar) / picture_scalars(shape);
  ConvShape part = shape;
  part.n = static_cast<int>(std::clamp<size_t>(fitting, 1, static_cast<size_t>(shape.n)));
  while (shape.n % part.n != 0) --part.n;
  return part;
}

void conv_forward_sampled(const ConvForward& call) {
  require(!call.add, "convolution of chosen channels: it is to be added, should be stored");
  ConvForward part = call;
  part.shape = conv_sampled_part(call.shape);
  part.channels = {};
  Tensor own;
  if (call.packed == nullptr) own = conv_pack(part.shape, call.w);
  if (own.defined()) part.packed = own.data();
  const ConvShape& s = part.shape;
  const int64_t pixels = int64_t{s.n} * s.h * s.w;
  auto* packed_x = thread_scratch<Scalar>(scratch_slot, static_cast<size_t>(pixels * s.in));
  part.x = packed_x;
  for (int first = 0; first < call.shape.n; first += s.n) {
    const Scalar* x = call.x + int64_t{first} * s.h * s.w * call.pitch;
    parallel_ranges(pixels, piece_pixels, [&](int64_t begin, int64_t end) {
      gather_columns(x + begin * call.pitch, end - begin, call.pitch, call.channels,
                     packed_x + begin * s.in, false);
    });
    part.y = call.y + first * (s.pixels() / s.n) * s.out;
    conv_forward_kernel(s, part.plan).run(part);
  }
}

}  // namespace bonsai
