// conv_transpose2d: transposed convolution (Zeiler et al. 2010, "Deconvolutional Networks"), the
// adjoint of conv2d with the same weights: each input pixel writes a kernel into the result.
//   y  = what conv2d's backward-data makes of x, + b
//   dx = conv2d of dy;  dw = conv2d's backward-weights with dy as its input and x as its gradient
// So every direction runs the rows of engine/kernels/conv.h, on the shape of the convolution that
// reads y and writes x.
#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "engine/kernels/conv_plan.h"
#include "engine/kernels/finish.h"
#include "engine/ops.h"
#include "engine/ops/activation.h"
#include "engine/ops/conv_operands.h"
#include "engine/ops/operands.h"
#include "engine/ops/registry.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

constexpr int largest = 1 << 14;  // of stride, paddings, dilation: keeps sizes within 64 bits

class ConvTranspose2d : public Op {
 public:
  explicit ConvTranspose2d(const ConvTranspose2dOptions& options, Activation activation = {},
                           Tensor packed = {}, std::shared_ptr<const ConvPlan> plan = nullptr)
      : options_(options),
        activation_(activation),
        packed_(std::move(packed)),
        plan_(std::move(plan)) {
    const auto check = [](const char* what, int value, int low) {
      require(value >= low && value <= largest, "conv_transpose2d: ", what, " is ", value,
              ", should be ", low, " to ", largest);
    };
    check("stride", options.stride, 1);
    check("padding", options.padding, 0);
    check("output padding", options.output_padding, 0);
    check("dilation", options.dilation, 1);
    require(options.groups >= 1, "conv_transpose2d: groups is ", options.groups,
            ", should be at least 1");
    require(options.output_padding < std::max(options.stride, options.dilation),
            "conv_transpose2d: output padding is ", options.output_padding,
            ", should be below the stride ", options.stride, " or the dilation ", options.dilation);
  }

  std::string_view name() const override { return "conv_transpose2d"; }

  Shape infer(std::span<const Shape> in) const override {
    require(in.size() == 2 || in.size() == 3, "conv_transpose2d: ", in.size(),
            " inputs given, should be x, w and perhaps b");
    const Shape &x = in[0], &w = in[1];
    require_rank("conv_transpose2d", x, 4);
    require(w.size() == 4, "conv_transpose2d: the weights have shape ", w,
            ", should be [in, kh, kw, out / groups]");
    require(x[0] > 0 && x[1] > 0 && x[2] > 0, "conv_transpose2d: the input ", x, " is empty");
    require(w[0] > 0 && w[1] > 0 && w[2] > 0 && w[3] > 0, "conv_transpose2d: the weights ", w,
            " are empty");
    require(w[0] == x[3], "conv_transpose2d: weights ", w, " read ", w[0], " channels, the input ",
            x, " has ", x[3]);
    require(x[3] % options_.groups == 0, "conv_transpose2d: ", options_.groups,
            " groups do not divide ", x[3], " input channels");
    const int64_t out = int64_t{w[3]} * options_.groups;
    require(out <= std::numeric_limits<int>::max(), "conv_transpose2d: weights ", w, " with ",
            options_.groups, " groups make ", out, " channels");
    const auto channels = static_cast<int>(out);
    if (in.size() == 3) require_vector("conv_transpose2d", "the bias", in[2], channels);
    return {x[0], output_size(x[1], w[1], "height"), output_size(x[2], w[2], "width"), channels};
  }

  void forward(std::span<const Tensor> in, Tensor& out, const Pass&) const override {
    const ConvShape shape = adjoint_shape(in, out);
    conv_backward_data({.shape = shape,
                        .dy = in[0].data(),
                        .w = in[1].data(),
                        .dx = out.data(),
                        .packed = packed_.data(),
                        .plan = plan_.get()});
    const Scalar* b = in.size() == 3 ? in[2].data() : nullptr;
    if (b == nullptr && activation_.kind == Activation::none) return;
    const int c = shape.in;
    parallel_ranges(rows(out), 1 + (1 << 14) / c, [&](int64_t begin, int64_t end) {
      finish_rows(out.data() + begin * c, end - begin, c, c, b, activation_);
    });
  }

  void backward(std::span<const Tensor> in, const Tensor& out, std::span<const Tensor>,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    require_unfused("conv_transpose2d", activation_);
    const ConvShape shape = adjoint_shape(in, out);
    const Scalar* dy = grad_out.data();
    if (grad[0].wanted()) {
      conv_forward({.shape = shape,
                    .x = dy,
                    .w = in[1].data(),
                    .b = nullptr,
                    .y = grad[0].data(),
                    .add = !grad[0].fresh});
    }
    if (grad[1].wanted()) {
      conv_backward_weights({.shape = shape,
                             .x = dy,
                             .dy = in[0].data(),
                             .dw = grad[1].data(),
                             .add = !grad[1].fresh});
    }
    if (in.size() == 3 && grad[2].wanted()) {
      sum_rows(dy, rows(out), shape.in, grad[2].data(), !grad[2].fresh);
    }
  }

