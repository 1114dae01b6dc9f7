// Constants that removed channels leave: the pruned network must compute what the whole one
// computes when these channels stand still.
#include "compress/fold_constants.h"

#include <algorithm>

#include "compress/prune.h"
#include "compress/sites.h"
#include "tests/catch.h"
#include "tests/networks.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

Graph pruned_with_constants(const FoldedConstants& folded, const std::set<int>& gone) {
  return prune(folded.graph, couple(folded.graph), gone);
}

// What the producer's channel holds: its batch norm's running mean, or its bias.
Scalar held_value(const Graph& graph, const Producer& producer, const Site& site, size_t channel) {
  const Node& node = graph.nodes[static_cast<size_t>(producer.node)];
  const int value = site.norm >= 0 ? graph.nodes[static_cast<size_t>(site.norm)].in[3] : node.in[2];
  return graph.values[static_cast<size_t>(value)].parameter->value[channel];
}

// The whole network's result while the filters of these units stand still.
Tensor held_output(Graph& graph, const Coupling& coupling, const std::set<int>& gone,
                   const Tensor& x) {
  Tape tape(Mode::inference);
  const std::vector<Site> all = sites(graph, coupling);
  const auto hold = [&](int value, Var result) {
    Tensor y = result.value().clone();
    const size_t width = static_cast<size_t>(y.dim(-1));
    for (size_t p = 0; p < all.size(); ++p) {
      const Producer& producer = coupling.producers[p];
      if (producer.output.value != value) continue;
      for (const int u : gone) {
        for (const Channel& channel : coupling.units[static_cast<size_t>(u)].channels) {
          if (channel.axis != producer.output) continue;
          const size_t c = static_cast<size_t>(channel.index);
          for (size_t i = c; i < y.size(); i += width)
            y[i] = held_value(graph, producer, all[p], c);
        }
      }
    }
    return tape.constant(y);
  };
  return replay(graph, tape.constant(x), hold)[static_cast<size_t>(graph.output)].value().clone();
}

// A convolution with batch norm and relu, one that reads it, and a head.
struct Pair {
  Pair(int kernel, int padding, bool norm) : network("pair", {1, 6, 6, 3}, 2) {
    Layer& a = network.block("a", 3, 6, 3, {.padding = 1});
    Layer* b =
        norm ? static_cast<Layer*>(&network.block("b", 6, 4, kernel, {.padding = padding}))
             : &network.add<Conv2d>("b", 6, 4, kernel,
                                    ConvOptions{.padding = padding, .bias = false}, network.init);
    Layer& head = network.head(4);
    network.run = [&a, b, &head](Var x) {
      return head.forward(global_average_pool(b->forward(a.forward(x))));
    };
    graph = traced(network);
    // Two dead filters, whose channels are constants other than 0.
    const Tensor w = graph.find("a.conv.weight")->value, beta = graph.find("a.bn.bias")->value;
    const size_t length = w.size() / 6;
    for (const size_t f : {size_t{1}, size_t{4}}) {
      std::fill_n(w.data() + f * length, length, Scalar{0});
      beta[f] = 2;
    }
    coupling = couple(graph);
    dead = {coupling.groups[0].units[1], coupling.groups[0].units[4]};
  }

  Network network;
  Graph graph;
  Coupling coupling;
  std::set<int> dead;
};

}  // namespace

TEST_CASE("a dead filter's constant is kept exactly where no border is padded") {
  for (const bool norm : {false, true}) {
    for (const int kernel : {1, 3}) {
      INFO("kernel " << kernel << ", batch norm behind the reader: " << norm);
      Pair pair(kernel, 0, norm);
      const Tensor x = random_pictures(pair.graph, 4, 5), wanted = output(pair.graph, x);
      const FoldedConstants folded = fold_constants(pair.graph, pair.coupling, pair.dead);
      Graph small = pruned_with_constants(folded, pair.dead),
            bare = prune(pair.graph, pair.coupling, pair.dead);
      CHECK(folded.border_error == 0);
      CHECK(folded.largest > 0.1);
      CHECK(max_abs_difference(output(small, x), wanted) <= 1e-5);
      CHECK(max_abs_difference(output(bare, x), wanted) > 1e-2);
    }
  }
}

