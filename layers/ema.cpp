#include "layers/ema.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/parallel.h"
#include "engine/simd.h"

namespace bonsai {
namespace {

BONSAI_SIMD void move_range(Scalar* average, const Scalar* value, int64_t n, Scalar share) {
  for (int64_t i = 0; i < n; ++i) average[i] += share * (value[i] - average[i]);
}

}  // namespace

void move_towards(const Tensor& average, const Tensor& value, double share) {
  parallel_ranges(static_cast<int64_t>(average.size()), 1 << 14, [&](int64_t begin, int64_t end) {
    move_range(average.data() + begin, value.data() + begin, end - begin,
               static_cast<Scalar>(share));
  });
}

Ema::Ema(std::vector<Parameter*> parameters, float decay)
    : parameters_(std::move(parameters)), decay_(decay) {
  require(decay > 0 && decay < 1, "weight average: decay ", decay, " should be between 0 and 1");
  for (const Parameter* p : parameters_) averages_.push_back(p->value.clone());
}

void Ema::update(int64_t step) {
  const double t = static_cast<double>(step);
  const double decay = std::min(static_cast<double>(decay_), (1 + t) / (10 + t));
  for (size_t i = 0; i < parameters_.size(); ++i) {
    move_towards(averages_[i], parameters_[i]->value, 1 - decay);
  }
}

void Ema::swap() {
  for (size_t i = 0; i < parameters_.size(); ++i) std::swap(parameters_[i]->value, averages_[i]);
}

std::vector<std::pair<std::string, Tensor>> Ema::state() const {
  std::vector<std::pair<std::string, Tensor>> all;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    all.emplace_back(parameters_[i]->name, averages_[i]);
  }
  return all;
}

}  // namespace bonsai
