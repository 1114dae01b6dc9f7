// Predictions are sums over layers, timed once per shape; ceilings are those of the networks that
// are pruned as far as a mode allows.
#include "compress/layer_times.h"

#include "compress/ceilings.h"
#include "compress/choose.h"
#include "compress/prune.h"
#include "engine/passes.h"
#include "tests/catch.h"
#include "tests/networks.h"
#include "zoo/zoo.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

Graph zoo_graph(const std::string& name) {
  zoo::Options options;
  options.width = 0.25F;
  options.input = {16, 16, 3};
  return trace(*zoo::make(name, options), {1, 16, 16, 3});
}

// A layer takes its multiply-accumulates and the numbers that it writes.
struct Counted {
  int asked = 0;
  LayerTimes times{[this](const Op& op, std::span<const Tensor> in, Tensor& out) {
    ++asked;
    std::vector<Shape> shapes;
    for (const Tensor& tensor : in) shapes.push_back(tensor.shape());
    return static_cast<double>(op.macs(shapes, out.shape())) + static_cast<double>(out.size());
  }};
};

double counted(const Graph& graph) {
  const Graph shipped = fuse_activations(fold_batch_norm(drop_identities(graph)));
  const auto shapes = shipped.shapes();
  double sum = static_cast<double>(total_cost(shipped).macs);
  for (const Node& node : shipped.nodes)
    sum += static_cast<double>(element_count(shapes[static_cast<size_t>(node.out)]));
  return sum;
}

}  // namespace

TEST_CASE("a prediction is the sum of the layers as they are shipped, each shape timed once") {
  Counted c;
  const Graph graph = zoo_graph("resnet20");
  CHECK(c.times.predict(graph) == counted(graph));
  const int asked = c.asked;
  CHECK(asked < static_cast<int>(graph.nodes.size()) / 3);  // blocks of a stage are alike
  CHECK(c.times.predict(graph) == counted(graph));
  CHECK(c.asked == asked);
  const Coupling coupling = couple(graph);
  const Graph small = prune(graph, coupling, random_units(coupling, 1));
  CHECK(c.times.predict(small) == counted(small));
  CHECK(c.asked > asked);

  c.times.calibrate(graph, 3);
  CHECK(c.times.predict(graph) == Approx(3));
  CHECK(c.times.predict(small) == Approx(3 * counted(small) / counted(graph)));
  Counted restored;
  restored.times.restore(c.times.table());
  CHECK(restored.times.predict(small) == c.times.predict(small));
  CHECK(restored.asked == 0);
}

TEST_CASE("every kind of layer can be timed for real") {
  for (const NetworkPtr& network : networks()) {
    INFO(network->name);
    LayerTimes times([](const Op& op, std::span<const Tensor> in, Tensor& out) {
      op.forward(in, out, Pass{});
      return 1.0;
    });
    const Graph graph = traced(*network);
    CHECK(times.predict(graph) > 0);
  }
  CHECK(LayerTimes().predict(traced(*chain())) > 0);
}

TEST_CASE("ceilings: what inner layers leave is far above what stages leave as well") {
  for (const char* name : {"resnet20", "resnet20_b", "vgg_small"}) {
    INFO(name);
    Counted c;
    const Graph graph = zoo_graph(name);
    const Coupling coupling = couple(graph);
    const auto all = ceilings(graph, coupling, 4, c.times);
    REQUIRE(all.size() == 3);
    CHECK(all[1].groups == static_cast<int>(coupling.groups.size()));
    CHECK(all[0].groups ==
          (std::string(name) == "vgg_small" ? all[1].groups : 9));  // a block's first convolution
    // Pruned by hand: every group that may shrink, to its rounding.
    for (const Ceiling& ceiling : {all[0], all[1]}) {
      Budget budget{.round_to = 4};
      for (const Group& group : coupling.groups) {
        const int units = static_cast<int>(group.units.size());
        if (may_shrink(group, ceiling.mode))
          budget.groups[group.name] = static_cast<double>(rounding(units, 4)) / units;
      }
      const Graph least =
          prune(graph, coupling, choose(graph, coupling, Scores(coupling.units.size()), budget));
      CHECK(ceiling.least.params == total_cost(least).params);
      CHECK(ceiling.least.ms == counted(least));
    }
    const bool residual = all[0].groups < all[1].groups;
    CHECK((all[0].least.macs > 2 * all[1].least.macs) == residual);
    CHECK(all[2].blocks == (residual ? 7 : 0));  // of 9, two change the map's size
    CHECK((all[2].least.ms < all[1].least.ms) == residual);
  }
}
