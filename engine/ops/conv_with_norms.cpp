// A convolution, the batch norm that it reads and the batch norm that reads it. Each takes the
// passes over the batch that it needs, but a few images at a time, so that one finds in the cache
// what the other has just written. With y the norm's result before the convolution and z the
// convolution's own:
// - forward: y, if there is a norm before; z; its moments. For a norm behind, z is read once more
//   when all of it is known.
// - backward: the derivative by z; y once more; the derivative by the weights; that by y, and from
//   it the sums of the norm before and what of the derivative by x does not depend on them.
// Of y and the derivatives by y and z only blocks exist. The rest of the derivative by x is linear
// in it and goes to Gradient::line; that by z, where the next norm left one, is added block by
// block.
#include "engine/ops/conv_with_norms.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/kernels/conv.h"
#include "engine/kernels/finish.h"
#include "engine/ops/blockwise_norm.h"
#include "engine/ops/blockwise_weights.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/conv_operands.h"
#include "engine/ops/image_blocks.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

enum Scratch { y_scratch = 4, z_scratch };

// Rows of a block: in a tensor of the whole, or in memory of this thread.
Scalar* place(const Tensor& whole, int64_t first, int64_t rows, int channels, Scratch slot) {
  if (whole.defined()) return whole.data() + first * channels;
  return thread_scratch<Scalar>(slot, static_cast<size_t>(rows * channels));
}

Scalar* place_y(const Tensor& whole, const ImageBlock& block) {
  return place(whole, block.in_row, block.in_rows(), block.shape.in, y_scratch);
}

Scalar* place_z(const Tensor& whole, const ImageBlock& block) {
  return place(whole, block.out_row, block.out_rows(), block.shape.out, z_scratch);
}

Tensor like(const Tensor& x, bool wanted) {
  return wanted ? Tensor::uninitialized(x.shape()) : Tensor();
}

class ConvWithNorms : public Op {
 public:
  ConvWithNorms(Conv2dOptions options, bool interleaved, std::optional<BatchNormOp> before,
                Permutation order, std::optional<BatchNormOp> after)
      : conv_(make_conv2d(options)),
        options_(options),
        interleaved_(interleaved),
        before_(std::move(before)),
        order_(std::move(order)),
        after_(std::move(after)) {}

  std::string_view name() const override { return "conv2d with batch_norm"; }

  Shape infer(std::span<const Shape> in) const override {
    const std::vector<Shape> shapes = of_conv(in);
    if (!order_.empty() && in[0].back() != static_cast<int>(order_.index.size())) return {};
    if (interleaved_ && shapes[0].back() != shapes[1].back() * options_.groups) return {};
    return conv_->infer(shapes);
  }

  void forward(std::span<const Tensor> in, Tensor& out, const Pass& pass) const override {
    const Inputs inputs = named(in);
    const ConvShape shape = shape_of(inputs.x.shape(), inputs.w.shape(), out.shape());
    const ImageBlocks blocks(shape);
    const bool whole = blocks.count() == 1;
    std::vector<Tensor> saved;
    std::optional<BlockwiseNorm> before;
    if (before_) {
      saved.push_back(Tensor::uninitialized({2, shape.in}));
      before.emplace(*before_, inputs.x, inputs.before,
                     before_->of_pass(inputs.x, inputs.before, pass, saved[0].data()), order_);
    }
    const Tensor y = like(inputs.x, before && whole);
    const Tensor z = after_ ? like(out, pass.training || pass.save != nullptr || whole) : out;
    const Tensor packed = whole ? Tensor() : conv_pack(blocks[0].shape, inputs.w.data());
    const auto convolve = [&](int64_t i) {
      const ImageBlock block = blocks[static_cast<int>(i)];
      Scalar* to = place_z(z, block);
      conv_forward({.shape = block.shape,
                    .x = what_is_read(before, inputs, y, block),
                    .w = inputs.w.data(),
                    .b = inputs.b.data(),
                    .y = to,
                    .packed = packed.data()});
      return Rows{to, block.out_rows(), shape.out};
    };
    const Tensor memory = Tensor::uninitialized({2, shape.out});
    if (after_ && !pass.training) {
      const auto running = after_->running(inputs.after, memory.data());
      parallel_chunks(blocks.count(), [&](int64_t i) {
        const int64_t first = blocks[static_cast<int>(i)].out_row;
        after_->normalize(running, inputs.after, convolve(i), first,
                          out.data() + first * shape.out);
      });
    } else if (after_ || pass.result_moments != nullptr) {
      ChannelMoments moments(blocks.out_rows(), shape.out);
      parallel_chunks(blocks.count(),
                      [&](int64_t i) { moments.take(static_cast<int>(i), convolve(i)); });
      const Tensor merged = moments.merged();
      if (pass.result_moments != nullptr) *pass.result_moments = merged;
      if (after_) {
        const auto of_z = after_->of_batch(out.shape(), inputs.after, merged, memory.data());
        after_->normalize(of_z, inputs.after, all_rows(z), 0, out.data());
      }
    } else {
      parallel_chunks(blocks.count(), convolve);
    }
    if (pass.save == nullptr) return;
    if (!pass.training) saved.clear();
    if (after_) saved.push_back(z);
    if (after_ && pass.training) saved.push_back(memory);
    *pass.save = std::move(saved);
  }

