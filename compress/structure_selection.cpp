#include "compress/structure_selection.h"

#include <algorithm>
#include <cmath>

#include "compress/scale_sparsity.h"
#include "engine/error.h"

namespace bonsai {

std::vector<SharedFactors> factors_of(const std::vector<Structure>& structures) {
  std::vector<SharedFactors> factors;
  for (const Structure& structure : structures) {
    const bool known = std::any_of(factors.begin(), factors.end(), [&](const SharedFactors& f) {
      return f.numbers == structure.numbers;
    });
    if (!known) factors.push_back({structure.numbers, static_cast<int>(structure.shared)});
  }
  return factors;
}

StructureSelection::StructureSelection(std::vector<SharedFactors> factors, float strength,
                                       float momentum)
    : factors_(std::move(factors)),
      gradients_(factors_.size()),
      strength_(strength),
      momentum_(momentum) {
  require(!factors_.empty(), "structure selection: the network has no factors");
  require(strength >= 0 && std::isfinite(strength), "structure selection: the strength is ",
          strength, ", should not be negative");
  require(momentum >= 0 && momentum < 1, "structure selection: the momentum is ", momentum,
          ", should be in [0, 1)");
  for (const auto& [p, shared] : factors_) {
    require(shared >= 1 && p->value.size() % static_cast<size_t>(shared) == 0,
            "structure selection: ", p->name, " has ", p->value.size(), " numbers, of which ",
            shared, " should be one factor");
    velocities_.emplace_back(p->value.shape(), Scalar{0});
  }
}

void StructureSelection::add_to_gradients() {
  for (size_t f = 0; f < factors_.size(); ++f) {
    gradients_[f] = std::move(factors_[f].numbers->grad);
    factors_[f].numbers->grad = {};
  }
}

void StructureSelection::after_update(float reach) {
  const Scalar momentum = momentum_, rate = static_cast<Scalar>(reach) * (1 - momentum),
               threshold = rate * static_cast<Scalar>(strength_);
  for (size_t f = 0; f < factors_.size(); ++f) {
    if (!gradients_[f].defined()) continue;
    const Tensor &s = factors_[f].numbers->value, &v = velocities_[f], &g = gradients_[f];
    const auto shared = static_cast<size_t>(factors_[f].shared);
    for (size_t begin = 0; begin < s.size(); begin += shared) {
      Scalar slope = 0;
      for (size_t i = begin; i < begin + shared; ++i) slope += g[i];
      const Scalar z = soft_threshold(s[begin] - rate * slope, threshold);
      Scalar velocity = z - s[begin] + momentum * v[begin], next = z + momentum * velocity;
      if (next * s[begin] < 0) next = velocity = 0;
      for (size_t i = begin; i < begin + shared; ++i) {
        v[i] = velocity;
        s[i] = next;
      }
    }
    gradients_[f] = {};
  }
}

std::vector<std::pair<std::string, Tensor>> StructureSelection::state() const {
  std::vector<std::pair<std::string, Tensor>> all;
  for (size_t f = 0; f < factors_.size(); ++f) {
    all.emplace_back(factors_[f].numbers->name + ".velocity", velocities_[f]);
  }
  return all;
}

RunIdentity StructureSelection::identity() const {
  return {{"penalty", "structure selection"},
          {"strength of the penalty", join(strength_)},
          {"momentum of the factors", join(momentum_)}};
}

}  // namespace bonsai
