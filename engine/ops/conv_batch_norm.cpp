// A convolution and the batch norm that reads it, as one step of a tape. Each takes the passes over
// the batch that it needs, but a few images at a time, so that one finds in the cache what the
// other has just written: forward, the convolution's result z when its moments are taken; backward,
// the derivative by z, which both derivatives of the convolution read. Where both can be had block
// by block, only a block of it exists; otherwise it is written in z's place.
#include "engine/ops/conv_batch_norm.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/kernels/conv.h"
#include "engine/kernels/finish.h"
#include "engine/ops/conv_operands.h"
#include "engine/ops/image_blocks.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

// A block's z, or the derivative by it: in a tensor of the whole, or in memory of this thread.
Scalar* place(const Tensor& whole, const ImageBlock& block) {
  const int channels = block.shape.out;
  if (whole.defined()) return whole.data() + block.out_row * channels;
  return thread_scratch<Scalar>(4, static_cast<size_t>(block.out_rows() * channels));
}

class ConvBatchNorm : public Op {
 public:
  ConvBatchNorm(OpPtr conv, const Conv2dOptions& options, BatchNormOp norm)
      : conv_(std::move(conv)), options_(options), norm_(std::move(norm)) {}

  std::string_view name() const override { return "conv2d + batch_norm"; }

  Shape infer(std::span<const Shape> in) const override {
    return conv_->infer(in.first(in.size() - norm_.rest()));
  }

  void forward(std::span<const Tensor> in, Tensor& out, const Pass& pass) const override {
    const ConvShape shape = shape_of(in, out);
    const ImageBlocks blocks(shape);
    const auto rest = in.last(norm_.rest());
    const Tensor packed = conv_pack(blocks[0].shape, in[1].data());
    const bool kept = pass.training || pass.save != nullptr || blocks.count() == 1;
    const Tensor z = kept ? Tensor::uninitialized(out.shape()) : Tensor();
    const auto convolve = [&](const ImageBlock& block) {
      Scalar* to = place(z, block);
      conv_forward({.shape = block.shape,
                    .x = in[0].data() + block.in_row * shape.in,
                    .w = in[1].data(),
                    .b = has_bias(in.size()) ? in[2].data() : nullptr,
                    .y = to,
                    .packed = packed.data()});
      return Rows{.data = to, .count = block.out_rows(), .channels = shape.out, .step = shape.out};
    };
    const Tensor statistics = Tensor::uninitialized({2, shape.out});
    if (pass.training) {
      ChannelMoments moments(blocks.out_rows(), shape.out);
      parallel_chunks(blocks.count(), [&](int64_t i) {
        moments.take(static_cast<int>(i), convolve(blocks[static_cast<int>(i)]));
      });
      norm_.normalize(norm_.of_batch(out.shape(), rest, moments.merged(), statistics.data()), rest,
                      all_rows(z), 0, out.data());
    } else {
      const auto running = norm_.running(rest, statistics.data());
      parallel_chunks(blocks.count(), [&](int64_t i) {
        const ImageBlock block = blocks[static_cast<int>(i)];
        norm_.normalize(running, rest, convolve(block), block.out_row,
                        out.data() + block.out_row * shape.out);
      });
    }
    if (pass.save != nullptr)
      *pass.save = pass.training ? std::vector{z, statistics} : std::vector{z};
  }

