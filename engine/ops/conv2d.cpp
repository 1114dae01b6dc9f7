// conv2d: 2-D convolution (cross-correlation, as in all deep-learning libraries) with stride,
// zero padding, dilation and groups. The work is in engine/kernels/conv.h.
//   y  = w * x + b
//   dx = dy convolved with w turned around; dw = x correlated with dy; db = sum of dy
#include "engine/ops/conv2d.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "engine/kernels/conv_plan.h"
#include "engine/kernels/finish.h"
#include "engine/ops.h"
#include "engine/ops/activation.h"
#include "engine/ops/conv_operands.h"
#include "engine/ops/conv_with_norms.h"
#include "engine/ops/operands.h"
#include "engine/ops/registry.h"

namespace bonsai {
namespace {

constexpr int largest = 1 << 14;  // of stride, padding, dilation: keeps sizes within int
constexpr int most_channels = 1 << 24;

class Conv2d : public Op {
 public:
  // `channels`: of its input, which are read as 0, 1, ...; empty: all of them.
  explicit Conv2d(const Conv2dOptions& options, Activation activation = {},
                  std::vector<int> channels = {}, Tensor packed = {},
                  std::shared_ptr<const ConvPlan> plan = nullptr)
      : options_(options),
        activation_(activation),
        channels_(std::move(channels)),
        packed_(std::move(packed)),
        plan_(std::move(plan)) {
    const auto [stride, padding, dilation, groups] = options;
    require(stride >= 1 && stride <= largest, "conv2d: stride is ", stride, ", should be 1 to ",
            largest);
    require(padding >= 0 && padding <= largest, "conv2d: padding is ", padding, ", should be 0 to ",
            largest);
    require(dilation >= 1 && dilation <= largest, "conv2d: dilation is ", dilation,
            ", should be 1 to ", largest);
    require(groups >= 1, "conv2d: groups is ", groups, ", should be at least 1");
    for (const int c : channels_) {
      require(c >= 0 && c <= most_channels, "conv2d: channel ", c, " should be 0 to ",
              most_channels);
    }
  }

  std::string_view name() const override { return "conv2d"; }

  Shape infer(std::span<const Shape> in) const override {
    require(in.size() == 2 || in.size() == 3, "conv2d: ", in.size(),
            " inputs given, should be x, w and perhaps b");
    const Shape &x = in[0], &w = in[1];
    require_rank("conv2d", x, 4);
    require(w.size() == 4, "conv2d: the weights have shape ", w,
            ", should be [out, kh, kw, in / groups]");
    require(x[0] > 0, "conv2d: the input ", x, " holds no image");
    const int groups = options_.groups, out = w[0];
    require(out > 0 && w[1] > 0 && w[2] > 0 && w[3] > 0, "conv2d: the weights ", w, " are empty");
    const int read = channels_read(x);
    require(read % groups == 0 && out % groups == 0, "conv2d: ", groups, " groups do not divide ",
            read, " input and ", out, " output channels");
    require(int64_t{w[3]} * groups == read, "conv2d: weights ", w, " with ", groups,
            " groups read ", int64_t{w[3]} * groups, " channels, the input ", x, " has ", read);
    if (in.size() == 3) require_vector("conv2d", "the bias", in[2], out);
    return {x[0], output_size(x[1], w[1], "height"), output_size(x[2], w[2], "width"), out};
  }

  void forward(std::span<const Tensor> in, Tensor& out, const Pass&) const override {
    conv_forward({.shape = shape_of(in, out),
                  .x = in[0].data(),
                  .w = in[1].data(),
                  .b = in.size() == 3 ? in[2].data() : nullptr,
                  .y = out.data(),
                  .activation = activation_,
                  .packed = packed_.data(),
                  .plan = plan_.get(),
                  .channels = channels_,
                  .pitch = in[0].dim(3)});
  }

  void backward(std::span<const Tensor> in, const Tensor& out, std::span<const Tensor>,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    require_unfused("conv2d", activation_);
    require_all_channels();
    const ConvShape shape = shape_of(in, out);
    const Scalar* dy = grad_out.data();
    conv_backward({.shape = shape,
                   .dy = dy,
                   .w = in[1].data(),
                   .dx = grad[0].wanted() ? grad[0].data() : nullptr,
                   .add = !grad[0].fresh},
                  {.shape = shape,
                   .x = in[0].data(),
                   .dy = dy,
                   .dw = grad[1].wanted() ? grad[1].data() : nullptr,
                   .add = !grad[1].fresh});
    if (in.size() == 3 && grad[2].wanted()) {
      sum_rows(dy, shape.pixels(), shape.out, grad[2].data(), !grad[2].fresh);
    }
  }

  bool backward_reads_result() const override { return false; }
  bool derivatives_apart(std::span<const Shape> in, const Shape& out) const override {
    return !conv_backward_at_once(shape_of(in[0], in[1], out));
  }

  // y[o] ~ w.out[o] ~ b[o] and x[i] ~ w.in[i]. Grouped: the groups must keep equal numbers.
  // Depthwise: input g ~ all outputs of its group, and w.in (of size 1) is nobody's.
  void ties(const Node& node, std::span<const Shape> shapes, Channels& c) const override {
    require_all_channels();
    const Axis x{node.in[0], 3}, w_out{node.in[1], 0}, w_in{node.in[1], 3}, y{node.out, 3};
    const Shape& w = shapes[static_cast<size_t>(node.in[1])];
    const int in = shapes[static_cast<size_t>(node.in[0])][3], out = w[0];
    c.tie_all(y, w_out, out);
    if (node.in.size() == 3) c.tie_all(y, {node.in[2], 0}, out);
    if (is_depthwise(w, options_.groups)) {
      for (int o = 0; o < out; ++o) c.tie(x, o / (out / in), y, o);
      return;
    }
    c.tie_all(x, w_in, in);
    for (const Axis axis : {x, y, w_in, w_out}) c.balance(axis, options_.groups);
  }