  void backward(std::span<const Tensor> in, const Tensor& out, std::span<const Tensor> saved,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    backward_of(in, out, saved, {.tensor = grad_out}, grad);
  }

  bool takes_line() const override { return !after_; }
  bool completes_rows(size_t which) const override { return !before_ && which == 0; }
  std::unique_ptr<GradientReader> gradient_reader(std::span<const Tensor> in, const Tensor& out,
                                                  std::span<const Tensor> saved,
                                                  const Tensor& grad_out) const override {
    if (!after_ || !was_training(saved)) return nullptr;
    return std::make_unique<BatchNormOp::Sums>(
        *after_, BatchNormOp::statistics(saved.back().data(), out.dim(-1)),
        all_rows(saved[before_ ? 1 : 0]), named(in).after, out, grad_out);
  }

  void backward_of(std::span<const Tensor> in, const Tensor& out, std::span<const Tensor> saved,
                   const Derivative& by_out, std::span<const Gradient> grad) const override {
    const Inputs inputs = named(in);
    const Gradients gradients = named(grad);
    const Gradient& dx = gradients.x;
    const ConvShape shape = shape_of(inputs.x.shape(), inputs.w.shape(), out.shape());
    const ImageBlocks blocks(shape);
    const bool training = was_training(saved), whole = blocks.count() == 1;
    BlockwiseWeights weights(shape, blocks, gradients.w);

    const Tensor x_memory = before_ && training ? saved[0] : Tensor::uninitialized({2, shape.in});
    std::optional<BlockwiseNorm> before;
    if (before_) {
      before.emplace(*before_, inputs.x, inputs.before,
                     before_->kept(training, inputs.before, x_memory), order_);
    }
    const bool wants_y =
        before && (dx.wanted() || gradients.before[0].wanted() || gradients.before[1].wanted());
    if (wants_y) before->begin_back(blocks.count());
    const Tensor y = like(inputs.x, before && weights.wants_whole()),
                 dy = like(inputs.x, wants_y && whole);

    // The derivative by z: where it was given, or a block of it at a time, or all in z's place,
    // where nobody reads z any more.
    const Tensor z = after_ ? saved[before_ && training ? 1 : 0] : out;
    const Tensor z_memory =
        after_ && training ? saved.back() : Tensor::uninitialized({2, shape.out});
    std::optional<BatchNormOp::Slopes> after;
    if (after_) {
      const auto statistics = after_->kept(training, inputs.after, z_memory);
      std::optional<BatchNormOp::Sums> own;
      if (by_out.reader == nullptr) {
        own.emplace(*after_, statistics, all_rows(z), inputs.after, out, by_out.tensor);
        own->begin(1);
        own->read(0, 0, shape.pixels());
      }
      const auto* sums = own ? &*own : static_cast<const BatchNormOp::Sums*>(by_out.reader);
      after = after_->slopes(training, statistics, inputs.after, *sums, gradients.after);
    }
    const bool dz_whole = whole || weights.wants_whole() || gradients.b.wanted();
    const Tensor dz = !after ? by_out.tensor : dz_whole ? z : Tensor();
    const auto error = [&](const ImageBlock& block) {
      const Rows from = rows_from(all_rows(z), block.out_row, block.out_rows());
      Scalar* to = place_z(dz, block);
      if (after) {
        after->apply(from, block.out_row, to, false);
      } else {
        by_out.line.add_to(Rows{to, from.count, from.channels}, from);
      }
      return to;
    };

    const bool wants_data = dx.wanted() || wants_y;
    const Tensor packed =
        wants_data && !whole ? conv_pack_backward_data(blocks[0].shape, inputs.w.data()) : Tensor();
    if (dx.reader != nullptr) dx.reader->begin(blocks.count());
    parallel_chunks(weights.shares(), [&](int64_t chunk) {
      const auto share = static_cast<int>(chunk);
      for (int i = weights.first(share); i < weights.first(share + 1); ++i) {
        const ImageBlock block = blocks[i];
        const Scalar* by_z = error(block);
        const Scalar* x = weights.wanted() ? what_is_read(before, inputs, y, block) : nullptr;
        Scalar* by_y = !wants_data ? nullptr
                       : before    ? place_y(dy, block)
                                   : dx.data() + block.in_row * shape.in;
        conv_backward({.shape = block.shape,
                       .dy = by_z,
                       .w = inputs.w.data(),
                       .dx = by_y,
                       .add = !before && !dx.fresh,
                       .packed = packed.data()},
                      weights.of_block(share, i, x, by_z));
        if (!wants_data) continue;
        if (before) before->back(i, block.in_row, block.in_rows(), by_y, dx);
        if (dx.reader != nullptr) dx.reader->read(i, block.in_row, block.in_rows());
      }
    });
    // In the order of the inputs, some of which may be the same value.
    if (wants_y) before->end_back(training, dx, gradients.before);
    weights.end(before ? y.data() : inputs.x.data(), dz.data());
    if (gradients.b.wanted()) {
      conv_backward_bias(shape, dz.data(), gradients.b.data(), !gradients.b.fresh);
    }
    if (after) after_->give(*after, gradients.after);
  }

