#include "compress/couple.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "tests/catch.h"
#include "tests/networks.h"
#include "zoo/zoo.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

// The graph without its producers: what they made is held by a parameter instead, so that a change
// of one channel travels through all that only passes channels on, and no further. Parameters are
// made positive, so that no rectifier hides an increase.
struct Passages {
  Graph graph;
  std::vector<int> watched;  // activations that are still computed, or held

  Passages(const Graph& original, const Coupling& coupling) : graph(original) {
    std::vector<bool> produces(graph.nodes.size(), false);
    Random random(3, Purpose::test);
    for (const Producer& producer : coupling.producers) {
      produces[static_cast<size_t>(producer.node)] = true;
      Graph::Value& value = graph.values[static_cast<size_t>(producer.output.value)];
      Tensor held(value.shape);
      for (size_t i = 0; i < held.size(); ++i) held[i] = random.normal();
      value.parameter = std::make_unique<Parameter>(
          Parameter{.name = join("held_", producer.node), .value = held, .grad = {}});
    }
    for (Parameter* p : graph.parameters()) {
      for (size_t i = 0; i < p->value.size(); ++i) p->value[i] = std::abs(p->value[i]);
    }
    std::vector<Node> rest;
    for (size_t n = 0; n < graph.nodes.size(); ++n) {
      if (!produces[n]) rest.push_back(graph.nodes[n]);
    }
    graph.nodes = rest;
    for (const Node& node : graph.nodes) watched.push_back(node.out);
  }

  std::vector<Tensor> run() {
    return taps(graph, Tensor(graph.input_shape(), Scalar{0.3F}), watched);
  }
};

// The channels of computed activations that change with channel c of a held value.
std::set<Channel> reached(Passages& passages, Axis held, int c) {
  std::set<Channel> found;
  Tensor& value = passages.graph.values[static_cast<size_t>(held.value)].parameter->value;
  const size_t width = static_cast<size_t>(value.shape().back());
  const std::vector<Tensor> before = passages.run();
  for (size_t i = static_cast<size_t>(c); i < value.size(); i += width) value[i] += 1000;
  const std::vector<Tensor> after = passages.run();
  for (size_t i = static_cast<size_t>(c); i < value.size(); i += width) value[i] -= 1000;
  for (size_t v = 0; v < after.size(); ++v) {
    const int last = after[v].rank() - 1, channels = after[v].shape().back();
    for (size_t i = 0; i < after[v].size(); ++i) {
      if (after[v][i] == before[v][i]) continue;
      found.insert({{passages.watched[v], last}, static_cast<int>(i) % channels});
    }
  }
  return found;
}

// Zero whatever changes, because pad_channels appended it.
bool is_appended(const Graph& graph, const Channel& channel) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) {
    return node.op->name() == "pad_channels" && node.out == channel.axis.value &&
           channel.index >= graph.values[static_cast<size_t>(node.in[0])].shape.back();
  });
}

// What the unit's channels reach is what the unit states.
void check_reach(const Graph& graph, const Coupling& coupling, const Unit& unit,
                 Passages& passages) {
  std::set<Channel> reach;
  for (const Channel& channel : unit.channels) {
    for (const Producer& producer : coupling.producers) {
      if (producer.output != channel.axis) continue;
      reach.merge(reached(passages, channel.axis, channel.index));
    }
  }
  std::set<Channel> stated;
  for (const Channel& channel : unit.channels) {
    if (is_appended(graph, channel)) continue;
    const std::vector<int>& watched = passages.watched;
    if (std::find(watched.begin(), watched.end(), channel.axis.value) != watched.end()) {
      stated.insert(channel);
    }
  }
  CHECK(reach == stated);
}

}  // namespace

TEST_CASE("units are what a change of one channel reaches without being mixed") {
  for (const NetworkPtr& network : networks()) {
    INFO(network->name);
    const Graph graph = traced(*network);
    const Coupling coupling = couple(graph);
    Passages passages(graph, coupling);
    for (const Unit& unit : coupling.units) check_reach(graph, coupling, unit, passages);
  }
}

