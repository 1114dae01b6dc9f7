// Decomposition of convolutions: exact with all of the rank, no worse with more of it, kept only
// where a clock says so, and solved for so that the network answers as it did.
#include "compress/decompose.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "compress/couple.h"
#include "compress/effective_rank.h"
#include "compress/prune.h"
#include "compress/split_layer.h"
#include "engine/cost.h"
#include "tests/calibration.h"
#include "tests/catch.h"
#include "tests/compare_graphs.h"
#include "tests/networks.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

constexpr int every_position = 1 << 20;

int node_of(const Graph& graph, const std::string& name) {
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    if (graph.node_name(n) == name) return static_cast<int>(n);
  }
  FAIL("no node " << name);
  return -1;
}

Tensor weights_of(const Graph& graph, int node) {
  const int w = graph.nodes[static_cast<size_t>(node)].in[1];
  return graph.values[static_cast<size_t>(w)].parameter->value;
}

// Of standard normal responses: any will do where nothing is left out.
std::vector<double> some_covariance(int n) {
  std::vector<double> covariance(static_cast<size_t>(n * n));
  Random random(5, Purpose::test);
  std::vector<double> root(covariance.size());
  for (double& r : root) r = random.normal();
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) {
      for (int k = 0; k < n; ++k) {
        covariance[static_cast<size_t>(i * n + j)] +=
            root[static_cast<size_t>(i * n + k)] * root[static_cast<size_t>(j * n + k)];
      }
    }
  }
  return covariance;
}

// A clock that counts multiply-accumulates.
std::vector<double> counted(std::span<const Graph* const> graphs) {
  std::vector<double> ms;
  for (const Graph* graph : graphs) ms.push_back(static_cast<double>(total_cost(*graph).macs));
  return ms;
}

// One by which splitting never pays.
std::vector<double> one_is_best(std::span<const Graph* const> graphs) {
  std::vector<double> ms;
  for (const Graph* graph : graphs) ms.push_back(static_cast<double>(graph->nodes.size()));
  return ms;
}

DecomposeOptions options_with(std::vector<double> (*timer)(std::span<const Graph* const>)) {
  DecomposeOptions options{.part = 0.6, .positions = every_position};
  options.timer = timer;
  return options;
}

// 3 x 3 layers as wide as it takes for a split to save work.
NetworkPtr wide() {
  auto n = std::make_unique<Network>("wide", Shape{1, 5, 6, 3}, 3);
  Layer& a = n->block("a", 3, 10, 3, {.padding = 1});
  Layer& b = n->block("b", 10, 12, 3, {.padding = 1});
  Layer& c = n->add<Conv2d>("c", 12, 8, 3, ConvOptions{.stride = 2}, n->init);
  Layer& head = n->head(8);
  n->run = [&](Var x) {
    return head.forward(global_average_pool(relu(c.forward(b.forward(a.forward(x))))));
  };
  return n;
}

}  // namespace

TEST_CASE("a convolution split with all of its rank computes the same, whatever its padding") {
  struct Case {
    NetworkPtr network;
    std::string layer;
  };
  std::vector<Case> cases;
  cases.push_back({chain(), "a.conv"});  // padding 1
  cases.push_back({biased(), "a"});      // padding and dilation 2, a bias
  cases.push_back({residual(), "block1.b"});
  for (const Case& c : cases) {
    INFO(c.layer);
    Graph graph = traced(*c.network);
    const int node = node_of(graph, c.layer);
    const Tensor w = weights_of(graph, node), x = random_pictures(graph, 3, 2);
    const Tensor expected = output(graph, x);
    Graph split = graph;
    split_spatially(split, node, spatial_factors(w, full_spatial_rank(w.shape())));
    CHECK(split.nodes.size() == graph.nodes.size() + 1);
    CHECK(split.node_name(static_cast<size_t>(node)) == c.layer + ".column");
    CHECK(split.node_name(static_cast<size_t>(node) + 1) == c.layer + ".row");
    CHECK(max_abs_difference(output(split, x), expected) < 1e-5);
    // Less rank is another function.
    Graph less = graph;
    split_spatially(less, node, spatial_factors(w, 1));
    CHECK(max_abs_difference(output(less, x), expected) > 1e-2);
  }
  Graph graph = traced(*chain());
  const Tensor x = random_pictures(graph, 3, 2);
  for (const char* layer : {"a.conv", "b.conv"}) {  // b has a stride of 2
    const int node = node_of(graph, layer);
    const Tensor w = weights_of(graph, node);
    Graph split = graph;
    const std::vector<double> ones(static_cast<size_t>(w.dim(0)), 1);
    split_channels(split, node, channel_factors(w, w.dim(0), some_covariance(w.dim(0)), ones));
    CHECK(max_abs_difference(output(split, x), output(graph, x)) < 1e-5);
  }
  CHECK_FALSE(can_split_spatially(graph, node_of(graph, "b.conv")));
  CHECK(contains(complaint([&] {
                   split_spatially(graph, node_of(graph, "b.conv"),
                                   spatial_factors(weights_of(graph, node_of(graph, "b.conv")), 1));
                 }),
                 "split: b.conv is not a k x k convolution of stride 1 without groups"));
}

