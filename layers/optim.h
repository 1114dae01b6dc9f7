// Optimisers: what a step does with the gradients. One pass over each parameter reads the
// gradient, moves the state and writes the parameter.
//   SGD:   g += wd w;  v = m v + g;  w -= lr (v, or g + m v with Nesterov's momentum)
//   Adam:  g += wd w;  Kingma and Ba 2014, arXiv:1412.6980, with bias correction
//   AdamW: w -= lr wd w apart from the gradient; Loshchilov and Hutter 2017, arXiv:1711.05101
// Formulas and defaults are PyTorch's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/tape.h"

namespace bonsai {

enum class OptimiserKind { sgd, adam, adamw };

struct OptimiserOptions {
  OptimiserKind kind = OptimiserKind::sgd;
  float momentum = 0.9F;
  bool nesterov = true;
  float bias_rate = 1;  // SGD alone: learning rate of biases in multiples of the others', which
                        // they profit from in short trainings; decay per step stays as it is
  float beta1 = 0.9F, beta2 = 0.999F, eps = 1e-8F;  // Adam
  float weight_decay = 5e-4F;
  bool decay_norm_and_bias = true;  // false: tensors with a single axis keep their size
};

class Optimiser {
 public:
  virtual ~Optimiser() = default;
  Optimiser(const Optimiser&) = delete;
  Optimiser& operator=(const Optimiser&) = delete;

  // Moves every trainable parameter that has a gradient. Gradients stay as they are.
  void step(float learning_rate);

  // What has to be kept for the next step besides `steps`: tensors named
  // "<parameter>.momentum" and so on, sharing memory with the optimiser's.
  std::vector<std::pair<std::string, Tensor>> state() const;

  // How far a gradient that stays 1 moves a weight per step, once momentum has built up.
  virtual float reach(float learning_rate) const = 0;

  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }

 protected:
  // `slots`: the names of the tensors kept per parameter.
  Optimiser(std::vector<Parameter*> parameters, const OptimiserOptions& options,
            std::vector<std::string> slots);

  struct Update {
    Parameter& parameter;
    std::vector<Tensor>& slots;
    float learning_rate, weight_decay;
  };
  virtual void update(const Update& u) const = 0;

  static bool is_bias(const Parameter& p);  // by its name, "bias" or "<path>.bias"

  const OptimiserOptions options_;

 private:
  std::vector<Parameter*> parameters_;  // the trainable ones
  std::vector<std::string> slot_names_;
  std::vector<std::vector<Tensor>> slots_;  // per parameter
  int64_t steps_ = 0;
};

// The parameters must outlive the optimiser and keep their shapes.
std::unique_ptr<Optimiser> make_optimiser(const std::vector<Parameter*>& parameters,
                                          const OptimiserOptions& options = {});

}  // namespace bonsai
