// A batch norm and the convolution that reads it, as one step of a tape: the order of DenseNets
// (Huang et al. 2017, section 3) and of ResNets with pre-activation. A few images at a time, so
// that the norm's result y and the derivative by it are never more than a block in the cache:
//   forward   y from x, then the convolution
//   backward  y from x once more, for the derivative by the weights; the derivative by y; from it
//             the sums over the batch, and of the derivative by x what does not depend on these
// The rest of that derivative is linear in x and goes to Gradient::line.
#include "engine/ops/norm_conv.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/kernels/conv.h"
#include "engine/kernels/finish.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/conv_operands.h"
#include "engine/ops/image_blocks.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

constexpr size_t norm_inputs = 5;
enum Input : size_t { x_input = 0, w_input = norm_inputs, b_input };

class NormConv : public Op {
 public:
  NormConv(const BatchNormOp& norm, OpPtr conv, const Conv2dOptions& options)
      : norm_(norm), conv_(std::move(conv)), options_(options) {}

  std::string_view name() const override { return "batch_norm + conv2d"; }

  Shape infer(std::span<const Shape> in) const override {
    norm_.infer(in.first(norm_inputs));
    return conv_->infer(of_conv(in));
  }

  void forward(std::span<const Tensor> in, Tensor& out, const Pass& pass) const override {
    const ConvShape shape = shape_of(in, out);
    const ImageBlocks blocks(shape);
    const Rows x = all_rows(in[x_input]);
    const auto rest = in.subspan(1, norm_.rest());
    const Tensor memory = Tensor::uninitialized({2, shape.in});
    const auto statistics =
        pass.training
            ? norm_.of_batch(in[x_input].shape(), rest,
                             pass.moments != nullptr ? *pass.moments : channel_moments(x, {}),
                             memory.data())
            : norm_.running(rest, memory.data());
    const Tensor packed = conv_pack(blocks[0].shape, in[w_input].data());
    parallel_chunks(blocks.count(), [&](int64_t i) {
      const ImageBlock block = blocks[static_cast<int>(i)];
      Scalar* y = scratch(block);
      norm_.normalize(statistics, rest, rows_from(x, block.in_row, block.in_rows()), block.in_row,
                      y);
      conv_forward({.shape = block.shape,
                    .x = y,
                    .w = in[w_input].data(),
                    .b = in.size() > b_input ? in[b_input].data() : nullptr,
                    .y = out.data() + block.out_row * shape.out,
                    .packed = packed.data()});
    });
    if (pass.save != nullptr && pass.training) *pass.save = {memory};
  }

  void backward(std::span<const Tensor> in, const Tensor& out, std::span<const Tensor> saved,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    const ConvShape shape = shape_of(in, out);
    const ImageBlocks blocks(shape);
    const auto rest = in.subspan(1, norm_.rest());
    const auto rest_grad = grad.subspan(1, norm_.rest());
    const bool training = !saved.empty();
    const Tensor memory = training ? saved[0] : Tensor::uninitialized({2, shape.in});
    const auto statistics = training ? BatchNormOp::statistics(memory.data(), shape.in)
                                     : norm_.running(rest, memory.data());
    const Tensor vectors = Tensor::uninitialized({3, shape.in});
    Scalar *scale = vectors.data(), *slope = scale + shape.in, *offset = slope + shape.in;
    Backward pass{.x = all_rows(in[x_input]),
                  .f = norm_.normalisation(statistics, rest, scale),
                  .w = in[w_input].data(),
                  .dz = grad_out.data(),
                  .dx = grad[x_input]};
    const bool wants_x = pass.dx.wanted() || rest_grad[0].wanted() || rest_grad[1].wanted();
    if (wants_x) pass.packed = conv_pack_backward_data(blocks[0].shape, pass.w);

    const Gradient& dw = grad[w_input];
    const auto size = static_cast<int64_t>(in[w_input].size());
    const bool sums_blocks =
        dw.wanted() && blocks.count() > 1 && conv_backward_weights_in_blocks(blocks[0].shape);
    const int parts = sums_blocks ? blocks.sums(size) : blocks.count();
    const Tensor partial =
        sums_blocks ? Tensor::uninitialized({parts, static_cast<int>(size)}) : Tensor();
    const Tensor y =
        dw.wanted() && !sums_blocks ? Tensor::uninitialized(in[x_input].shape()) : Tensor();
    std::vector<double> sums(static_cast<size_t>(blocks.count()) * 2 *
                             static_cast<size_t>(shape.in));
    parallel_chunks(parts, [&](int64_t part) {
      const auto first = static_cast<int>(part * blocks.count() / parts);
      const auto last = static_cast<int>((part + 1) * blocks.count() / parts);
      for (int i = first; i < last; ++i) {
        const ImageBlock block = blocks[i];
        const Rows x = rows_from(pass.x, block.in_row, block.in_rows());
        if (dw.wanted()) {
          Scalar* to = sums_blocks ? scratch(block) : y.data() + block.in_row * shape.in;
          normalize_rows(x, pass.f, nullptr, to);
          if (sums_blocks) {
            conv_backward_weights({.shape = block.shape,
                                   .x = to,
                                   .dy = pass.dz + block.out_row * shape.out,
                                   .dw = partial.data() + part * size,
                                   .add = i > first});
          }
        }
        if (wants_x) pass.by_x(block, x, sums.data() + int64_t{i} * 2 * shape.in);
      }
    });
    if (sums_blocks) {
      add_parts(partial.data(), parts, size, dw.data(), !dw.fresh);
    } else if (dw.wanted()) {
      conv_backward_weights(
          {.shape = shape, .x = y.data(), .dy = pass.dz, .dw = dw.data(), .add = !dw.fresh});
    }
    if (grad.size() > b_input && grad[b_input].wanted()) {
      sum_rows(pass.dz, shape.pixels(), shape.out, grad[b_input].data(), !grad[b_input].fresh);
    }
    if (!wants_x) return;
    const size_t both = 2 * static_cast<size_t>(shape.in);
    for (size_t i = both; i < sums.size(); ++i) sums[i % both] += sums[i];
    norm_.give_sums(training, statistics, rest, pass.x.count, sums.data(), sums.data() + shape.in,
                    rest_grad, slope, offset);
    if (training && pass.dx.wanted()) {
      pass.dx.line->add(statistics.mean, slope, offset, shape.in);
    }
  }

