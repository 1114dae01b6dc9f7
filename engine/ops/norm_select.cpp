// A batch norm whose channels are shuffled before a convolution reads them (Zhang et al. 2018,
// ShuffleNet, figure 2; Sun et al. 2018, IGCV3). Until the convolution is seen, the norm's result
// is computed on its own, and once more on the way back.
#include "engine/ops/norm_select.h"

#include <memory>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/ops/conv_with_norms.h"
#include "engine/ops/permutation.h"
#include "engine/ops/registry.h"

namespace bonsai {
namespace {

class NormSelect : public Op {
 public:
  NormSelect(const BatchNormOp& norm, const Op& select, Permutation order)
      : norm_(norm),
        select_(make_op(select.name(), select.attributes())),
        order_(std::move(order)) {}

  std::string_view name() const override { return "batch_norm + select"; }

  Shape infer(std::span<const Shape> in) const override {
    const Shape normal = norm_.infer(in);
    return select_->infer({&normal, 1});
  }

  void forward(std::span<const Tensor> in, Tensor& out, const Pass& pass) const override {
    Tensor normal = Tensor::uninitialized(in[0].shape());
    norm_.forward(in, normal, pass);
    select_->forward({&normal, 1}, out, {});
  }

  void backward(std::span<const Tensor> in, const Tensor& out, std::span<const Tensor> saved,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    const Tensor normal = Tensor::view(nullptr, in[0].shape());  // neither of them reads it
    Tensor by_normal = Tensor::uninitialized(in[0].shape());
    const Gradient wanted{.tensor = &by_normal};
    select_->backward({&normal, 1}, out, {}, grad_out, {&wanted, 1});
    norm_.backward(in, normal, saved, by_normal, grad);
  }

  bool backward_reads(size_t which) const override { return norm_.backward_reads(which); }
  bool backward_reads_result() const override { return false; }
  bool takes_moments() const override { return true; }

  OpPtr followed_by(const Op& reader, size_t which) const override {
    return which == 0 ? conv_after_norm(norm_, reader, order_) : nullptr;
  }

  void ties(const Node&, std::span<const Shape>, Channels&) const override {
    throw Error("batch_norm + select: a step of a tape has no channels of its own");
  }

 private:
  BatchNormOp norm_;
  OpPtr select_;
  Permutation order_;
};

}  // namespace

OpPtr norm_select(const BatchNormOp& norm, const Op& select) {
  if (norm.adds() || select.name() != "select") return nullptr;
  const Attributes attributes = select.attributes();
  Permutation order = Permutation::of(std::get<std::vector<int>>(attributes.at("index")));
  if (order.empty()) return nullptr;
  return std::make_shared<NormSelect>(norm, select, std::move(order));
}

}  // namespace bonsai