  bool backward_reads_result() const override { return false; }
  bool derivatives_apart(std::span<const Shape>, const Shape&) const override { return true; }

  // x[i] ~ w.in[i] and y[o] ~ w.out[o] ~ b[o], where w.out is numbered through all groups. Grouped:
  // the groups must keep equal numbers. One output per group: it lives with all inputs of its
  // group, and w.out (of size 1) is nobody's.
  void ties(const Node& node, std::span<const Shape> shapes, Channels& c) const override {
    const Axis x{node.in[0], 3}, w_in{node.in[1], 0}, w_out{node.in[1], 3}, y{node.out, 3};
    const Shape& w = shapes[static_cast<size_t>(node.in[1])];
    const int in = w[0], out = shapes[static_cast<size_t>(node.out)][3];
    c.tie_all(x, w_in, in);
    if (node.in.size() == 3) c.tie_all(y, {node.in[2], 0}, out);
    if (is_depthwise(w, options_.groups)) {
      for (int i = 0; i < in; ++i) c.tie(x, i, y, i / (in / out));
      return;
    }
    c.tie_all(y, w_out, out);
    for (const Axis axis : {x, y, w_in, w_out}) c.balance(axis, options_.groups);
  }

  // A depthwise convolution has fewer groups then, and any other whose groups went as a whole.
  OpPtr shrunk(const Node& node, std::span<const Shape> shapes, const Keep& keep) const override {
    ConvTranspose2dOptions fewer = options_;
    fewer.groups = remaining_groups(*this, node, shapes, keep, options_.groups);
    if (fewer.groups == options_.groups) return nullptr;
    return std::make_shared<ConvTranspose2d>(fewer, activation_);
  }

  Attributes attributes() const override {
    Attributes a{{"stride", int64_t{options_.stride}},
                 {"padding", int64_t{options_.padding}},
                 {"output_padding", int64_t{options_.output_padding}},
                 {"dilation", int64_t{options_.dilation}},
                 {"groups", int64_t{options_.groups}}};
    write_activation(activation_, a);
    return a;
  }

  int64_t macs(std::span<const Shape> in, const Shape&) const override {
    const Shape& x = in[0];
    return int64_t{x[0]} * x[1] * x[2] * static_cast<int64_t>(element_count(in[1]));
  }

  std::string kernel(Direction direction, std::span<const Shape> in,
                     const Shape& out) const override {
    const ConvShape shape = conv_shape(options_, out, in[1], in[0]);
    if (direction == Direction::forward) return conv_backward_data_row(shape);
    return direction == Direction::backward_data ? conv_forward_row(shape)
                                                 : conv_backward_weights_row(shape);
  }

  OpPtr with_activation(const Activation& activation) const override {
    if (activation_.kind != Activation::none) return nullptr;
    return std::make_shared<ConvTranspose2d>(options_, activation);
  }

  OpPtr prepared(std::span<const Tensor> in, const Tensor& out) const override {
    Tensor packed = conv_pack_backward_data(adjoint_shape(in, out), in[1].data());
    return std::make_shared<ConvTranspose2d>(options_, activation_, std::move(packed), conv_plan());
  }

 private:
  int output_size(int size, int kernel, std::string_view what) const {
    const auto [stride, padding, output_padding, dilation, groups] = options_;
    const int64_t result = int64_t{size - 1} * stride - 2 * int64_t{padding} +
                           int64_t{dilation} * (kernel - 1) + output_padding + 1;
    require(result >= 1 && result <= std::numeric_limits<int>::max(), "conv_transpose2d: a ", what,
            " of ", size, " with kernel ", kernel, ", stride ", stride, ", padding ", padding,
            " and dilation ", dilation, " gives ", result, ", should be 1 to ",
            std::numeric_limits<int>::max());
    return static_cast<int>(result);
  }

  // Of the convolution whose input is y and whose output is x.
  ConvShape adjoint_shape(std::span<const Tensor> in, const Tensor& out) const {
    return conv_shape(options_, out.shape(), in[1].shape(), in[0].shape());
  }

  ConvTranspose2dOptions options_;
  Activation activation_;
  Tensor packed_;  // of one node's weights, in its kernel's order; undefined unless prepared
  std::shared_ptr<const ConvPlan> plan_;  // that they were packed by
};

}  // namespace

Var conv_transpose2d(Var x, Var w, Var b, const ConvTranspose2dOptions& options) {
  return x.tape().apply(std::make_shared<ConvTranspose2d>(options), conv_inputs(x, w, b));
}

OpPtr make_conv_transpose2d(AttributeReader& attributes) {
  const ConvTranspose2dOptions options{
      .stride = attributes.integer("stride", 1, largest),
      .padding = attributes.integer("padding", 0, largest),
      .output_padding = attributes.integer("output_padding", 0, largest),
      .dilation = attributes.integer("dilation", 1, largest),
      .groups = attributes.integer("groups", 1, 1 << 24)};
  return std::make_shared<ConvTranspose2d>(options, read_activation(attributes));
}

}  // namespace bonsai
