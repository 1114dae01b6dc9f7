// Training on pictures whose truth is a picture: a few hundred steps of Adam at a rate that falls
// to zero.
#pragma once

#include <algorithm>
#include <functional>
#include <vector>

#include "engine/ops.h"
#include "engine/random.h"
#include "layers/optim.h"

namespace bonsai::testing {

// Entries of the first axis.
inline Tensor picked(const Tensor& all, const std::vector<int>& which) {
  Shape shape = all.shape();
  const size_t size = all.size() / static_cast<size_t>(shape[0]);
  shape[0] = static_cast<int>(which.size());
  Tensor result = Tensor::uninitialized(shape);
  Scalar* to = result.data();
  for (const int i : which) to = std::copy_n(all.data() + static_cast<size_t>(i) * size, size, to);
  return result;
}

struct PictureTraining {
  int steps = 300, batch = 32;
  float learning_rate = 3e-3F;
};

using Loss = std::function<Var(Var result, Var truth)>;

inline void train_on_pictures(Layer& net, const Tensor& pictures, const Tensor& truths,
                              const Loss& loss, const PictureTraining& options) {
  const std::vector<Parameter*> parameters = net.parameters();
  const auto optimiser =
      make_optimiser(parameters, {.kind = OptimiserKind::adam, .weight_decay = 0});
  for (int step = 0; step < options.steps; ++step) {
    Random random(1, Purpose::shuffle, static_cast<uint64_t>(step));
    std::vector<int> which;
    for (int i = 0; i < options.batch; ++i) which.push_back(random.between(0, pictures.dim(0) - 1));
    Tape tape(Mode::training);
    const Var result = net.forward(tape.constant(picked(pictures, which)));
    tape.backward(loss(result, tape.constant(picked(truths, which))));
    const float left = 1 - static_cast<float>(step) / static_cast<float>(options.steps);
    optimiser->step(options.learning_rate * left);
    clear_gradients(parameters);
  }
}

inline Tensor predicted(Layer& net, const Tensor& pictures) {
  Tape tape(Mode::inference);
  return net.forward(tape.constant(pictures)).value().clone();
}

}  // namespace bonsai::testing
