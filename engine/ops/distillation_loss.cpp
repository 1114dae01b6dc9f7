// distillation_loss: how far a student's softened answers are from its teacher's (Hinton, Vinyals
// and Dean 2015, "Distilling the Knowledge in a Neural Network", arXiv:1503.02531, section 2).
// With p = softmax(s / T) of the student and q = softmax(t / T) of the teacher:
//   loss = T^2 times the mean over the rows of sum_k q[k] log(q[k] / p[k]),
//   ds = T (p - q) / their number
// Softer answers have gradients smaller by T^2, which the factor makes up for, so that a weight
// chosen for one temperature serves for others. For high T the loss becomes the squared distance of
// the logits from their means, 1 / (2 K) sum_k ((s - mean s) - (t - mean t))^2. It is the relative
// entropy, not the cross-entropy: they differ by the teacher's own, and this one is 0 for equals.
#include <memory>

#include "engine/kernels/per_channel.h"
#include "engine/kernels/softmax.h"
#include "engine/ops.h"
#include "engine/ops/operands.h"
#include "engine/ops/registry.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

int64_t piece_rows(int classes) { return 1 + (1 << 12) / classes; }

class DistillationLoss : public Op {
 public:
  explicit DistillationLoss(float temperature) : temperature_(temperature) {
    require(temperature > 0 && temperature <= 1e6F, "distillation_loss: temperature is ",
            temperature, ", should be above 0 and at most 1000000");
  }

  std::string_view name() const override { return "distillation_loss"; }

  Shape infer(std::span<const Shape> in) const override {
    require_inputs(name(), in, 2);
    const Shape& logits = in[0];
    require((logits.size() == 2 || logits.size() == 4) && element_count(logits) > 0, name(),
            ": the student's logits have shape ", logits, ", should be [N, K] or [N, H, W, K]");
    require(in[1] == logits, name(), ": the teacher's logits have shape ", in[1],
            ", should be the student's, ", logits);
    return {1};
  }

  void forward(std::span<const Tensor> in, Tensor& out, const Pass& pass) const override {
    const int64_t n = rows(in[0]);
    const int k = channels(in[0].shape());
    Scalar* differences = nullptr;  // p - q
    if (pass.save != nullptr) {
      pass.save->push_back(Tensor::uninitialized(in[0].shape()));
      differences = pass.save->back().data();
    }
    double* losses = thread_scratch<double>(3, static_cast<size_t>(n));
    parallel_ranges(n, piece_rows(k), [&](int64_t begin, int64_t end) {
      Scalar* scratch = thread_scratch<Scalar>(2, 4 * static_cast<size_t>(k));
      for (int64_t r = begin; r < end; ++r) {
        losses[r] = row_loss(in[0].data() + r * k, in[1].data() + r * k, k, scratch,
                             differences ? differences + r * k : nullptr);
      }
    });
    double total = 0;
    for (int64_t r = 0; r < n; ++r) total += losses[r];
    const double t = double{temperature_};
    out[0] = static_cast<Scalar>(t * t * total / static_cast<double>(n));
  }

  void backward(std::span<const Tensor> in, const Tensor&, std::span<const Tensor> saved,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    require(!grad[1].wanted(),
            "distillation_loss: the teacher has no gradient, pass its logits as a constant");
    if (!grad[0].wanted()) return;
    const Scalar scale =
        grad_out[0] * static_cast<Scalar>(temperature_) / static_cast<Scalar>(rows(in[0]));
    scale_all(saved[0].data(), static_cast<int64_t>(in[0].size()), scale, grad[0].data(),
              !grad[0].fresh);
  }

  // Logits are classes: all of them stay.
  void ties(const Node& node, std::span<const Shape> shapes, Channels& channels_) const override {
    for (const int v : node.in) {
      channels_.pin(channel_axis(v, shapes), channels(shapes[static_cast<size_t>(v)]));
    }
  }

  Attributes attributes() const override { return {{"temperature", double{temperature_}}}; }

 private:
  // s, t [k]; scratch [4 k]; difference [k] or null, receives p - q.
  double row_loss(const Scalar* s, const Scalar* t, int k, Scalar* scratch,
                  Scalar* difference) const {
    Scalar *soft_s = scratch, *soft_t = scratch + k, *p = scratch + 2 * k, *q = scratch + 3 * k;
    for (int i = 0; i < k; ++i) {
      soft_s[i] = s[i] / static_cast<Scalar>(temperature_);
      soft_t[i] = t[i] / static_cast<Scalar>(temperature_);
    }
    const double gap = softmax_row(soft_s, k, p) - softmax_row(soft_t, k, q);
    double sum = 0;
    for (int i = 0; i < k; ++i) sum += q[i] * (double{soft_t[i]} - double{soft_s[i]} + gap);
    if (difference != nullptr) {
      for (int i = 0; i < k; ++i) difference[i] = p[i] - q[i];
    }
    return sum;
  }

  float temperature_;
};

}  // namespace

OpPtr make_distillation_loss(AttributeReader& attributes) {
  return std::make_shared<DistillationLoss>(attributes.number("temperature", 1e-6, 1e6));
}

Var distillation_loss(Var student, Var teacher, float temperature) {
  return student.tape().apply(std::make_shared<DistillationLoss>(temperature), {student, teacher});
}

}  // namespace bonsai
