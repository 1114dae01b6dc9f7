// linear: the fully connected layer. x [N, in], w [out, in], b [out] -> y [N, out].
//   y = x w' + b;  dx = dy w;  dw = dy' x;  db = the sum of dy over N
#include <memory>

#include "engine/kernels/finish.h"
#include "engine/kernels/gemm.h"
#include "engine/ops.h"
#include "engine/ops/activation.h"
#include "engine/ops/operands.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

class Linear : public Op {
 public:
  explicit Linear(const Activation& activation = {}) : activation_(activation) {}

  std::string_view name() const override { return "linear"; }

  Shape infer(std::span<const Shape> in) const override {
    require(in.size() == 2 || in.size() == 3, "linear: ", in.size(),
            " inputs given, should be x, w and perhaps b");
    const Shape &x = in[0], &w = in[1];
    require(x.size() == 2, "linear: the input has shape ", x,
            ", should be [N, in] (flatten or pool it first)");
    require(w.size() == 2 && w[0] > 0 && w[1] > 0, "linear: the weights have shape ", w,
            ", should be [out, in]");
    require(x[1] == w[1], "linear: weights ", w, " read ", w[1], " values, the input ", x, " has ",
            x[1]);
    if (in.size() == 3) require_vector("linear", "the bias", in[2], w[0]);
    return {x[0], w[0]};
  }

  void forward(std::span<const Tensor> in, Tensor& out, const Pass&) const override {
    const int n = out.dim(0), outputs = out.dim(1), inputs = in[0].dim(1);
    parallel_gemm(Transpose::no, Transpose::yes, n, outputs, inputs, 1, in[0].data(), inputs,
                  in[1].data(), inputs, 0, out.data(), outputs);
    const Scalar* bias = in.size() == 3 ? in[2].data() : nullptr;
    parallel_ranges(n, 1 + (1 << 14) / outputs, [&](int64_t begin, int64_t end) {
      finish_rows(out.data() + begin * outputs, end - begin, outputs, outputs, bias, activation_);
    });
  }

  void backward(std::span<const Tensor> in, const Tensor& out, std::span<const Tensor>,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    require_unfused("linear", activation_);
    const int n = out.dim(0), outputs = out.dim(1), inputs = in[0].dim(1);
    const Scalar* dy = grad_out.data();
    if (grad[0].wanted()) {
      parallel_gemm(Transpose::no, Transpose::no, n, inputs, outputs, 1, dy, outputs, in[1].data(),
                    inputs, grad[0].fresh ? 0 : 1, grad[0].data(), inputs);
    }
    if (grad[1].wanted()) {
      parallel_gemm(Transpose::yes, Transpose::no, outputs, inputs, n, 1, dy, outputs, in[0].data(),
                    inputs, grad[1].fresh ? 0 : 1, grad[1].data(), inputs);
    }
    if (in.size() == 3 && grad[2].wanted()) {
      sum_rows(dy, n, outputs, grad[2].data(), !grad[2].fresh);
    }
  }

  bool backward_reads_result() const override { return false; }
  bool derivatives_apart(std::span<const Shape>, const Shape&) const override { return true; }

  // y[o] ~ w[o, .] ~ b[o] and x[i] ~ w[., i]
  void ties(const Node& node, std::span<const Shape> shapes, Channels& channels) const override {
    const Axis y{node.out, 1}, w_out{node.in[1], 0}, w_in{node.in[1], 1};
    const Shape& w = shapes[static_cast<size_t>(node.in[1])];
    channels.tie_all(y, w_out, w[0]);
    if (node.in.size() == 3) channels.tie_all(y, {node.in[2], 0}, w[0]);
    channels.tie_all({node.in[0], 1}, w_in, w[1]);
  }

  Attributes attributes() const override {
    Attributes attributes;
    write_activation(activation_, attributes);
    return attributes;
  }

  int64_t macs(std::span<const Shape> in, const Shape& out) const override {
    return int64_t{out[0]} * out[1] * in[0][1];
  }

  OpPtr with_activation(const Activation& activation) const override {
    if (activation_.kind != Activation::none) return nullptr;
    return std::make_shared<Linear>(activation);
  }

 private:
  Activation activation_;
};

}  // namespace

OpPtr make_linear(AttributeReader& attributes) {
  return std::make_shared<Linear>(read_activation(attributes));
}

Var linear(Var x, Var w, Var b) {
  std::vector<Var> in{x, w};
  if (b) in.push_back(b);
  return x.tape().apply(std::make_shared<Linear>(), std::move(in));
}

}  // namespace bonsai