  void backward(std::span<const Tensor> in, const Tensor& out, std::span<const Tensor> saved,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    const ConvShape shape = shape_of(in, out);
    const ImageBlocks blocks(shape);
    const Scalar *x = in[0].data(), *w = in[1].data();
    const Gradient &dx = grad[0], &dw = grad[1];
    const bool wants_bias = has_bias(in.size()) && grad[2].wanted();
    const auto rest = in.last(norm_.rest());
    const auto rest_grad = grad.last(norm_.rest());
    const Tensor& z = saved[0];
    const bool training = saved.size() > 1;
    const Tensor memory = training ? saved[1] : Tensor::uninitialized({2, shape.out});
    const auto statistics = training ? BatchNormOp::statistics(memory.data(), shape.out)
                                     : norm_.running(rest, memory.data());
    const BatchNormOp::Slopes by_z =
        norm_.slopes(training, statistics, all_rows(z), rest, out, grad_out, rest_grad);

    const bool sums_blocks =
        dw.wanted() && blocks.count() > 1 && conv_backward_weights_in_blocks(blocks[0].shape);
    const bool kept = blocks.count() == 1 || wants_bias || (dw.wanted() && !sums_blocks);
    const Tensor dz = kept ? z : Tensor();  // in its place: nobody reads z any more
    const auto size = static_cast<int64_t>(in[1].size());
    const int parts = sums_blocks ? blocks.sums(size) : blocks.count();
    const Tensor partial =
        sums_blocks ? Tensor::uninitialized({parts, static_cast<int>(size)}) : Tensor();
    const Tensor packed = dx.wanted() ? conv_pack_backward_data(blocks[0].shape, w) : Tensor();
    parallel_chunks(parts, [&](int64_t part) {
      const auto first = static_cast<int>(part * blocks.count() / parts);
      const auto last = static_cast<int>((part + 1) * blocks.count() / parts);
      for (int i = first; i < last; ++i) {
        const ImageBlock block = blocks[i];
        Scalar* dy = place(dz, block);
        Rows from = rows_from(all_rows(z), block.out_row, block.out_rows()), to = from;
        to.data = dy;
        by_z.apply(from, block.out_row, to, false);
        if (dx.wanted()) {
          conv_backward_data({.shape = block.shape,
                              .dy = dy,
                              .w = w,
                              .dx = dx.data() + block.in_row * shape.in,
                              .add = !dx.fresh,
                              .packed = packed.data()});
        }
        if (sums_blocks) {
          conv_backward_weights({.shape = block.shape,
                                 .x = x + block.in_row * shape.in,
                                 .dy = dy,
                                 .dw = partial.data() + part * size,
                                 .add = i > first});
        }
      }
    });
    if (sums_blocks) {
      add_parts(partial.data(), parts, size, dw.data(), !dw.fresh);
    } else if (dw.wanted()) {
      conv_backward_weights(
          {.shape = shape, .x = x, .dy = dz.data(), .dw = dw.data(), .add = !dw.fresh});
    }
    if (wants_bias) sum_rows(dz.data(), shape.pixels(), shape.out, grad[2].data(), !grad[2].fresh);
    norm_.give_added(by_z, rest_grad);
  }

  // All but the convolution's bias, if it has one, and what is added, which then is number 7.
  bool backward_reads(size_t which) const override { return which < 7; }
  bool backward_reads_result() const override { return norm_.backward_reads_result(); }

  OpPtr followed_by(const Op& reader, size_t which) const override {
    const OpPtr norm = norm_.followed_by(reader, which);
    const auto* still_norm = dynamic_cast<const BatchNormOp*>(norm.get());
    return still_norm != nullptr ? conv_batch_norm(conv_, options_, *still_norm) : nullptr;
  }

  void ties(const Node&, std::span<const Shape>, Channels&) const override {
    throw Error("conv2d + batch_norm: a step of a tape has no channels of its own");
  }

  int64_t macs(std::span<const Shape> in, const Shape& out) const override {
    return conv_->macs(in, out);
  }

  std::string kernel(Direction direction, std::span<const Shape> in,
                     const Shape& out) const override {
    if (direction == Direction::forward) return conv_->kernel(direction, in, out);
    return conv_->kernel(Direction::backward_data, in, out) + ", " +
           conv_->kernel(Direction::backward_weights, in, out);
  }

 private:
  ConvShape shape_of(std::span<const Tensor> in, const Tensor& out) const {
    return conv_shape(options_, in[0].shape(), in[1].shape(), out.shape());
  }

  bool has_bias(size_t inputs) const { return inputs == 3 + norm_.rest(); }

  OpPtr conv_;
  Conv2dOptions options_;
  BatchNormOp norm_;
};

}  // namespace

OpPtr conv_batch_norm(OpPtr conv, const Conv2dOptions& options, const BatchNormOp& norm) {
  return std::make_shared<ConvBatchNorm>(std::move(conv), options, norm);
}

}  // namespace bonsai