TEST_CASE("with padding the inside of the map is exact and the border's error is told") {
  Pair pair(3, 1, false);
  const Tensor x = random_pictures(pair.graph, 2, 6);
  const FoldedConstants folded = fold_constants(pair.graph, pair.coupling, pair.dead);
  Graph small = pruned_with_constants(folded, pair.dead);
  const int value = pair.coupling.producers[1].output.value;
  REQUIRE(pair.coupling.producers.size() == 3);
  const Tensor before = taps(pair.graph, x, std::vector{value})[0],
               after = taps(small, x, std::vector{value})[0];
  double inside = 0, border = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    const size_t row = i / (6 * 4) % 6, column = i / 4 % 6;
    const double off = std::abs(double{before[i]} - double{after[i]});
    const bool at_border = row % 5 == 0 || column % 5 == 0;
    (at_border ? border : inside) = std::max(at_border ? border : inside, off);
  }
  CHECK(inside <= 1e-5);
  CHECK(border > 1e-2);
  CHECK(folded.border_error == Approx(border).epsilon(1e-4));
}

TEST_CASE("a live channel stands still at what batch norm makes of its mean, or at its bias") {
  for (const NetworkPtr& network : {chain(), flattened(), biased(), split()}) {
    Graph graph = traced(*network);
    const Coupling coupling = couple(graph);
    const Tensor x = random_pictures(graph, 4, 7);
    for (uint64_t seed = 0; seed < 6; ++seed) {
      INFO(network->name << ", seed " << seed);
      const std::set<int> gone = random_units(coupling, seed);
      if (gone.empty()) continue;
      const FoldedConstants folded = fold_constants(graph, coupling, gone);
      Graph small = pruned_with_constants(folded, gone), bare = prune(graph, coupling, gone);
      const Tensor wanted = held_output(graph, coupling, gone, x);
      CHECK(folded.border_error <= 1e-6);
      CHECK(max_abs_difference(output(small, x), wanted) <= 2e-5);
      CHECK(max_abs_difference(output(bare, x), wanted) > 1e-4);
    }
  }
}

TEST_CASE("constants are folded in every kind of network, and nothing folds to nothing") {
  for (const NetworkPtr& network : networks()) {
    INFO(network->name);
    Graph graph = traced(*network);
    const Coupling coupling = couple(graph);
    const std::set<int> gone = random_units(coupling, 3);
    if (network->name == "transposed") {  // a constant comes out of it as a pattern
      CHECK(contains(complaint([&] { fold_constants(graph, coupling, gone); }),
                     "up is a conv_transpose2d"));
      continue;
    }
    Graph small = pruned_with_constants(fold_constants(graph, coupling, gone), gone);
    CHECK(output(small, random_pictures(graph, 2, 8)).shape() == Shape{2, 5});
    FoldedConstants same = fold_constants(graph, coupling, {});
    CHECK(same.largest == 0);
    const Tensor x = random_pictures(graph, 2, 9);
    CHECK(max_abs_difference(output(same.graph, x), output(graph, x)) == 0);
  }
}

TEST_CASE("a layer that is applied twice cannot take over constants") {
  Network network("shared", {1, 4, 4, 3}, 1);
  Layer& a = network.block("a", 3, 4, 1, {});
  Layer& b = network.add<Conv2d>("b", 4, 4, 1, ConvOptions{}, network.init);
  Layer& head = network.head(4);
  network.run = [&](Var x) {
    return head.forward(global_average_pool(b.forward(relu(b.forward(a.forward(x))))));
  };
  const Graph graph = traced(network);
  CHECK(contains(complaint([&] { fold_constants(graph, couple(graph), {0}); }),
                 "b.bias is used more than once"));
}
