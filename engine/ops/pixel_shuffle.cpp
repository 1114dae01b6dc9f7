// pixel_shuffle: r^2 channels of a coarse pixel become r x r pixels (Shi et al. 2016, "Real-Time
// Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural
// Network", arXiv:1609.05158); pixel_unshuffle is the inverse, and each is the other's gradient.
//   fine[n, h r + i, w r + j, c] = coarse[n, h, w, c r^2 + i r + j]
// The order of channels is PyTorch's; TensorFlow's depth_to_space has them as (i, j, c).
#include <limits>
#include <memory>

#include "engine/kernels/columns.h"
#include "engine/ops.h"
#include "engine/ops/operands.h"
#include "engine/ops/registry.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

constexpr int largest = 1 << 10;  // factor

class PixelShuffle : public Op {
 public:
  enum Direction { to_fine, to_coarse };

  PixelShuffle(Direction direction, int factor) : direction_(direction), factor_(factor) {
    require(factor >= 1 && factor <= largest, name(), ": factor is ", factor, ", should be 1 to ",
            largest);
  }

  std::string_view name() const override {
    return direction_ == to_fine ? "pixel_shuffle" : "pixel_unshuffle";
  }

  Shape infer(std::span<const Shape> in) const override {
    require_inputs(name(), in, 1);
    const Shape& x = in[0];
    require_rank(name(), x, 4);
    const int r = factor_;
    if (direction_ == to_fine) {
      require(x[3] > 0 && x[3] % squared() == 0, name(), ": the ", x[3], " channels of the input ",
              x, " should be a multiple of ", squared(), ", the square of the factor");
      return {x[0], multiplied(x[1], r, x), multiplied(x[2], r, x), x[3] / squared()};
    }
    require(x[1] % r == 0 && x[2] % r == 0, name(), ": height and width of the input ", x,
            " should be multiples of the factor ", r);
    return {x[0], x[1] / r, x[2] / r, multiplied(x[3], squared(), x)};
  }

  void forward(std::span<const Tensor> in, Tensor& out, const Pass&) const override {
    move(direction_, in[0], out, false);
  }

  void backward(std::span<const Tensor>, const Tensor&, std::span<const Tensor>,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    if (!grad[0].wanted()) return;
    move(direction_ == to_fine ? to_coarse : to_fine, grad_out, *grad[0].tensor, !grad[0].fresh);
  }

  bool backward_reads(size_t) const override { return false; }
  bool backward_reads_result() const override { return false; }

  // A fine channel is r^2 coarse ones.
  void ties(const Node& node, std::span<const Shape> shapes, Channels& channels_) const override {
    const int fine_value = direction_ == to_fine ? node.out : node.in[0];
    const int coarse_value = direction_ == to_fine ? node.in[0] : node.out;
    const Axis fine = channel_axis(fine_value, shapes), coarse = channel_axis(coarse_value, shapes);
    for (int c = 0; c < channels(shapes[static_cast<size_t>(coarse_value)]); ++c) {
      channels_.tie(fine, c / squared(), coarse, c);
    }
  }

  Attributes attributes() const override { return {{"factor", int64_t{factor_}}}; }

 private:
  int squared() const { return factor_ * factor_; }

  int multiplied(int size, int times, const Shape& x) const {
    const int64_t result = int64_t{size} * times;
    require(result <= std::numeric_limits<int>::max(), name(), ": an axis of the input ", x,
            " would become ", result);
    return static_cast<int>(result);
  }

  // y = x rearranged, or added to y.
  void move(Direction direction, const Tensor& x, const Tensor& y, bool add) const {
    const Shape& coarse = (direction == to_fine ? x : y).shape();
    const int r = factor_, h = coarse[1], w = coarse[2], c = coarse[3] / squared();
    parallel_ranges(int64_t{coarse[0]} * h, 1 + (1 << 14) / (w * coarse[3] + 1),
                    [&](int64_t begin, int64_t end) {
                      for (int64_t pixel = begin * w; pixel < end * w; ++pixel) {
                        for (int k = 0; k < squared(); ++k) {
                          const int64_t line = pixel / w * r + k / r;
                          const int64_t fine = (line * w + pixel % w) * r + k % r;
                          const int64_t from = pixel * coarse[3] + k, to = fine * c;
                          if (direction == to_fine) {
                            copy_columns(x.data() + from, squared(), y.data() + to, 1, c, 1, add);
                          } else {
                            copy_columns(x.data() + to, 1, y.data() + from, squared(), c, 1, add);
                          }
                        }
                      }
                    });
  }

  Direction direction_;
  int factor_;
};

OpPtr make(PixelShuffle::Direction direction, AttributeReader& attributes) {
  return std::make_shared<PixelShuffle>(direction, attributes.integer("factor", 1, largest));
}

}  // namespace

OpPtr make_pixel_shuffle(AttributeReader& attributes) {
  return make(PixelShuffle::to_fine, attributes);
}
OpPtr make_pixel_unshuffle(AttributeReader& attributes) {
  return make(PixelShuffle::to_coarse, attributes);
}

Var pixel_shuffle(Var x, int factor) {
  return x.tape().apply(std::make_shared<PixelShuffle>(PixelShuffle::to_fine, factor), {x});
}
Var pixel_unshuffle(Var x, int factor) {
  return x.tape().apply(std::make_shared<PixelShuffle>(PixelShuffle::to_coarse, factor), {x});
}

}  // namespace bonsai
