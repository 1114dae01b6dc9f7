// Small networks that hold every way in which channels are tied, one or two each, for the tests of
// compression. Weights, biases and all four numbers of batch norm are random, so that no mistake
// hides behind a zero.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "compress/remover.h"
#include "engine/error.h"
#include "engine/graph.h"
#include "layers/basic.h"

namespace bonsai::testing {

class Network : public Module {
 public:
  Network(std::string name_, Shape input_, int groups_)
      : name(std::move(name_)), input(std::move(input_)), groups(groups_) {}

  template <class L, class... Args>
  L& add(const std::string& layer, Args&&... args) {
    return child<L>(layer, std::forward<Args>(args)...);
  }
  ConvBnRelu& block(const std::string& layer, int in, int out, int kernel, ConvOptions options) {
    return add<ConvBnRelu>(layer, in, out, kernel, options, init);
  }
  Linear& head(int in) { return add<Linear>("head", in, 5, init); }
  Var forward(Var x) override { return run(x); }

  std::string name;
  Shape input;
  int groups;  // that couple should find
  std::function<Var(Var)> run;
  Random init{11, Purpose::test};
};
using NetworkPtr = std::unique_ptr<Network>;

inline NetworkPtr chain() {
  auto n = std::make_unique<Network>("chain", Shape{1, 6, 6, 3}, 2);
  Layer& a = n->block("a", 3, 8, 3, {.padding = 1});
  Layer& b = n->block("b", 8, 6, 3, {.stride = 2});
  Layer& head = n->head(6);
  n->run = [&](Var x) {
    return head.forward(global_average_pool(b.forward(max_pool(a.forward(x)))));
  };
  return n;
}

// The map that is flattened is 2 high and 3 wide.
inline NetworkPtr flattened() {
  auto n = std::make_unique<Network>("flattened", Shape{1, 4, 6, 2}, 2);
  Layer& a = n->block("a", 2, 5, 3, {.padding = 1});
  Layer& hidden = n->add<Linear>("hidden", 30, 7, n->init);
  Layer& norm = n->add<BatchNorm>("norm", 7);
  Layer& head = n->head(7);
  n->run = [&](Var x) {
    const Var h = hidden.forward(flatten(average_pool(a.forward(x))));
    return head.forward(relu(norm.forward(h)));
  };
  return n;
}

// Convolutions with a bias and without batch norm; a leaky activation, and dilation.
inline NetworkPtr biased() {
  auto n = std::make_unique<Network>("biased", Shape{1, 7, 5, 3}, 2);
  Layer& a = n->add<Conv2d>("a", 3, 6, 3, ConvOptions{.padding = 2, .dilation = 2}, n->init);
  Layer& b = n->add<Conv2d>("b", 6, 4, 1, ConvOptions{}, n->init);
  Layer& head = n->head(4);
  n->run = [&](Var x) {
    const Var y = hard_swish(b.forward(leaky_relu(a.forward(x))));
    return head.forward(global_average_pool(y));
  };
  return n;
}

// Two blocks on one stage: the stem and both second convolutions share their channels.
inline NetworkPtr residual() {
  auto n = std::make_unique<Network>("residual", Shape{1, 5, 5, 3}, 3);
  Layer& stem = n->block("stem", 3, 6, 3, {.padding = 1});
  std::vector<std::pair<Layer*, Layer*>> blocks;
  for (const std::string name : {"block1", "block2"}) {
    Layer& a = n->block(name + ".a", 6, 4, 3, {.padding = 1});
    Layer& b = n->add<Conv2d>(name + ".b", 4, 6, 3, ConvOptions{.padding = 1}, n->init);
    blocks.emplace_back(&a, &b);
  }
  Layer& head = n->head(6);
  n->run = [&, blocks](Var x) {
    Var y = stem.forward(x);
    for (const auto& [a, b] : blocks) y = relu(add(y, b->forward(a->forward(y))));
    return head.forward(global_average_pool(y));
  };
  return n;
}

// The shortcut is a strided 1x1 convolution, so the two stages are tied within, not to each other.
inline NetworkPtr projection() {
  auto n = std::make_unique<Network>("projection", Shape{1, 6, 6, 3}, 3);
  Layer& stem = n->block("stem", 3, 4, 3, {.padding = 1});
  Layer& a = n->block("a", 4, 5, 3, {.stride = 2, .padding = 1});
  Layer& b = n->add<Conv2d>("b", 5, 8, 3, ConvOptions{.padding = 1}, n->init);
  Layer& shortcut = n->add<Conv2d>("shortcut", 4, 8, 1, ConvOptions{.stride = 2}, n->init);
  Layer& norm = n->add<BatchNorm>("norm", 8);
  Layer& head = n->head(8);
  n->run = [&](Var x) {
    const Var y = stem.forward(x);
    const Var sum = add(norm.forward(b.forward(a.forward(y))), shortcut.forward(y));
    return head.forward(global_average_pool(relu(sum)));
  };
  return n;
}

// The shortcut skips pixels and appends channels of zeros, twice: the first channels of all three
// stages are tied, the next ones those of the last two.
inline NetworkPtr padded() {
  auto n = std::make_unique<Network>("padded", Shape{1, 7, 6, 3}, 3);
  Layer& stem = n->block("stem", 3, 4, 3, {.padding = 1});
  std::vector<std::pair<Layer*, Layer*>> blocks;
  for (const int width : {4, 6}) {
    const std::string name = "block" + std::to_string(width);
    Layer& a = n->block(name + ".a", width, 3, 3, {.stride = 2, .padding = 1});
    Layer& b = n->add<Conv2d>(name + ".b", 3, width + 2, 3, ConvOptions{.padding = 1}, n->init);
    blocks.emplace_back(&a, &b);
  }
  Layer& head = n->head(8);
  n->run = [&, blocks](Var x) {
    Var y = stem.forward(x);
    for (const auto& [a, b] : blocks) {
      const Var shortcut = pad_channels(average_pool(y, {.kernel = 1, .stride = 2}), 2);
      y = relu(add(shortcut, b->forward(a->forward(y))));
    }
    return head.forward(global_average_pool(y));
  };
  return n;
}

// A depthwise convolution of one filter per channel, and one of two.
inline NetworkPtr depthwise() {
  auto n = std::make_unique<Network>("depthwise", Shape{1, 6, 6, 3}, 2);
  Layer& a = n->block("a", 3, 6, 1, {});
  Layer& deep = n->block("deep", 6, 6, 3, {.padding = 1, .groups = 6});
  Layer& b = n->block("b", 6, 4, 1, {});
  Layer& twice = n->block("twice", 4, 8, 3, {.padding = 1, .groups = 4});
  Layer& head = n->head(8);
  n->run = [&](Var x) {
    const Var y = twice.forward(b.forward(deep.forward(a.forward(x))));
    return head.forward(global_average_pool(y));
  };
  return n;
}

// ShuffleNet's unit: grouped 1x1, shuffle, depthwise, grouped 1x1, added to its input.
inline NetworkPtr shuffled() {
  auto n = std::make_unique<Network>("shuffled", Shape{1, 4, 4, 3}, 2);
  Layer& stem = n->block("stem", 3, 12, 1, {});
  Layer& a = n->block("a", 12, 9, 1, {.groups = 3});
  Layer& deep = n->block("deep", 9, 9, 3, {.padding = 1, .groups = 9});
  Layer& b = n->add<Conv2d>("b", 9, 12, 1, ConvOptions{.groups = 3}, n->init);
  Layer& head = n->head(12);
  n->run = [&](Var x) {
    const Var y = stem.forward(x);
    const Var inner = deep.forward(channel_shuffle(a.forward(y), 3));
    return head.forward(global_average_pool(relu(add(y, b.forward(inner)))));
  };
  return n;
}

// A dense block: every layer reads the concatenation of all before it. Then a split in two halves
// that are added, which ties channels from different layers.
inline NetworkPtr dense() {
  auto n = std::make_unique<Network>("dense", Shape{1, 4, 4, 3}, 3);
  Layer& stem = n->block("stem", 3, 4, 3, {.padding = 1});
  Layer& a = n->block("a", 4, 3, 3, {.padding = 1});
  Layer& norm = n->add<BatchNorm>("norm", 7);
  Layer& b = n->add<Conv2d>("b", 7, 5, 3, ConvOptions{.padding = 1}, n->init);
  Layer& head = n->head(12);
  n->run = [&](Var x) {
    const Var one = stem.forward(x);
    const Var two = concat({one, a.forward(one)});
    const Var three = concat({two, b.forward(relu(norm.forward(two)))});
    return head.forward(global_average_pool(three));
  };
  return n;
}

inline NetworkPtr split() {
  auto n = std::make_unique<Network>("split", Shape{1, 4, 4, 3}, 1);
  Layer& stem = n->block("stem", 3, 8, 3, {.padding = 1});
  Layer& head = n->head(4);
  n->run = [&](Var x) {
    const Var y = stem.forward(x);
    const Var sum = add(select(y, {0, 1, 2, 3}), select(y, {7, 6, 5, 4}));
    return head.forward(global_average_pool(sum));
  };
  return n;
}

inline NetworkPtr squeeze_excite() {
  auto n = std::make_unique<Network>("squeeze_excite", Shape{1, 4, 4, 3}, 2);
  Layer& stem = n->block("stem", 3, 6, 3, {.padding = 1});
  Layer& gate = n->add<SqueezeExcite>("gate", 6, 4, n->init);
  Layer& head = n->head(6);
  n->run = [&](Var x) { return head.forward(global_average_pool(gate.forward(stem.forward(x)))); };
  return n;
}

// Transposed convolutions: plain with a batch norm, one filter per channel, grouped.
inline NetworkPtr transposed() {
  auto n = std::make_unique<Network>("transposed", Shape{1, 3, 4, 3}, 3);
  using Options = ConvTransposeOptions;
  Layer& a = n->block("a", 3, 6, 3, {.padding = 1});
  Layer& up = n->add<ConvTranspose2d>(
      "up", 6, 8, 3, Options{.stride = 2, .padding = 1, .output_padding = 1, .bias = false},
      n->init);
  Layer& norm = n->add<BatchNorm>("norm", 8);
  Layer& deep =
      n->add<ConvTranspose2d>("deep", 8, 8, 3, Options{.padding = 1, .groups = 8}, n->init);
  Layer& grouped =
      n->add<ConvTranspose2d>("grouped", 8, 10, 2, Options{.dilation = 2, .groups = 2}, n->init);
  Layer& head = n->head(10);
  n->run = [&](Var x) {
    const Var y = deep.forward(relu(norm.forward(up.forward(a.forward(x)))));
    return head.forward(global_average_pool(relu(grouped.forward(y))));
  };
  return n;
}

// Four channels become a pixel each, then each becomes four channels again.
inline NetworkPtr rearranged() {
  auto n = std::make_unique<Network>("rearranged", Shape{1, 3, 4, 3}, 3);
  Layer& a = n->block("a", 3, 16, 3, {.padding = 1});
  Layer& b = n->block("b", 4, 5, 3, {.padding = 1});
  Layer& c = n->block("c", 20, 6, 1, {});
  Layer& head = n->head(6);
  n->run = [&](Var x) {
    const Var fine = b.forward(pixel_shuffle(a.forward(x), 2));
    return head.forward(global_average_pool(c.forward(pixel_unshuffle(fine, 2))));
  };
  return n;
}

inline std::vector<NetworkPtr> networks() {
  std::vector<NetworkPtr> all;
  for (const auto make : {chain, flattened, biased, residual, projection, padded, depthwise,
                          shuffled, dense, split, squeeze_excite, transposed, rearranged}) {
    all.push_back(make());
  }
  return all;
}

// Random numbers everywhere; what is called a variance is positive.
inline void randomize(Layer& layer, uint64_t seed) {
  Random random(seed, Purpose::test);
  for (Parameter* p : layer.parameters()) {
    const bool variance = p->name.ends_with("running_var");
    const float scale = p->value.rank() > 1 ? 0.4F : 0.7F;
    for (size_t i = 0; i < p->value.size(); ++i) {
      p->value[i] = variance ? random.uniform(0.5F, 2.0F) : scale * random.normal();
    }
  }
}

// Filters ten times as large, and statistics to match: batch norm makes the same of them.
inline void scale_before_norm(Graph& graph, const std::string& block) {
  const Tensor w = graph.find(block + ".conv.weight")->value,
               mean = graph.find(block + ".bn.running_mean")->value,
               var = graph.find(block + ".bn.running_var")->value;
  for (size_t i = 0; i < w.size(); ++i) w[i] *= 10;
  for (size_t c = 0; c < mean.size(); ++c) {
    mean[c] *= 10;
    var[c] = 100 * var[c] + 99 * 1e-5F;
  }
}

inline Graph traced(Network& network, uint64_t seed = 1) {
  randomize(network, seed);
  return trace(network, network.input);
}

inline Tensor random_pictures(const Graph& graph, int count, uint64_t seed) {
  Shape shape = graph.input_shape();
  shape[0] = count;
  Tensor x(shape);
  Random random(seed, Purpose::test, 1);
  for (size_t i = 0; i < x.size(); ++i) x[i] = random.normal();
  return x;
}

inline Tensor output(Graph& graph, const Tensor& x, Mode mode = Mode::inference) {
  Tape tape(mode);
  return graph.forward(tape.constant(x)).value().clone();
}

// What f complains of; empty when it does not.
template <class F>
std::string complaint(const F& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Random units, about half of all, that can go together; every group keeps `floor`.
inline std::set<int> random_units(const Coupling& coupling, uint64_t seed, int floor = 1) {
  Random random(seed, Purpose::test, 2);
  Scores scores(coupling.units.size());
  for (double& score : scores) score = random.uniform();
  Remover remover(coupling, scores);
  remover.set_floors(std::vector<int>(coupling.groups.size(), floor));
  for (const int u : permutation(static_cast<int>(scores.size()), random)) {
    if (!remover.is_gone(u) && random.chance(0.5F)) remover.remove(u);
  }
  return remover.gone();
}

}  // namespace bonsai::testing
