// Backward-weights in groups of at most 8 channels: for every tap and exchange the products of x
// with dy, its lanes exchanged, summed over the pixels of a chunk in registers, then over the
// chunks of a share of the batch, then over the shares in order.
#include <algorithm>

#include "engine/kernels/finish.h"
#include "engine/kernels/group_walk.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

// dw (+)= sums, from [slices][taps][size][lane_slice] to [out][taps][group_in].
void turn(const ConvBackwardWeights& c, const SmallGroups& g, const GroupWalk& walk,
          const Scalar* sums) {
  const ConvShape& s = c.shape;
  for (int slice = 0; slice < g.slices(); ++slice, sums += g.slice_weights(s)) {
    const int begin = walk.slice_begin(slice), end = std::min(begin + lane_slice, g.channels());
    for (int channel = slice * lane_slice; channel < end; ++channel) {
      const int group = channel / g.size, i = channel % g.size;
      if (i >= s.group_in()) continue;
      for (int o = 0; o < s.group_out(); ++o) {
        Scalar* dw = c.dw + (int64_t{group} * s.group_out() + o) * s.depth() + i;
        for (int tap = 0; tap < s.taps(); ++tap, dw += s.group_in()) {
          const int64_t row = int64_t{tap} * g.size + (i ^ o);
          *dw = (c.add ? *dw : Scalar{0}) + sums[row * lane_slice + channel - begin];
        }
      }
    }
  }
}

// Shares of a batch, each worth the sums that it adds.
int64_t shares_of(const ConvShape& s, const GroupWalk& walk, int64_t sums) {
  constexpr int64_t most = 16, least_numbers = 1 << 16;
  const int64_t numbers = std::min(s.pixels() * s.out, int64_t{s.n} * s.h * s.w * s.in);
  return std::clamp<int64_t>(numbers / std::max(least_numbers, 8 * sums), 1,
                             std::min<int64_t>(most, walk.chunks()));
}

}  // namespace

void conv_backward_weights_small_groups(const ConvBackwardWeights& call) {
  const ConvShape& s = call.shape;
  const SmallGroups g(s);
  const GroupWalk walk(s, forward_direction(s));
  const int64_t sums = g.slices() * g.slice_weights(s), parts = shares_of(s, walk, sums);
  const Tensor partial({static_cast<int>(parts), static_cast<int>(sums)});
  parallel_chunks(parts, [&](int64_t part) {
    for (int64_t i = part * walk.chunks() / parts; i < (part + 1) * walk.chunks() / parts; ++i) {
      const GroupWalk::Chunk chunk = walk.chunk(i), next = walk.chunk(i + 1);
      const GroupWalk::Pixels results = walk.results(chunk), reads = walk.reads(chunk);
      const GroupWalk::Slices x = walk.slices(call.x, s.group_in(), reads, 0);
      const GroupWalk::Slices dy = walk.slices(call.dy, s.group_out(), results, 1);
      auto next_x = walk.ahead<Use::read>(call.x, s.group_in(), reads, walk.reads(next));
      auto next_dy = walk.ahead<Use::read>(call.dy, s.group_out(), results, walk.results(next));
      walk.for_each_window(
          chunk, x, dy.step,
          [&](const LaneWindow& window, std::span<const LaneRow> rows, const LaneLayout& layout,
              int64_t w_begin, bool) {
            const auto kernel = lane_kernels().of(window).weights[g.kernel()];
            for (int slice = 0; slice < g.slices(); ++slice) {
              next_x.fetch();
              next_dy.fetch();
              kernel(rows, layout, walk.slice_begin(slice), dy.pixel(results.first),
                     partial.data() + part * sums + slice * g.slice_weights(s) + w_begin);
            }
          });
    }
  });
  add_parts(partial.data() + sums, static_cast<int>(parts) - 1, sums, partial.data(), true);
  turn(call, g, walk, partial.data());
}

}  // namespace bonsai