TEST_CASE("the more rank, the less error: of the weights, and of the response") {
  Graph graph = traced(*wide());
  const int node = node_of(graph, "b.conv");
  const Tensor w = weights_of(graph, node);
  const Graph alone = layer_alone(graph, node);
  const Tensor x = random_pictures(alone, 8, 3);
  Graph original = alone;
  const Tensor expected = output(original, x);
  // A picture of one pixel at a time reads the weights themselves.
  Tensor pixels({10 * 9, 5, 6, 10});
  for (int i = 0; i < pixels.dim(0); ++i) {
    const int place = ((i / 10 / 3 + 1) * 6 + i / 10 % 3 + 1) * 10 + i % 10;
    pixels[static_cast<size_t>(i) * 300 + static_cast<size_t>(place)] = 1;
  }
  const Tensor read = output(original, pixels);
  double before = INFINITY;
  for (int rank = 1; rank <= full_spatial_rank(w.shape()); ++rank) {
    Graph split = alone;
    split_spatially(split, 0, spatial_factors(w, rank));
    const double error = square_distance(output(split, pixels), read);
    CHECK(error <= before * (1 + 1e-5) + 1e-8);
    before = error;
  }
  CHECK(before < 1e-8);

  Covariance covariance;
  covariance.add(expected);
  const std::vector<double> ones(12, 1);
  before = INFINITY;
  for (int rank = 1; rank <= 12; ++rank) {
    Graph split = alone;
    split_channels(split, 0, channel_factors(w, rank, covariance.matrix(), ones));
    // Up to the mean, which a bias makes up for.
    Tensor difference = output(split, x).clone();
    for (size_t i = 0; i < difference.size(); ++i) difference[i] -= expected[i];
    Covariance left;
    left.add(difference);
    const std::vector<double> matrix = left.matrix();
    double error = 0;
    for (size_t i = 0; i < 12; ++i) error += matrix[i * 12 + i];
    CHECK(error <= before * (1 + 1e-5) + 1e-8);
    before = error;
  }
  CHECK(before < 1e-8);
}

TEST_CASE("factors refuse ranks that do not exist") {
  const Tensor w({4, 3, 3, 2});
  CHECK(contains(complaint([&] { spatial_factors(w, 0); }), "rank is 0, should be 1 to 6"));
  CHECK(contains(complaint([&] { spatial_factors(w, 7); }), "rank is 7, should be 1 to 6"));
  CHECK(contains(complaint([&] { channel_factors(w, 5, {}, {}); }), "should be 1 to 4"));
  CHECK(contains(complaint([&] { channel_factors(w, 2, {1}, {1}); }), "should be 4 x 4 and 4"));
}