// Some units of each network: what is tied in one of them is tied alike in its neighbours.
TEST_CASE("units of the zoo's networks are what a change of one channel reaches") {
  for (const auto& [name, width] : {std::pair{"vgg_small", 0.125F},
                                    {"resnet20", 0.25F},
                                    {"resnet164", 0.25F},
                                    {"mobilenet_v2", 0.125F},
                                    {"shufflenet_g3", 0.25F},
                                    {"shufflenet_v2", 0.125F},
                                    {"igc_l24m2", 1.0F},
                                    {"densenet40", 1.0F}}) {
    INFO(name);
    const Graph graph = trace(*zoo::make(name, {.width = width}), {1, 32, 32, 3});
    const Coupling coupling = couple(graph);
    Passages passages(graph, coupling);
    constexpr size_t tried = 2;
    for (size_t i = 0; i < tried; ++i) {
      const size_t u = (2 * i + 1) * coupling.units.size() / (2 * tried);
      check_reach(graph, coupling, coupling.units[u], passages);
    }
  }
}

TEST_CASE("groups are the layers that people would name") {
  for (const NetworkPtr& network : networks()) {
    INFO(network->name);
    const Coupling coupling = couple(traced(*network));
    CHECK(static_cast<int>(coupling.groups.size()) == network->groups);
    size_t units = 0;
    for (size_t g = 0; g < coupling.groups.size(); ++g) {
      units += coupling.groups[g].units.size();
      for (const int u : coupling.groups[g].units) {
        CHECK(coupling.units[static_cast<size_t>(u)].group == static_cast<int>(g));
      }
    }
    CHECK(units == coupling.units.size());
  }
}

TEST_CASE("a residual stage is one group with all that write onto it") {
  const Coupling coupling = couple(traced(*residual()));
  REQUIRE(coupling.groups.size() == 3);
  CHECK(coupling.groups[0].name == "stem.conv");
  CHECK(coupling.groups[0].producers.size() == 3);
  CHECK(coupling.groups[0].units.size() == 6);
  CHECK(coupling.groups[1].name == "block1.a.conv");
  CHECK(coupling.groups[2].name == "block2.a.conv");
}

TEST_CASE("a shuffle does not weld a grouped network into one unit") {
  const Coupling coupling = couple(traced(*shuffled()));
  REQUIRE(coupling.groups.size() == 2);
  CHECK(coupling.groups[0].units.size() == 12);
  CHECK(coupling.groups[1].units.size() == 9);
  CHECK_FALSE(coupling.balances.empty());
}

TEST_CASE("inputs and results are in no unit") {
  for (const NetworkPtr& network : networks()) {
    const Graph graph = traced(*network);
    for (const Unit& unit : couple(graph).units) {
      for (const Channel& channel : unit.channels) {
        CHECK(channel.axis.value != graph.input);
        CHECK(channel.axis.value != graph.output);
      }
    }
  }
}

namespace {

// Says nothing about its channels.
class Unknown : public Op {
 public:
  std::string_view name() const override { return "mystery"; }
  Shape infer(std::span<const Shape> in) const override { return in[0]; }
  void forward(std::span<const Tensor> in, Tensor& out, const Pass&) const override {
    out.copy_from(in[0]);
  }
  void backward(std::span<const Tensor>, const Tensor&, std::span<const Tensor>, const Tensor&,
                std::span<const Gradient>) const override {}
  void ties(const Node&, std::span<const Shape>, Channels&) const override {
    throw Error("mystery: its channels cannot be pruned");
  }
};

}  // namespace

TEST_CASE("an operation with unknown ties is refused by name") {
  Network network("refused", {1, 4, 4, 3}, 0);
  Layer& a = network.block("a", 3, 4, 3, {.padding = 1});
  network.run = [&](Var x) {
    return global_average_pool(x.tape().apply(std::make_shared<Unknown>(), {a.forward(x)}));
  };
  const Graph graph = traced(network);
  CHECK(contains(complaint([&] { couple(graph); }), "mystery"));
}

TEST_CASE("VGG-16 of Li et al. has 14 groups") {
  const auto layer = zoo::make("vgg16_li", {.width = 0.125F});
  const Coupling coupling = couple(trace(*layer, {1, 32, 32, 3}));
  CHECK(coupling.groups.size() == 14);
  for (const Group& group : coupling.groups) CHECK(group.producers.size() == 1);
}
