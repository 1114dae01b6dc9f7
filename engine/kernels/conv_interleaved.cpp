// Groups that take turns: the interleaved group convolutions of Zhang et al. 2017
// (arXiv:1707.02725) between their two permutations. A vector of outputs next to each other has one
// of every group, so that it takes as many inputs next to each other, repeated: nothing is
// multiplied by zero, and no channel moves. Where the tiles have no such instruction (three groups)
// or the convolution is no pointwise one, channels are copied into the order of the groups, and
// back.
#include <algorithm>
#include <vector>

#include "engine/kernels/conv.h"
#include "engine/kernels/finish.h"
#include "engine/kernels/gather.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

ConvShape in_order(ConvShape s) {
  s.interleaved = false;
  return s;
}

// Lists for gather_columns(): from groups that take turns to one after the other, and back.
std::vector<int> group_by_group(int channels, int groups) {
  std::vector<int> index;
  for (int g = 0; g < groups; ++g) {
    for (int c = g; c < channels; c += groups) index.push_back(c);
  }
  return index;
}
std::vector<int> in_turns(int channels, int groups) {
  return group_by_group(channels, channels / groups);
}

// x [N, h, w, index.size()] with its channels in another order.
void reorder(const Scalar* x, int64_t pixels, const std::vector<int>& index, Scalar* y, bool add) {
  const auto channels = static_cast<int>(index.size());
  parallel_ranges(pixels, 1024, [&](int64_t begin, int64_t end) {
    gather_columns(x + begin * channels, end - begin, channels, index, y + begin * channels, add);
  });
}

int64_t in_pixels(const ConvShape& s) { return int64_t{s.n} * s.h * s.w; }

Tensor ordered_input(const ConvShape& s, const Scalar* x) {
  const Tensor ordered = Tensor::uninitialized({s.n, s.h, s.w, s.in});
  reorder(x, in_pixels(s), group_by_group(s.in, s.groups), ordered.data(), false);
  return ordered;
}

Tensor ordered_output(const ConvShape& s, const Scalar* y) {
  const Tensor ordered = Tensor::uninitialized({s.n, s.out_h, s.out_w, s.out});
  reorder(y, s.pixels(), group_by_group(s.out, s.groups), ordered.data(), false);
  return ordered;
}

}  // namespace

bool conv_is_interleaved(const ConvShape& s) { return s.interleaved; }

// As the tiles read them: the inputs of one group, the outputs of all in turns.
Tensor conv_pack_interleaved(const ConvShape& s, const Scalar* w) {
  if (!conv_pointwise_tiles_fits(s)) return {};
  const int in = s.group_in();
  const Tensor turns = Tensor::uninitialized({s.out, in});
  const std::vector<int> rows = in_turns(s.out, s.groups);
  for (int o = 0; o < s.out; ++o) {
    std::copy_n(w + int64_t{rows[static_cast<size_t>(o)]} * in, in, turns.data() + int64_t{o} * in);
  }
  ConvShape one = in_order(s);
  one.groups = 1;
  one.in = in;
  return conv_pack_direct(one, turns.data());
}

Tensor conv_pack_backward_data_interleaved(const ConvShape& s, const Scalar* w) {
  return conv_pointwise_tiles_fits(conv_flipped(s)) ? conv_pack_flipped(s, w) : Tensor();
}

void conv_forward_interleaved(const ConvForward& c) {
  const ConvShape& s = c.shape;
  ConvForward call = c;
  if (conv_pointwise_tiles_fits(s)) {
    const Tensor b = Tensor::uninitialized({s.out});
    if (c.b != nullptr) {
      gather_columns(c.b, 1, s.out, in_turns(s.out, s.groups), b.data(), false);
      call.b = b.data();
    }
    conv_forward_pointwise_tiles(call);
    return;
  }
  const Tensor x = ordered_input(s, c.x), y = Tensor::uninitialized({s.n, s.out_h, s.out_w, s.out});
  call.shape = in_order(s);
  call.x = x.data();
  call.y = y.data();
  call.add = false;
  call.activation = {};
  conv_forward(call);
  reorder(y.data(), s.pixels(), in_turns(s.out, s.groups), c.y, c.add);
  finish_rows(c.y, s.pixels(), s.out, s.out, nullptr, c.activation);
}

void conv_backward_data_interleaved(const ConvBackwardData& c) {
  const ConvShape& s = c.shape;
  if (conv_pointwise_tiles_fits(conv_flipped(s))) return conv_backward_data_flipped(c);
  const Tensor dy = ordered_output(s, c.dy), dx = Tensor::uninitialized({s.n, s.h, s.w, s.in});
  conv_backward_data(
      {.shape = in_order(s), .dy = dy.data(), .w = c.w, .dx = dx.data(), .plan = c.plan});
  reorder(dx.data(), in_pixels(s), in_turns(s.in, s.groups), c.dx, c.add);
}

void conv_backward_weights_interleaved(const ConvBackwardWeights& c) {
  const ConvShape& s = c.shape;
  if (conv_pointwise_tiles_fits(s)) return conv_backward_weights_pointwise_tiles(c);
  const Tensor x = ordered_input(s, c.x), dy = ordered_output(s, c.dy);
  conv_backward_weights(
      {.shape = in_order(s), .x = x.data(), .dy = dy.data(), .dw = c.dw, .add = c.add});
}

}  // namespace bonsai
