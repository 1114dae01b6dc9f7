// Factors that a training drives to exact zeros, and with them what they scale: channels, blocks of
// a grouped convolution, whole residual branches. Huang and Wang 2018, "Data-Driven Sparse
// Structure Selection for Deep Neural Networks", arXiv:1707.01213, section 3.3: the weights learn
// as usual, the factors s by an accelerated proximal gradient (the paper's APG-NAG), without weight
// decay:
//   z = soft(s - rate g, rate strength),  v = z - s + momentum v,  s = z + momentum v
// with soft of compress/scale_sparsity.h and g the gradient of the loss alone. A factor that would
// change its sign stops at zero, without momentum, or it would swing about zero for long (the
// authors' program keeps factors from falling below zero for that). The rate is the optimiser's
// reach times (1 - momentum): a steady gradient moves a factor as far as it would move a weight.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "engine/tape.h"
#include "layers/penalty.h"

namespace bonsai {

// A tensor of factors, of which so many neighbours are one and the same: 1 for channels, all for a
// residual branch. They must be equal to begin with.
struct SharedFactors {
  Parameter* numbers;
  int shared = 1;
};

// What one factor switches: a residual block (compress/block_scales.h), a group of a convolution
// (compress/conv_group_scales.h).
struct Structure {
  std::string name;
  Parameter* numbers;    // of the graph, of which
  size_t first, shared;  // so many from the first on are the factor
  double factor() const { return double{numbers->value[first]}; }
};
// Each tensor once. All that stands in one is shared by equally many.
std::vector<SharedFactors> factors_of(const std::vector<Structure>& structures);

class StructureSelection : public Penalty {
 public:
  // The parameters must outlive this and keep their shapes. Throws Error when there are none, the
  // strength is negative, the momentum is not in [0, 1), or factors are not shared evenly.
  StructureSelection(std::vector<SharedFactors> factors, float strength, float momentum = 0.9F);

  // Takes the factors' gradients: the optimiser leaves them alone.
  void add_to_gradients() override;
  void after_update(float reach) override;
  std::vector<std::pair<std::string, Tensor>> state() const override;
  RunIdentity identity() const override;

 private:
  std::vector<SharedFactors> factors_;
  std::vector<Tensor> gradients_, velocities_;  // per tensor of factors
  float strength_, momentum_;
};

}  // namespace bonsai