  // A depthwise convolution has fewer groups then, and any other whose groups went as a whole.
  OpPtr shrunk(const Node& node, std::span<const Shape> shapes, const Keep& keep) const override {
    Conv2dOptions fewer = options_;
    fewer.groups = remaining_groups(*this, node, shapes, keep, options_.groups);
    if (fewer.groups == options_.groups) return nullptr;
    return std::make_shared<Conv2d>(fewer, activation_);
  }

  Attributes attributes() const override {
    Attributes a{{"stride", int64_t{options_.stride}},
                 {"padding", int64_t{options_.padding}},
                 {"dilation", int64_t{options_.dilation}},
                 {"groups", int64_t{options_.groups}}};
    write_activation(activation_, a);
    if (!channels_.empty()) a["channels"] = channels_;
    return a;
  }

  int64_t macs(std::span<const Shape> in, const Shape& out) const override {
    return int64_t{out[0]} * out[1] * out[2] * static_cast<int64_t>(element_count(in[1]));
  }

  std::string kernel(Direction direction, std::span<const Shape> in,
                     const Shape& out) const override {
    const ConvShape shape = shape_of(in[0], in[1], out);
    if (direction == Direction::forward) {
      return channels_.empty() ? conv_forward_row(shape)
                               : "sampled " + conv_forward_row(conv_sampled_part(shape));
    }
    if (direction == Direction::backward_data) return conv_backward_data_row(shape);
    const std::string weights = conv_backward_weights_row(shape);
    return direction == Direction::backward ? conv_backward_data_row(shape) + ", " + weights
                                            : weights;
  }

  bool is_plain() const {
    return activation_.kind == Activation::none && channels_.empty() && !packed_.defined();
  }
  const Conv2dOptions& options() const { return options_; }

  OpPtr followed_by(const Op& reader, size_t which) const override {
    const OpPtr alone = giving_moments();
    return alone != nullptr ? alone->followed_by(reader, which) : nullptr;
  }
  OpPtr giving_moments() const override { return conv_alone(*this); }

  OpPtr with_activation(const Activation& activation) const override {
    if (activation_.kind != Activation::none) return nullptr;
    return std::make_shared<Conv2d>(options_, activation, channels_);
  }

  OpPtr prepared(std::span<const Tensor> in, const Tensor& out) const override {
    const ConvShape shape = shape_of(in, out);
    Tensor packed = conv_pack(channels_.empty() ? shape : conv_sampled_part(shape), in[1].data());
    return std::make_shared<Conv2d>(options_, activation_, channels_, std::move(packed),
                                    conv_plan());
  }

 private:
  int output_size(int size, int kernel, std::string_view what) const {
    const int64_t reach = int64_t{options_.dilation} * (kernel - 1) + 1;
    const int64_t padded = size + 2 * int64_t{options_.padding};
    require(padded >= reach, "conv2d: a kernel of ", kernel, " with dilation ", options_.dilation,
            " does not fit an input of ", what, " ", size, " with padding ", options_.padding);
    return static_cast<int>((padded - reach) / options_.stride + 1);
  }

  ConvShape shape_of(const Shape& x, const Shape& w, const Shape& y) const {
    ConvShape shape = conv_shape(options_, x, w, y);
    if (!channels_.empty()) shape.in = static_cast<int>(channels_.size());
    return shape;
  }
  ConvShape shape_of(std::span<const Tensor> in, const Tensor& out) const {
    return shape_of(in[0].shape(), in[1].shape(), out.shape());
  }

  int channels_read(const Shape& x) const {
    if (channels_.empty()) return x[3];
    const int highest = *std::max_element(channels_.begin(), channels_.end());
    require(highest < x[3], "conv2d: channel ", highest, " is beyond the ", x[3],
            " channels of the input ", x);
    return static_cast<int>(channels_.size());
  }

  void require_all_channels() const {
    require(channels_.empty(),
            "conv2d: it reads chosen channels of its input, which is for inference alone");
  }

  Conv2dOptions options_;
  Activation activation_;
  std::vector<int> channels_;
  Tensor packed_;  // of one node's weights, in its kernel's order; undefined unless prepared
  std::shared_ptr<const ConvPlan> plan_;  // that they were packed by
};

}  // namespace

std::optional<Conv2dOptions> plain_conv2d(const Op& op) {
  const auto* conv = dynamic_cast<const Conv2d*>(&op);
  if (conv == nullptr || !conv->is_plain()) return std::nullopt;
  return conv->options();
}

OpPtr make_conv2d(const Conv2dOptions& options) { return std::make_shared<Conv2d>(options); }

Var conv2d(Var x, Var w, Var b, const Conv2dOptions& options) {
  return x.tape().apply(std::make_shared<Conv2d>(options), conv_inputs(x, w, b));
}

OpPtr make_conv2d(AttributeReader& attributes) {
  const Conv2dOptions options{.stride = attributes.integer("stride", 1, largest),
                              .padding = attributes.integer("padding", 0, largest),
                              .dilation = attributes.integer("dilation", 1, largest),
                              .groups = attributes.integer("groups", 1, most_channels)};
  std::vector<int> channels;
  if (attributes.has("channels")) channels = attributes.integers("channels", 0, most_channels);
  return std::make_shared<Conv2d>(options, read_activation(attributes), std::move(channels));
}

}  // namespace bonsai
