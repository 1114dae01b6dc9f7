#include "layers/lookahead.h"

#include <cmath>

#include "engine/error.h"
#include "layers/ema.h"

namespace bonsai {

Lookahead::Lookahead(std::vector<Parameter*> parameters, int every)
    : parameters_(std::move(parameters)), every_(every) {
  require(every >= 1, "lookahead: every ", every, " steps, should be at least 1");
  for (const Parameter* p : parameters_) slow_.push_back(p->value.clone());
}

void Lookahead::update(int64_t step, int64_t total) {
  const int64_t done = step + 1;
  const bool pulls = done % every_ == 0;
  if (!pulls && done < total) return;
  const double progress = static_cast<double>(done) / static_cast<double>(total);
  const double decay = std::pow(0.95, every_) * std::pow(progress, 3);
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (pulls) move_towards(slow_[i], parameters_[i]->value, 1 - decay);
    parameters_[i]->value.copy_from(slow_[i]);
  }
}

std::vector<std::pair<std::string, Tensor>> Lookahead::state() const {
  std::vector<std::pair<std::string, Tensor>> all;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    all.emplace_back(parameters_[i]->name, slow_[i]);
  }
  return all;
}

}  // namespace bonsai
