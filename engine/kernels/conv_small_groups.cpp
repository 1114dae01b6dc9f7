// Convolution in groups of at most 8 channels, depthwise convolutions among them: a product per
// group would starve, so that vectors run over the channels of all groups instead (lanes.h).
#include <algorithm>

#include "engine/kernels/finish.h"
#include "engine/kernels/group_walk.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

// w as [slices][taps][size][lane_slice]: at exchange e, channel r of a group is multiplied for its
// partner r ^ e. of(group, r, partner): the weights of a pair, by tap * group_in; null: there is no
// such.
template <class Of>
Tensor pack(const ConvShape& s, const GroupDirection& direction, const Of& of) {
  const SmallGroups g(s);
  const GroupWalk walk(s, direction);
  const Tensor packed({g.slices(), s.taps(), g.size, lane_slice});
  Scalar* to = packed.data();
  for (int slice = 0; slice < g.slices(); ++slice, to += g.slice_weights(s)) {
    const int begin = walk.slice_begin(slice), end = std::min(begin + lane_slice, g.channels());
    for (int c = begin; c < end; ++c) {
      for (int e = 0; e < g.size; ++e) {
        const int r = c % g.size;
        const Scalar* from = of(c / g.size, r, r ^ e);
        if (from == nullptr) continue;
        for (int tap = 0; tap < s.taps(); ++tap) {
          to[(int64_t{tap} * g.size + e) * lane_slice + c - begin] =
              from[int64_t{tap} * s.group_in()];
        }
      }
    }
  }
  return packed;
}

const Scalar* weights_of(const ConvShape& s, const Scalar* w, int group, int o, int i) {
  if (o >= s.group_out() || i >= s.group_in()) return nullptr;
  return w + (int64_t{group} * s.group_out() + o) * s.depth() + i;
}

// y (+)= what the direction gives for x, a chunk at a time. done(first pixel, pixels): one ends.
template <class Done>
void run(const ConvShape& s, const GroupDirection& direction, const Scalar* x, const Scalar* w,
         Scalar* y, bool add, const Done& done) {
  const SmallGroups g(s);
  const GroupWalk walk(s, direction);
  const int from_group = direction.from.group, to_group = direction.to.group;
  const int64_t channels = int64_t{g.groups} * to_group, padded = g.slices() * lane_slice;
  // Where slices overlap, some results are computed twice, which must not be added twice.
  const bool as_is = walk.slices_fit(to_group) && !(add && channels % lane_slice != 0);
  const bool adds = add && as_is;
  const int64_t y_step = as_is ? channels : padded;
  parallel_chunks(walk.chunks(), [&](int64_t i) {
    const GroupWalk::Chunk chunk = walk.chunk(i), next = walk.chunk(i + 1);
    const GroupWalk::Pixels results = walk.results(chunk), reads = walk.reads(chunk);
    const GroupWalk::Slices from = walk.slices(x, from_group, reads, 0);
    Scalar* const own = y + results.first * channels;
    Scalar* const to =
        as_is ? own : thread_scratch<Scalar>(1, static_cast<size_t>(results.count * padded));
    if (!walk.all_have_taps() && !adds) std::fill_n(to, results.count * y_step, Scalar{0});
    auto next_x = walk.ahead<Use::read>(x, from_group, reads, walk.reads(next));
    auto next_y = walk.ahead<Use::write>(y, to_group, results, walk.results(next));
    walk.for_each_window(chunk, from, y_step,
                         [&](const LaneWindow& window, std::span<const LaneRow> rows,
                             const LaneLayout& layout, int64_t w_begin, bool first) {
                           const auto kernel = lane_kernels().of(window).forward[g.kernel()];
                           for (int slice = 0; slice < g.slices(); ++slice) {
                             next_x.fetch();
                             next_y.fetch();
                             kernel(rows, layout, walk.slice_begin(slice),
                                    w + slice * g.slice_weights(s) + w_begin, to, adds || !first);
                           }
                         });
    if (!as_is) gather_groups(g.gaps(to_group), to, padded, results.count, own, add);
    done(results.first, results.count);
  });
}

}  // namespace

bool conv_small_groups_fits(const ConvShape& s) {
  return s.groups > 1 && std::max(s.group_in(), s.group_out()) <= 1 << (lane_sizes - 1);
}

Tensor conv_pack_small_groups(const ConvShape& s, const Scalar* w) {
  return pack(s, forward_direction(s),
              [&](int group, int i, int o) { return weights_of(s, w, group, o, i); });
}

Tensor conv_pack_backward_data_small_groups(const ConvShape& s, const Scalar* w) {
  return pack(s, backward_direction(s),
              [&](int group, int o, int i) { return weights_of(s, w, group, o, i); });
}

void conv_forward_small_groups(const ConvForward& c) {
  const ConvShape& s = c.shape;
  Tensor own;
  if (c.packed == nullptr) own = conv_pack_small_groups(s, c.w);
  run(s, forward_direction(s), c.x, c.packed != nullptr ? c.packed : own.data(), c.y, c.add,
      [&](int64_t pixel, int64_t pixels) {
        finish_rows(c.y + pixel * s.out, pixels, s.out, s.out, c.b, c.activation);
      });
}

void conv_backward_data_small_groups(const ConvBackwardData& c) {
  const ConvShape& s = c.shape;
  Tensor own;
  if (c.packed == nullptr) own = conv_pack_backward_data_small_groups(s, c.w);
  run(s, backward_direction(s), c.dy, c.packed != nullptr ? c.packed : own.data(), c.dx, c.add,
      [](int64_t, int64_t) {});
}

}  // namespace bonsai
