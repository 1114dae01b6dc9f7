// The losses of a training that curves.py repeats in PyTorch, from the same weights on the same
// batches:  bonsai_loss_curve NET STEPS  prints one loss per line. Weights and pictures are made by
// the formula of tests/training_step.h; batch norms begin as the identity, biases at 0.
// Pictures of class k are noise on template k. SGD with Nesterov's momentum 0.9, rate 0.002, decay
// 5e-4, label smoothing 0.1, batch 32.
#include <exception>
#include <iomanip>
#include <iostream>
#include <string>

#include "layers/step.h"
#include "tests/training_step.h"
#include "zoo/zoo.h"

using namespace bonsai;

namespace {

constexpr int batch_size = 32, size = 32, classes = 10;
constexpr uint64_t templates = 5000, labels = 6000, noise = 100000;  // streams

void set_weights(Layer& net) {
  testing::set_known_weights(net);
  for (Parameter* p : net.parameters()) {
    if (p->trainable && p->value.rank() == 1) p->value.fill(p->name.ends_with("bias") ? 0 : 1);
  }
}

Batch batch_of(int step) {
  Batch batch{Tensor::uninitialized({batch_size, size, size, 3}),
              Tensor::uninitialized({batch_size})};
  const size_t picture = batch.images.size() / batch_size;
  const auto number = static_cast<uint64_t>(step);
  for (size_t n = 0; n < batch_size; ++n) {
    const double chance = double{testing::known_number(labels + number, n)};
    const auto label = static_cast<uint64_t>((chance + 1) / 2 * classes);
    batch.labels[n] = static_cast<Scalar>(label);
    for (size_t i = 0; i < picture; ++i) {
      batch.images[n * picture + i] = testing::known_number(templates + label, i) / 4 +
                                      testing::known_number(noise + number, n * picture + i);
    }
  }
  return batch;
}

void print_losses(const std::string& name, int steps) {
  const auto net = zoo::make(name);
  set_weights(*net);
  const auto optimiser = make_optimiser(net->parameters());
  std::cout << std::setprecision(9);
  for (int step = 0; step < steps; ++step) {
    const StepResult result =
        train_step(*net, *optimiser, batch_of(step),
                   {.learning_rate = 0.002F, .label_smoothing = 0.1F, .step = step});
    std::cout << result.loss << '\n';
  }
}

}  // namespace

int main(int argc, char** argv) try {
  require(argc == 3, "usage: bonsai_loss_curve NET STEPS");
  print_losses(argv[1], std::stoi(argv[2]));
} catch (const std::exception& error) {
  std::cerr << "bonsai_loss_curve: " << error.what() << '\n';
  return 1;
}