  // All but what is added, if the convolution has a bias, whose number it takes otherwise.
  bool backward_reads(size_t which) const override { return which < 7 + norm_inputs(); }
  bool backward_reads_result() const override { return after_ && after_->backward_reads_result(); }
  bool takes_parts(size_t which) const override { return before_ && which == 0; }
  bool takes_moments() const override { return before_.has_value(); }
  bool gives_moments() const override { return !after_; }

  OpPtr followed_by(const Op& reader, size_t which) const override {
    const auto* norm = dynamic_cast<const BatchNormOp*>(&reader);
    if (!after_) return norm != nullptr && which == 0 ? with_after(*norm) : nullptr;
    const OpPtr longer = after_->followed_by(reader, which);
    const auto* still_norm = dynamic_cast<const BatchNormOp*>(longer.get());
    return still_norm != nullptr ? with_after(*still_norm) : nullptr;
  }

  void ties(const Node&, std::span<const Shape>, Channels&) const override {
    throw Error("conv2d with batch_norm: a step of a tape has no channels of its own");
  }

  int64_t macs(std::span<const Shape> in, const Shape& out) const override {
    return conv_->macs(of_conv(in), out);
  }

  std::string kernel(Direction direction, std::span<const Shape> in,
                     const Shape& out) const override {
    const std::vector<Shape> shapes = of_conv(in);
    const ConvShape shape = shape_of(shapes[0], shapes[1], out);
    if (direction == Direction::forward) return conv_forward_row(shape);
    return conv_backward_data_row(shape) + ", " + conv_backward_weights_row(shape);
  }

 private:
  template <class Item>
  struct Named {
    Item x;
    std::span<const Item> before;
    Item w, b;
    std::span<const Item> after;
  };
  using Inputs = Named<Tensor>;
  using Gradients = Named<Gradient>;

  template <class Item>
  Named<Item> named(std::span<const Item> in) const {
    const size_t w = 1 + norm_inputs(), behind = after_ ? after_->rest() : 0;
    const bool has_bias = in.size() == w + 2 + behind;
    return {.x = in[0],
            .before = in.subspan(1, norm_inputs()),
            .w = in[w],
            .b = has_bias ? in[w + 1] : Item{},
            .after = in.last(behind)};
  }
  Inputs named(std::span<const Tensor> in) const { return named<Tensor>(in); }
  Gradients named(std::span<const Gradient> in) const { return named<Gradient>(in); }

  // Whether forward put the statistics of a batch aside.
  bool was_training(std::span<const Tensor> saved) const {
    return saved.size() > (after_ ? 1U : 0U);
  }

  size_t norm_inputs() const { return before_ ? before_->rest() : 0; }

  std::vector<Shape> of_conv(std::span<const Shape> in) const {
    std::vector<Shape> shapes{in[0]};
    const size_t behind = after_ ? after_->rest() : 0;
    shapes.insert(shapes.end(), in.begin() + 1 + static_cast<std::ptrdiff_t>(norm_inputs()),
                  in.end() - static_cast<std::ptrdiff_t>(behind));
    return shapes;
  }

  // What the convolution reads of a block: of x, or of y, which is computed for it.
  static const Scalar* what_is_read(const std::optional<BlockwiseNorm>& before,
                                    const Inputs& inputs, const Tensor& y,
                                    const ImageBlock& block) {
    if (!before) return inputs.x.data() + block.in_row * block.shape.in;
    Scalar* to = place_y(y, block);
    before->normalize(block.in_row, block.in_rows(), to);
    return to;
  }

  ConvShape shape_of(const Shape& x, const Shape& w, const Shape& z) const {
    ConvShape shape = conv_shape(options_, x, w, z);
    shape.interleaved = interleaved_;
    return shape;
  }

  OpPtr with_after(const BatchNormOp& norm) const {
    return std::make_shared<ConvWithNorms>(options_, interleaved_, before_, order_, norm);
  }

  OpPtr conv_;
  Conv2dOptions options_;
  bool interleaved_;
  std::optional<BatchNormOp> before_;
  Permutation order_;  // of the channels between that norm and the convolution
  std::optional<BatchNormOp> after_;
};

OpPtr make(const Op& conv, bool interleaved, std::optional<BatchNormOp> before,
           const Permutation& order) {
  const std::optional<Conv2dOptions> options = plain_conv2d(conv);
  if (!options) return nullptr;
  return std::make_shared<ConvWithNorms>(*options, interleaved, std::move(before), order,
                                         std::nullopt);
}

}  // namespace

OpPtr conv_alone(const Op& conv, bool interleaved) {
  return make(conv, interleaved, std::nullopt, {});
}

OpPtr conv_after_norm(const BatchNormOp& norm, const Op& conv, const Permutation& order) {
  return norm.adds() ? nullptr : make(conv, false, norm, order);
}

}  // namespace bonsai
