// attention_map: where in a picture a layer is active, whatever its channels mean (Zagoruyko and
// Komodakis 2017, "Paying More Attention to Attention", arXiv:1612.03928, section 3.1).
//   q[n, h, w] = mean over c of x[n, h, w, c]^2,   y = q / |q| with the norm over a picture's map
//   dq = (dy - y (y . dy)) / |q|,   dx = 2 x dq / C
// The order of the channels, their number and the scale of x make no difference. A norm below
// `least` counts as `least`, so that the map of a layer which is silent is 0 and has no gradient.
#include <algorithm>
#include <cmath>
#include <memory>

#include "engine/kernels/per_channel.h"
#include "engine/kernels/squares.h"
#include "engine/ops.h"
#include "engine/ops/operands.h"
#include "engine/ops/registry.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

constexpr double least = 1e-12;

// q [pixels] from x [pixels, channels]; returns |q|.
double map_of(const Scalar* x, int pixels, int channels, Scalar* q) {
  double squares = 0;
  for (int i = 0; i < pixels; ++i) {
    q[i] = static_cast<Scalar>(sum_squares(x, channels) / channels);
    squares += double{q[i]} * double{q[i]};
    x += channels;
  }
  return std::sqrt(squares);
}

class AttentionMap : public Op {
 public:
  std::string_view name() const override { return "attention_map"; }

  Shape infer(std::span<const Shape> in) const override {
    require_inputs(name(), in, 1);
    require_rank(name(), in[0], 4);
    require(element_count(in[0]) > 0, name(), ": the input ", in[0], " is empty");
    return {in[0][0], in[0][1], in[0][2], 1};
  }

  void forward(std::span<const Tensor> in, Tensor& out, const Pass& pass) const override {
    const int c = in[0].dim(3), pixels = out.dim(1) * out.dim(2);
    Scalar* norms = nullptr;
    if (pass.save != nullptr) {
      pass.save->push_back(Tensor::uninitialized({out.dim(0)}));
      norms = pass.save->back().data();
    }
    parallel_chunks(out.dim(0), [&](int64_t n) {
      Scalar* y = out.data() + n * pixels;
      const double norm = std::max(map_of(in[0].data() + n * pixels * c, pixels, c, y), least);
      scale_all(y, pixels, static_cast<Scalar>(1 / norm), y, false);
      if (norms != nullptr) norms[n] = static_cast<Scalar>(norm);
    });
  }

  void backward(std::span<const Tensor> in, const Tensor& out, std::span<const Tensor> saved,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    if (!grad[0].wanted()) return;
    const int c = in[0].dim(3), pixels = out.dim(1) * out.dim(2);
    parallel_chunks(out.dim(0), [&](int64_t n) {
      const Scalar *y = out.data() + n * pixels, *dy = grad_out.data() + n * pixels;
      double dot = 0;
      for (int i = 0; i < pixels; ++i) dot += double{y[i]} * double{dy[i]};
      const double factor = 2 / (double{saved[0][static_cast<size_t>(n)]} * c);
      for (int i = 0; i < pixels; ++i) {
        const int64_t at = (n * pixels + i) * c;
        const double dq = factor * (double{dy[i]} - double{y[i]} * dot);
        scale_all(in[0].data() + at, c, static_cast<Scalar>(dq), grad[0].data() + at,
                  !grad[0].fresh);
      }
    });
  }

  // What is looked at is a result: all of it stays.
  void ties(const Node& node, std::span<const Shape> shapes, Channels& channels_) const override {
    for (const int v : {node.in[0], node.out}) {
      channels_.pin(channel_axis(v, shapes), channels(shapes[static_cast<size_t>(v)]));
    }
  }
};

}  // namespace

OpPtr make_attention_map(AttributeReader&) { return std::make_shared<AttentionMap>(); }

Var attention_map(Var x) { return x.tape().apply(std::make_shared<AttentionMap>(), {x}); }

}  // namespace bonsai
