// scale: y = factor x with a number that is not learnt, such as the weight of a loss among several.
#include <cmath>
#include <memory>

#include "engine/kernels/per_channel.h"
#include "engine/ops.h"
#include "engine/ops/operands.h"
#include "engine/ops/registry.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

constexpr int64_t grain = 1 << 15;

class Scale : public Op {
 public:
  explicit Scale(float factor) : factor_(factor) {
    require(std::isfinite(factor), "scale: the factor is ", factor, ", should be finite");
  }

  std::string_view name() const override { return "scale"; }

  Shape infer(std::span<const Shape> in) const override {
    require_inputs(name(), in, 1);
    return in[0];
  }

  void forward(std::span<const Tensor> in, Tensor& out, const Pass&) const override {
    scale(in[0], out.data(), false);
  }

  void backward(std::span<const Tensor>, const Tensor&, std::span<const Tensor>,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    if (grad[0].wanted()) scale(grad_out, grad[0].data(), !grad[0].fresh);
  }

  void ties(const Node& node, std::span<const Shape> shapes, Channels& channels) const override {
    tie_through(node, 0, shapes, channels);
  }

  Attributes attributes() const override { return {{"factor", double{factor_}}}; }

 private:
  void scale(const Tensor& x, Scalar* y, bool add) const {
    parallel_ranges(static_cast<int64_t>(x.size()), grain, [&](int64_t begin, int64_t end) {
      scale_all(x.data() + begin, end - begin, static_cast<Scalar>(factor_), y + begin, add);
    });
  }

  float factor_;
};

}  // namespace

OpPtr make_scale(AttributeReader& attributes) {
  return std::make_shared<Scale>(attributes.number("factor", -1e30, 1e30));
}

Var scale(Var x, float factor) { return x.tape().apply(std::make_shared<Scale>(factor), {x}); }

}  // namespace bonsai
