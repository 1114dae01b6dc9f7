// channel_scale: y[n, ..., c] = x[n, ..., c] s[c], or s[n, c] with one factor per image and
// channel, as a squeeze-and-excitation block (Hu et al. 2018) computes them.
//   dx = dy s, ds = the sum of dy x over all that shares the factor
#include <algorithm>
#include <memory>

#include "engine/ceil_div.h"
#include "engine/kernels/finish.h"
#include "engine/kernels/per_channel.h"
#include "engine/ops.h"
#include "engine/ops/operands.h"
#include "engine/ops/registry.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

// x as groups of rows that share a row of s: one group, or one per image. Each group is cut into
// pieces, the units of parallel work and of partial sums.
struct Cut {
  int groups, channels;
  int64_t group_rows, grain;

  Cut(const Tensor& x, const Tensor& s)
      : groups(s.rank() == 1 ? 1 : x.dim(0)),
        channels(x.dim(-1)),
        group_rows(rows(x) / std::max(groups, 1)),
        grain(reduction_rows(channels)) {}

  int pieces() const { return static_cast<int>(ceil_div(group_rows, grain)); }
  int repeats() const {
    return static_cast<int>(std::min<int64_t>(row_repeats(channels), group_rows));
  }
  int tile() const { return channels * repeats(); }

  // body(group, piece's offset in x, its number of elements, number of the piece)
  template <class Body>
  void each_piece(const Body& body) const {
    const int64_t per_group = pieces();
    parallel_chunks(groups * per_group, [&](int64_t piece) {
      const int64_t group = piece / per_group, begin = piece % per_group * grain;
      const int64_t count = std::min(grain, group_rows - begin);
      body(group, (group * group_rows + begin) * channels, count * channels, piece);
    });
  }
};

class ChannelScale : public Op {
 public:
  std::string_view name() const override { return "channel_scale"; }

  Shape infer(std::span<const Shape> in) const override {
    require_inputs("channel_scale", in, 2);
    const Shape &x = in[0], &s = in[1];
    require(x.size() >= 2 && channels(x) > 0, "channel_scale: the input has shape ", x,
            ", should be [N, ..., C]");
    const int n = x[0], c = channels(x);
    require(s == Shape{c} || s == Shape{n, c} || s == Shape{n, 1, 1, c},
            "channel_scale: the factors have shape ", s, ", should be ", Shape{c}, ", ",
            Shape{n, c}, " or ", Shape{n, 1, 1, c}, " for the input ", x);
    return x;
  }

  void forward(std::span<const Tensor> in, Tensor& out, const Pass&) const override {
    scale(in[0].data(), Cut(in[0], in[1]), in[1], out.data(), false);
  }

  void backward(std::span<const Tensor> in, const Tensor&, std::span<const Tensor>,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    const Cut cut(in[0], in[1]);
    if (grad[0].wanted()) {
      scale(grad_out.data(), cut, in[1], grad[0].data(), !grad[0].fresh);
    }
    if (!grad[1].wanted()) return;
    const int c = cut.channels, pieces = cut.pieces();
    const Tensor parts({cut.groups, pieces, c});
    cut.each_piece([&](int64_t, int64_t offset, int64_t n, int64_t piece) {
      Scalar* sums = thread_scratch<Scalar>(2, static_cast<size_t>(cut.tile()));
      std::fill_n(sums, cut.tile(), Scalar{0});
      sum_products(grad_out.data() + offset, in[0].data() + offset, n, cut.tile(), sums);
      fold_channels(sums, c, cut.repeats(), parts.data() + piece * c);
    });
    for (int group = 0; group < cut.groups; ++group) {
      add_parts(parts.data() + int64_t{group} * pieces * c, pieces, c,
                grad[1].data() + int64_t{group} * c, !grad[1].fresh);
    }
  }

  bool backward_reads_result() const override { return false; }

  void ties(const Node& node, std::span<const Shape> shapes, Channels& channels) const override {
    tie_through(node, 0, shapes, channels);
    tie_through(node, 1, shapes, channels);
  }

 private:
  static void scale(const Scalar* x, const Cut& cut, const Tensor& s, Scalar* y, bool add) {
    cut.each_piece([&](int64_t group, int64_t offset, int64_t n, int64_t) {
      Scalar* factors = thread_scratch<Scalar>(2, static_cast<size_t>(cut.tile()));
      repeat_channels(s.data() + group * cut.channels, cut.channels, cut.repeats(), factors);
      scale_channels(x + offset, n, cut.tile(), factors, y + offset, add);
    });
  }
};

}  // namespace

OpPtr make_channel_scale(AttributeReader&) { return std::make_shared<ChannelScale>(); }

Var channel_scale(Var x, Var s) { return x.tape().apply(std::make_shared<ChannelScale>(), {x, s}); }

}  // namespace bonsai