  bool backward_reads(size_t which) const override { return which <= w_input; }
  bool backward_reads_result() const override { return false; }
  bool takes_columns(size_t which) const override { return which == x_input; }
  bool takes_moments() const override { return true; }

  void ties(const Node&, std::span<const Shape>, Channels&) const override {
    throw Error("batch_norm + conv2d: a step of a tape has no channels of its own");
  }

  int64_t macs(std::span<const Shape> in, const Shape& out) const override {
    return conv_->macs(of_conv(in), out);
  }

  std::string kernel(Direction direction, std::span<const Shape> in,
                     const Shape& out) const override {
    const std::vector<Shape> shapes = of_conv(in);
    if (direction == Direction::forward) return conv_->kernel(direction, shapes, out);
    return conv_->kernel(Direction::backward_data, shapes, out) + ", " +
           conv_->kernel(Direction::backward_weights, shapes, out);
  }

 private:
  // What the blocks of a backward pass share.
  struct Backward {
    Rows x;
    Normalisation f;
    const Scalar *w, *dz;
    Gradient dx;
    Tensor packed{};

    // dx of a block, without the line, and its sums: plain and centred, [2, C].
    void by_x(const ImageBlock& block, const Rows& rows, double* sums) const {
      Scalar* dy = scratch(block);
      conv_backward_data({.shape = block.shape,
                          .dy = dz + block.out_row * block.shape.out,
                          .w = w,
                          .dx = dy,
                          .packed = packed.data()});
      double* centred = sums + rows.channels;
      if (!dx.wanted()) return gradient_sums(rows, f, dy, sums, centred);
      scaled_gradient_sums(rows, f, dy, sums, centred,
                           rows_from(all_rows(*dx.tensor), block.in_row, rows.count), !dx.fresh);
    }
  };

  // Memory of this thread for a block of y, or of the derivative by it.
  static Scalar* scratch(const ImageBlock& block) {
    return thread_scratch<Scalar>(4, static_cast<size_t>(block.in_rows() * block.shape.in));
  }

  static std::vector<Shape> of_conv(std::span<const Shape> in) {
    std::vector<Shape> shapes{in[x_input]};
    shapes.insert(shapes.end(), in.begin() + norm_inputs, in.end());
    return shapes;
  }

  ConvShape shape_of(std::span<const Tensor> in, const Tensor& out) const {
    return conv_shape(options_, in[x_input].shape(), in[w_input].shape(), out.shape());
  }

  BatchNormOp norm_;
  OpPtr conv_;
  Conv2dOptions options_;
};

}  // namespace

OpPtr norm_conv(const BatchNormOp& norm, const Op& conv) {
  const std::optional<Conv2dOptions> options = plain_conv2d(conv);
  if (!options || norm.rest() != norm_inputs - 1) return nullptr;
  return std::make_shared<NormConv>(norm, make_conv2d(*options), *options);
}

}  // namespace bonsai
