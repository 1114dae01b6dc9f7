// adaptive_average_pool: means over windows that share a map as evenly as they can, whatever its
// size. Window i of h along an axis of H covers floor(i H / h) up to ceil((i + 1) H / h), so the
// windows of a map that h does not divide overlap by a row, as in PyTorch.
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

constexpr int largest = 1 << 16;

struct Range {
  int begin, end;
  int length() const { return end - begin; }
};

Range window(int i, int parts, int size) {
  const int64_t first = int64_t{i} * size, last = int64_t{i + 1} * size;
  return {static_cast<int>(first / parts), static_cast<int>(ceil_div(last, parts))};
}

// y [n] += factor x [n]
BONSAI_SIMD void add_scaled(const Scalar* x, int n, Scalar factor, Scalar* __restrict y) {
  for (int i = 0; i < n; ++i) y[i] += factor * x[i];
}

class AdaptiveAveragePool : public Op {
 public:
  AdaptiveAveragePool(int height, int width) : height_(height), width_(width) {
    require(height >= 1 && width >= 1, "adaptive_average_pool: the result is ", height, "x", width,
            ", should be at least 1x1");
  }

  std::string_view name() const override { return "adaptive_average_pool"; }

  Shape infer(std::span<const Shape> in) const override {
    require_inputs(name(), in, 1);
    require_rank(name(), in[0], 4);
    require(element_count(in[0]) > 0, name(), ": the input ", in[0], " is empty");
    return {in[0][0], height_, width_, in[0][3]};
  }

  void forward(std::span<const Tensor> in, Tensor& out, const Pass&) const override {
    const int c = out.dim(3);
    out.fill(0);
    each_pair(in[0], [&](int64_t from, int64_t to, Scalar share) {
      add_scaled(in[0].data() + from * c, c, share, out.data() + to * c);
    });
  }

  void backward(std::span<const Tensor> in, const Tensor&, std::span<const Tensor>,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    if (!grad[0].wanted()) return;
    const int c = grad_out.dim(3);
    Scalar* dx = grad[0].summable();
    each_pair(in[0], [&](int64_t from, int64_t to, Scalar share) {
      add_scaled(grad_out.data() + to * c, c, share, dx + from * c);
    });
  }

  void ties(const Node& node, std::span<const Shape> shapes, Channels& channels) const override {
    tie_through(node, 0, shapes, channels);
  }

  Attributes attributes() const override {
    return {{"height", int64_t{height_}}, {"width", int64_t{width_}}};
  }

 private:
  // body(pixel of x, pixel of the result, 1 / pixels of its window), pictures in parallel.
  template <class Body>
  void each_pair(const Tensor& x, const Body& body) const {
    const int h = x.dim(1), w = x.dim(2);
    parallel_chunks(x.dim(0), [&](int64_t n) {
      for (int i = 0; i < height_; ++i) {
        const Range rows = window(i, height_, h);
        for (int j = 0; j < width_; ++j) {
          const Range columns = window(j, width_, w);
          const auto share = static_cast<Scalar>(1.0 / (rows.length() * columns.length()));
          for (int r = rows.begin; r < rows.end; ++r) {
            for (int k = columns.begin; k < columns.end; ++k) {
              body((n * h + r) * w + k, (n * height_ + i) * width_ + j, share);
            }
          }
        }
      }
    });
  }

  int height_, width_;
};

}  // namespace

OpPtr make_adaptive_average_pool(AttributeReader& attributes) {
  const int height = attributes.integer("height", 1, largest);
  return std::make_shared<AdaptiveAveragePool>(height, attributes.integer("width", 1, largest));
}

Var adaptive_average_pool(Var x, int height, int width) {
  return x.tape().apply(std::make_shared<AdaptiveAveragePool>(height, width), {x});
}

}  // namespace bonsai
