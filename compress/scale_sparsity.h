// An L1 penalty on the factors of channels, strength * sum |s|, which drives those of channels that
// the network can do without to zero while it is trained: Liu et al. 2017, "Learning Efficient
// Convolutional Networks through Network Slimming", arXiv:1708.06519, section 3, on batch norm's
// gamma. Two ways to follow it:
//   subgradient  as published and in the authors' program: strength * sign(s), 0 at 0, is added to
//                the gradient. Factors jitter about zero and never reach it.
//   proximal     after each step of the optimiser s = sign(s) max(|s| - reach * strength, 0), whose
//                fixed points are those of the penalised loss: exact zeros. `reach` counts momentum
//                in, so one strength means the same either way.
#pragma once

#include <vector>

#include "engine/graph.h"
#include "layers/penalty.h"

namespace bonsai {

enum class ScaleMethod { subgradient, proximal };

// sign(x) max(|x| - threshold, 0)
Scalar soft_threshold(Scalar x, Scalar threshold);

// The trainable factors (gamma) of all batch norms, in order of execution, each once.
std::vector<Parameter*> batch_norm_scales(Graph& graph);
// Likewise, and those of compress/explicit_scales.h.
std::vector<Parameter*> channel_scales(Graph& graph);

class ScaleSparsity : public Penalty {
 public:
  // The parameters must outlive this. Throws Error when there are none or the strength is negative.
  ScaleSparsity(std::vector<Parameter*> scales, float strength, ScaleMethod method);

  void add_to_gradients() override;
  void after_update(float reach) override;
  RunIdentity identity() const override;

 private:
  std::vector<Parameter*> scales_;
  float strength_;
  ScaleMethod method_;
};

}  // namespace bonsai
