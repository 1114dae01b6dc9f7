// flatten: [N, H, W, C] -> [N, H W C]. Position (h, w) of channel c becomes (h W + w) C + c, so a
// channel owns every C-th element, whatever the shape of the map.
#include <algorithm>
#include <memory>

#include "engine/kernels/activation.h"
#include "engine/ops.h"
#include "engine/ops/operands.h"
#include "engine/ops/registry.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

constexpr int64_t grain = 1 << 16;

class Flatten : public Op {
 public:
  std::string_view name() const override { return "flatten"; }

  Shape infer(std::span<const Shape> in) const override {
    require_inputs("flatten", in, 1);
    const Shape& x = in[0];
    require_rank("flatten", x, 4);
    const size_t features = element_count({x[1], x[2], x[3]});
    require(features < (size_t{1} << 31), "flatten: the input ", x, " is too large");
    return {x[0], static_cast<int>(features)};
  }

  void forward(std::span<const Tensor> in, Tensor& out, const Pass&) const override {
    parallel_ranges(static_cast<int64_t>(out.size()), grain, [&](int64_t begin, int64_t end) {
      std::copy(in[0].data() + begin, in[0].data() + end, out.data() + begin);
    });
  }

  void backward(std::span<const Tensor>, const Tensor& out, std::span<const Tensor>,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    if (!grad[0].wanted()) return;
    parallel_ranges(static_cast<int64_t>(out.size()), grain, [&](int64_t begin, int64_t end) {
      const Scalar* dy = grad_out.data() + begin;
      activate_backward({}, dy, dy, dy, grad[0].data() + begin, end - begin, !grad[0].fresh);
    });
  }

  bool backward_reads(size_t) const override { return false; }
  bool backward_reads_result() const override { return false; }

  void ties(const Node& node, std::span<const Shape> shapes, Channels& channels) const override {
    const Shape& x = shapes[static_cast<size_t>(node.in[0])];
    for (int position = 0; position < x[1] * x[2]; ++position) {
      for (int c = 0; c < x[3]; ++c) {
        channels.tie({node.in[0], 3}, c, {node.out, 1}, position * x[3] + c);
      }
    }
  }
};

}  // namespace

OpPtr make_flatten(AttributeReader&) { return std::make_shared<Flatten>(); }

Var flatten(Var x) { return x.tape().apply(std::make_shared<Flatten>(), {x}); }

}  // namespace bonsai