TEST_CASE("a fit through the ReLU is no worse than the linear one by what the ReLU lets pass") {
  Graph graph = traced(*wide());
  const Tensor x = random_pictures(graph, 60, 2);
  const std::optional<Decomposition> found =
      decompose(graph, pictures_of(x), options_with(counted));
  int through_relu = 0;
  for (const DecomposedLayer& layer : found->layers) {
    INFO(layer.name);
    CHECK(layer.is_split());
    CHECK(layer.relu.relu <= layer.relu.linear);
    through_relu += layer.relu.relu < 0.999 * layer.relu.linear ? 1 : 0;
  }
  CHECK(found->layers.size() == 3);
  CHECK(through_relu >= 1);  // and where much is negative it is better

  // What the first layer reports is what the network does.
  const auto rectified = [&](const Graph& g) {
    Graph copy = g;
    const int node = node_of(graph, "relu_2");
    const int value = graph.nodes[static_cast<size_t>(node)].out;
    return taps(copy, x, std::vector<int>{value})[0];
  };
  const DecomposedLayer& first = found->layers[0];
  CHECK(square_distance(rectified(found->graph), rectified(graph)) ==
        Approx(first.relu.relu).epsilon(1e-3));
}

TEST_CASE("a decomposition is kept only where it is quicker") {
  Graph graph = traced(*wide());
  const Tensor x = random_pictures(graph, 12, 2);
  Decomposition none = *decompose(graph, pictures_of(x), options_with(one_is_best));
  CHECK(none.layers.size() == 3);
  for (const DecomposedLayer& layer : none.layers) {
    CHECK_FALSE(layer.is_split());
    CHECK(layer.decomposed_ms > layer.ms);
  }
  CHECK(none.graph.nodes.size() == graph.nodes.size());
  CHECK(max_abs_difference(output(none.graph, x), output(graph, x)) == 0);

  // Two layers are quicker split, one is not.
  const auto timer = [](std::span<const Graph* const> graphs) {
    return graphs[0]->input_shape()[3] == 10 ? one_is_best(graphs) : counted(graphs);
  };
  DecomposeOptions options = options_with(nullptr);
  options.timer = timer;
  const Decomposition some = *decompose(graph, pictures_of(x), options);
  CHECK(some.layers[0].is_split());
  CHECK_FALSE(some.layers[1].is_split());
  CHECK(some.layers[2].is_split());
  for (const DecomposedLayer& layer : some.layers) {
    CHECK(layer.is_split() == (layer.decomposed_ms < 0.97 * layer.ms));
    if (layer.is_split()) CHECK(layer.decomposed_ms <= options.part * layer.ms);
  }
}

TEST_CASE("factors are solved for on data, and what comes of it can be pruned") {
  Graph graph = traced(*wide());
  const Tensor x = random_pictures(graph, 60, 2), unseen = random_pictures(graph, 60, 7);
  Decomposition found = *decompose(graph, pictures_of(x), options_with(counted));
  // The same forms with the weights' nearest factors.
  Graph unsolved = graph;
  for (const char* name : {"a.conv", "b.conv"}) {
    const auto layer = std::find_if(found.layers.begin(), found.layers.end(),
                                    [&](const DecomposedLayer& l) { return l.name == name; });
    const int node = node_of(unsolved, name);
    const Tensor w = weights_of(unsolved, node);
    if (layer->spatial > 0) {
      split_spatially(unsolved, node, spatial_factors(w, layer->spatial));
    }
  }
  for (const Tensor& pictures : {x, unseen}) {
    const Tensor target = output(graph, pictures);
    CHECK(square_distance(output(found.graph, pictures), target) <
          square_distance(output(unsolved, pictures), target));
  }

  const Coupling coupling = couple(found.graph);
  const std::set<int> gone = random_units(coupling, 3);
  CHECK_FALSE(gone.empty());
  Graph zeroed = masked(found.graph, coupling, gone), small = prune(found.graph, coupling, gone);
  CHECK(max_abs_difference(output(small, x), output(zeroed, x)) < 1e-4);
}

TEST_CASE("decomposition stops when asked, and refuses what makes no sense") {
  Graph graph = traced(*wide());
  const Pictures pictures = pictures_of(random_pictures(graph, 4, 2));
  std::atomic<bool> stop = true;
  DecomposeOptions options = options_with(counted);
  options.stop = &stop;
  CHECK_FALSE(decompose(graph, pictures, options).has_value());
  options = options_with(counted);
  options.part = 0;
  CHECK(contains(complaint([&] { decompose(graph, pictures, options); }), "part is 0"));
}
