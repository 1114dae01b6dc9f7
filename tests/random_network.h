// Networks drawn at random from all that graphs are made of: plain, grouped and depthwise
// convolutions with and without bias, batch norms with statistics that do something, residual
// sums, branches, shuffles, pooling, dropout, odd widths.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "engine/graph.h"
#include "layers/basic.h"

namespace bonsai {

inline Tensor random_tensor(Shape shape, uint64_t seed) {
  Tensor t = Tensor::uninitialized(std::move(shape));
  Random random(seed, Purpose::test, 1);
  for (size_t i = 0; i < t.size(); ++i) t[i] = random.normal();
  return t;
}

// Statistics as after training: without them a batch norm in inference does nearly nothing.
inline void randomize_norms(Layer& layer, uint64_t seed) {
  Random random(seed, Purpose::test, 2);
  for (Parameter* p : layer.parameters()) {
    const bool variance = p->name.ends_with("running_var");
    if (p->value.rank() != 1) continue;
    for (size_t i = 0; i < p->value.size(); ++i) {
      p->value[i] = variance ? random.uniform(0.2F, 3.0F) : random.normal();
    }
  }
}

class RandomNetwork : public Module {
 public:
  explicit RandomNetwork(uint64_t seed) : random_(seed, Purpose::test) {
    convolve(random_.between(5, 11), 3, 1);
    const int blocks = random_.between(2, 5);
    for (int i = 0; i < blocks; ++i) add_block();
    if (random_.chance(0.5F)) {
      step(global_average_pool);
      dense(channels_, random_.between(3, 9));
    } else {
      step([](Var x) { return flatten(max_pool(x, {.kernel = 4, .stride = 4})); });
      dense(channels_ * size_ / 4 * (size_ / 4), random_.between(3, 9));
    }
    randomize_norms(*this, seed);
  }

  static Shape input(int batch = 1) { return {batch, 8, 8, 3}; }

  Var forward(Var x) override {
    for (const auto& f : steps_) x = f(x);
    return x;
  }

 private:
  using Step = std::function<Var(Var)>;
  void step(Step f) { steps_.push_back(std::move(f)); }
  std::string next() { return "layer" + std::to_string(count_++); }

  Step activation() {
    switch (random_.below(5)) {
      case 0:
        return relu;
      case 1:
        return relu6;
      case 2:
        return [](Var x) { return leaky_relu(x, 0.1F); };
      case 3:
        return hard_swish;
      default:
        return [](Var x) { return x; };
    }
  }

  // Convolution, mostly a batch norm, an activation.
  Step convolution(int in, int out, int kernel, int groups) {
    auto& conv = child<Conv2d>(
        next(), in, out, kernel,
        ConvOptions{.padding = kernel / 2, .groups = groups, .bias = random_.chance(0.5F)},
        random_);
    BatchNorm* norm = random_.chance(0.8F) ? &child<BatchNorm>(next(), out) : nullptr;
    return [&conv, norm, f = activation()](Var x) {
      x = conv.forward(x);
      return f(norm != nullptr ? norm->forward(x) : x);
    };
  }

  void convolve(int out, int kernel, int groups) {
    step(convolution(channels_, out, kernel, groups));
    channels_ = out;
  }

  void add_block() {
    switch (random_.below(6)) {
      case 0:  // residual
        step([a = convolution(channels_, channels_, 3, 1)](Var x) { return relu(add(a(x), x)); });
        break;
      case 1:  // depthwise, then pointwise
        convolve(channels_, 3, channels_);
        convolve(random_.between(4, 12), 1, 1);
        break;
      case 2: {  // branches, shuffled
        const int half = random_.between(3, 6);
        step([a = convolution(channels_, half, 3, 1), b = convolution(channels_, half, 1, 1),
              order = permutation(2 * half, Random(7, Purpose::test))](Var x) {
          return select(concat({a(x), b(x)}), order);
        });
        channels_ = 2 * half;
        break;
      }
      case 3:  // grouped
        convolve(6, 3, 1);
        convolve(9, 3, 3);
        break;
      case 4:  // a norm that nothing feeds alone
        step([&norm = child<BatchNorm>(next(), channels_)](Var x) {
          return add(x, norm.forward(x));
        });
        break;
      default:
        step([](Var x) {
          return dropout(average_pool(x, {.kernel = 3, .stride = 1, .padding = 1}), 0.2F);
        });
    }
  }

  void dense(int in, int out) {
    step([&a = child<Linear>(next(), in, 7, random_, random_.chance(0.5F)),
          &norm = child<BatchNorm>(next(), 7), f = activation(),
          &b = child<Linear>(next(), 7, out, random_)](Var x) {
      return b.forward(dropout(f(norm.forward(a.forward(x))), 0.5F));
    });
  }

  Random random_;
  int channels_ = 3, size_ = 8, count_ = 0;
  std::vector<Step> steps_;
};

}  // namespace bonsai
