// dropout (Srivastava et al. 2014): in training each element is zeroed with probability `rate` and
// the others are scaled by 1 / (1 - rate), so that nothing remains to be done in inference.
// An element's fate depends on (seed, step, node) and its position alone.
#include <algorithm>
#include <memory>

#include "engine/ceil_div.h"
#include "engine/kernels/activation.h"
#include "engine/ops.h"
#include "engine/ops/operands.h"
#include "engine/ops/registry.h"
#include "engine/parallel.h"
#include "engine/random.h"
#include "engine/simd.h"

namespace bonsai {
namespace {

constexpr int64_t block = 1 << 12;  // elements per piece of work; a multiple of Philox's four

BONSAI_SIMD void multiply(const Scalar* x, const Scalar* mask, int64_t n, Scalar* __restrict y,
                          bool add) {
  if (add) {
    for (int64_t i = 0; i < n; ++i) y[i] += x[i] * mask[i];
  } else {
    for (int64_t i = 0; i < n; ++i) y[i] = x[i] * mask[i];
  }
}

// mask = 0 with probability limit / 2^32, else `kept`
BONSAI_SIMD void choose(const uint32_t* numbers, uint32_t limit, Scalar kept, int64_t n,
                        Scalar* __restrict mask) {
  for (int64_t i = 0; i < n; ++i) mask[i] = numbers[i] < limit ? 0 : kept;
}

class Dropout : public Op {
 public:
  explicit Dropout(float rate) : rate_(rate) {
    require(rate >= 0 && rate < 1, "dropout: rate is ", rate, ", should be at least 0 and below 1");
  }

  std::string_view name() const override { return "dropout"; }

  Shape infer(std::span<const Shape> in) const override {
    require_inputs("dropout", in, 1);
    return in[0];
  }

  void forward(std::span<const Tensor> in, Tensor& out, const Pass& pass) const override {
    const bool drops = pass.training && rate_ > 0;
    if (drops && pass.save != nullptr) pass.save->push_back(Tensor::uninitialized(out.shape()));
    parallel_ranges(static_cast<int64_t>(out.size()), block, [&](int64_t begin, int64_t end) {
      const Scalar* x = in[0].data() + begin;
      if (!drops) {
        std::copy_n(x, end - begin, out.data() + begin);
        return;
      }
      Scalar* mask = pass.save != nullptr ? pass.save->back().data() + begin
                                          : thread_scratch<Scalar>(2, static_cast<size_t>(block));
      draw(pass, begin, end - begin, mask);
      multiply(x, mask, end - begin, out.data() + begin, false);
    });
  }

  void backward(std::span<const Tensor>, const Tensor& out, std::span<const Tensor> saved,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    if (!grad[0].wanted()) return;
    parallel_ranges(static_cast<int64_t>(out.size()), block, [&](int64_t begin, int64_t end) {
      const Scalar* dy = grad_out.data() + begin;
      Scalar* dx = grad[0].data() + begin;
      if (saved.empty()) {
        activate_backward({}, dy, dy, dy, dx, end - begin, !grad[0].fresh);
      } else {
        multiply(dy, saved[0].data() + begin, end - begin, dx, !grad[0].fresh);
      }
    });
  }

  bool backward_reads(size_t) const override { return false; }
  bool backward_reads_result() const override { return false; }

  void ties(const Node& node, std::span<const Shape> shapes, Channels& channels) const override {
    tie_through(node, 0, shapes, channels);
  }

  Attributes attributes() const override { return {{"rate", double{rate_}}}; }

 private:
  // mask [n] of the elements from `begin` on, which is a multiple of four.
  void draw(const Pass& pass, int64_t begin, int64_t n, Scalar* mask) const {
    Random random(pass.seed, Purpose::dropout, pass.step, static_cast<uint32_t>(pass.node));
    random.skip(static_cast<uint32_t>(begin / 4));
    auto* numbers = thread_scratch<uint32_t>(3, static_cast<size_t>(block));
    random.fill(numbers, static_cast<uint32_t>(ceil_div(n, 4)));
    const auto limit = static_cast<uint32_t>(double{rate_} * 0x1p32);
    choose(numbers, limit, 1 / (1 - static_cast<Scalar>(rate_)), n, mask);
  }

  float rate_;
};

}  // namespace

OpPtr make_dropout(AttributeReader& attributes) {
  return std::make_shared<Dropout>(attributes.number("rate", 0, 1));
}

Var dropout(Var x, float rate) { return x.tape().apply(std::make_shared<Dropout>(rate), {x}); }

}  // namespace bonsai
