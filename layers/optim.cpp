#include "layers/optim.h"

#include <cmath>

#include "engine/error.h"
#include "engine/parallel.h"
#include "engine/simd.h"

namespace bonsai {
namespace {

constexpr int64_t grain = 1 << 14;  // elements per chunk

struct SgdFactors {
  Scalar learning_rate, decay, momentum;
  bool nesterov;
};

BONSAI_SIMD void sgd_range(Scalar* w, const Scalar* grad, Scalar* v, int64_t n,
                           const SgdFactors f) {
  // Both kinds of momentum in one loop: w -= lr (a g + b v).
  const Scalar a = f.nesterov ? Scalar{1} : Scalar{0};
  const Scalar b = f.nesterov ? f.momentum : Scalar{1};
  for (int64_t i = 0; i < n; ++i) {
    const Scalar g = grad[i] + f.decay * w[i];
    const Scalar next = f.momentum * v[i] + g;
    v[i] = next;
    w[i] -= f.learning_rate * (a * g + b * next);
  }
}

struct AdamFactors {
  Scalar step_size;        // learning rate / (1 - beta1^t)
  Scalar root_correction;  // 1 / sqrt(1 - beta2^t)
  Scalar decay;            // added to the gradient
  Scalar shrink;           // multiplies the weight first
  Scalar beta1, beta2, eps;
};

BONSAI_SIMD void adam_range(Scalar* w, const Scalar* grad, Scalar* m, Scalar* v, int64_t n,
                            const AdamFactors f) {
  for (int64_t i = 0; i < n; ++i) {
    const Scalar g = grad[i] + f.decay * w[i];
    m[i] = f.beta1 * m[i] + (1 - f.beta1) * g;
    v[i] = f.beta2 * v[i] + (1 - f.beta2) * g * g;
    w[i] = f.shrink * w[i] - f.step_size * m[i] / (std::sqrt(v[i]) * f.root_correction + f.eps);
  }
}

int64_t count(const Parameter& p) { return static_cast<int64_t>(p.value.size()); }

class Sgd : public Optimiser {
 public:
  Sgd(const std::vector<Parameter*>& parameters, const OptimiserOptions& options)
      : Optimiser(parameters, options, {"momentum"}) {}

  float reach(float learning_rate) const override {
    return learning_rate / (1 - options_.momentum);
  }

 private:
  void update(const Update& u) const override {
    Scalar* const w = u.parameter.value.data();
    const Scalar* const g = u.parameter.grad.data();
    Scalar* const v = u.slots[0].data();
    const float factor = is_bias(u.parameter) ? options_.bias_rate : 1;
    const SgdFactors f{u.learning_rate * factor, u.weight_decay / factor, options_.momentum,
                       options_.nesterov};
    parallel_ranges(count(u.parameter), grain, [&](int64_t begin, int64_t end) {
      sgd_range(w + begin, g + begin, v + begin, end - begin, f);
    });
  }
};

class Adam : public Optimiser {
 public:
  Adam(const std::vector<Parameter*>& parameters, const OptimiserOptions& options)
      : Optimiser(parameters, options, {"mean", "square"}) {}

  // As far as any other steady gradient: Adam divides by its size.
  float reach(float learning_rate) const override { return learning_rate; }

 private:
  void update(const Update& u) const override {
    const double t = static_cast<double>(steps());
    const double c1 = 1 - std::pow(static_cast<double>(options_.beta1), t);
    const double c2 = 1 - std::pow(static_cast<double>(options_.beta2), t);
    const bool apart = options_.kind == OptimiserKind::adamw;
    const AdamFactors f{.step_size = static_cast<Scalar>(static_cast<double>(u.learning_rate) / c1),
                        .root_correction = static_cast<Scalar>(1 / std::sqrt(c2)),
                        .decay = apart ? 0 : u.weight_decay,
                        .shrink = apart ? 1 - u.learning_rate * u.weight_decay : 1,
                        .beta1 = options_.beta1,
                        .beta2 = options_.beta2,
                        .eps = options_.eps};
    Scalar* const w = u.parameter.value.data();
    const Scalar* const g = u.parameter.grad.data();
    Scalar *const m = u.slots[0].data(), *const v = u.slots[1].data();
    parallel_ranges(count(u.parameter), grain, [&](int64_t begin, int64_t end) {
      adam_range(w + begin, g + begin, m + begin, v + begin, end - begin, f);
    });
  }
};

void check(const OptimiserOptions& o) {
  auto is_share = [](float x) { return x >= 0 && x < 1; };
  require(is_share(o.momentum), "optimiser: momentum ", o.momentum, " should be in [0, 1)");
  require(is_share(o.beta1) && is_share(o.beta2), "optimiser: betas ", o.beta1, " and ", o.beta2,
          " should be in [0, 1)");
  require(o.eps > 0, "optimiser: eps ", o.eps, " should be above 0");
  require(o.bias_rate > 0 && std::isfinite(o.bias_rate), "optimiser: learning rate of biases ",
          o.bias_rate, " times the others', should be above 0");
  require(o.bias_rate == 1 || o.kind == OptimiserKind::sgd,
          "optimiser: a learning rate of biases of their own is SGD's alone");
  require(o.weight_decay >= 0 && std::isfinite(o.weight_decay), "optimiser: weight decay ",
          o.weight_decay, " should not be negative");
}

}  // namespace

Optimiser::Optimiser(std::vector<Parameter*> parameters, const OptimiserOptions& options,
                     std::vector<std::string> slots)
    : options_(options), slot_names_(std::move(slots)) {
  check(options);
  for (Parameter* p : parameters) {
    if (!p->trainable) continue;
    parameters_.push_back(p);
    std::vector<Tensor>& tensors = slots_.emplace_back();
    for (size_t s = 0; s < slot_names_.size(); ++s) tensors.emplace_back(p->value.shape());
  }
}

bool Optimiser::is_bias(const Parameter& p) {
  return p.name == "bias" || p.name.ends_with(".bias");
}

void Optimiser::step(float learning_rate) {
  ++steps_;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    Parameter& p = *parameters_[i];
    if (!p.grad.defined()) continue;
    require(p.value.shape() == slots_[i][0].shape(), "optimiser: ", p.name, " has become ",
            p.value.shape(), ", was ", slots_[i][0].shape(), ": make a new optimiser");
    const bool decays = options_.decay_norm_and_bias || p.value.rank() > 1;
    update({p, slots_[i], learning_rate, decays ? options_.weight_decay : 0});
  }
}

std::vector<std::pair<std::string, Tensor>> Optimiser::state() const {
  std::vector<std::pair<std::string, Tensor>> all;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    for (size_t s = 0; s < slot_names_.size(); ++s) {
      all.emplace_back(join(parameters_[i]->name, ".", slot_names_[s]), slots_[i][s]);
    }
  }
  return all;
}

std::unique_ptr<Optimiser> make_optimiser(const std::vector<Parameter*>& parameters,
                                          const OptimiserOptions& options) {
  if (options.kind == OptimiserKind::sgd) return std::make_unique<Sgd>(parameters, options);
  return std::make_unique<Adam>(parameters, options);
}

}  // namespace bonsai
