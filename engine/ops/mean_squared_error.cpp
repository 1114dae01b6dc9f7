// mean_squared_error: the loss of regression, such as of pictures against pictures.
//   loss = mean over all elements of (x - t)^2,   dx = 2 (x - t) / n,   dt = -dx
#include <algorithm>
#include <memory>

#include "engine/ceil_div.h"
#include "engine/ops.h"
#include "engine/ops/operands.h"
#include "engine/ops/registry.h"
#include "engine/parallel.h"
#include "engine/simd.h"

namespace bonsai {
namespace {

constexpr int64_t grain = 1 << 14;

double sum_squares(const Scalar* x, const Scalar* t, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double difference = double{x[i]} - double{t[i]};
    sum += difference * difference;
  }
  return sum;
}

// dx = scale (x - t), or added to dx
BONSAI_SIMD void scaled_difference(const Scalar* x, const Scalar* t, int64_t n, Scalar scale,
                                   Scalar* __restrict dx, bool add) {
  if (add) {
    for (int64_t i = 0; i < n; ++i) dx[i] += scale * (x[i] - t[i]);
  } else {
    for (int64_t i = 0; i < n; ++i) dx[i] = scale * (x[i] - t[i]);
  }
}

class MeanSquaredError : public Op {
 public:
  std::string_view name() const override { return "mean_squared_error"; }

  Shape infer(std::span<const Shape> in) const override {
    require_inputs(name(), in, 2);
    require(in[0] == in[1], name(), ": the result has shape ", in[0], ", the target ", in[1],
            ", should be the same");
    require(!in[0].empty() && element_count(in[0]) > 0, name(), ": the result ", in[0],
            " is empty");
    return {1};
  }

  void forward(std::span<const Tensor> in, Tensor& out, const Pass&) const override {
    const auto n = static_cast<int64_t>(in[0].size());
    const int64_t pieces = ceil_div(n, grain);
    double* sums = thread_scratch<double>(3, static_cast<size_t>(pieces));
    parallel_ranges(n, grain, [&](int64_t begin, int64_t end) {
      sums[begin / grain] = sum_squares(in[0].data() + begin, in[1].data() + begin, end - begin);
    });
    double total = 0;
    for (int64_t i = 0; i < pieces; ++i) total += sums[i];
    out[0] = static_cast<Scalar>(total / static_cast<double>(n));
  }

  void backward(std::span<const Tensor> in, const Tensor&, std::span<const Tensor>,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    const auto n = static_cast<int64_t>(in[0].size());
    const Scalar scale = 2 * grad_out[0] / static_cast<Scalar>(n);
    for (const size_t i : {0, 1}) {
      if (!grad[i].wanted()) continue;
      const Scalar *own = in[i].data(), *other = in[1 - i].data();
      parallel_ranges(n, grain, [&](int64_t begin, int64_t end) {
        scaled_difference(own + begin, other + begin, end - begin, scale, grad[i].data() + begin,
                          !grad[i].fresh);
      });
    }
  }

  bool backward_reads_result() const override { return false; }

  // What is compared is a result: all of it stays.
  void ties(const Node& node, std::span<const Shape> shapes, Channels& channels_) const override {
    for (const int v : node.in) {
      channels_.pin(channel_axis(v, shapes), channels(shapes[static_cast<size_t>(v)]));
    }
  }
};

}  // namespace

OpPtr make_mean_squared_error(AttributeReader&) { return std::make_shared<MeanSquaredError>(); }

Var mean_squared_error(Var x, Var target) {
  return x.tape().apply(std::make_shared<MeanSquaredError>(), {x, target});
}

}  // namespace bonsai
