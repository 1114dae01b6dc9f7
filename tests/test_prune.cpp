// The one promise of pruning: a network without some units computes what the same network with
// zeros in their place computes. Everything else follows from it.
#include "compress/prune.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>

#include "compress/choose.h"
#include "engine/file.h"
#include "engine/passes.h"
#include "tests/catch.h"
#include "tests/compare_graphs.h"
#include "tests/networks.h"
#include "tests/random_network.h"
#include "tests/temporary_folder.h"
#include "zoo/zoo.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

double distance(Graph& a, Graph& b, const Tensor& x, Mode mode) {
  return max_abs_difference(output(a, x, mode), output(b, x, mode));
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.data(), b.data(), a.size() * sizeof(Scalar)) == 0;
}

// Gradients of all trainable parameters, by value number.
std::map<int, Tensor> gradients(Graph& graph, const Tensor& x, const Tensor& labels) {
  Tape tape(Mode::training);
  tape.backward(cross_entropy(graph.forward(tape.constant(x)), tape.constant(labels)));
  std::map<int, Tensor> all;
  for (size_t v = 0; v < graph.values.size(); ++v) {
    const Parameter* p = graph.values[v].parameter.get();
    if (p != nullptr && p->trainable) all[static_cast<int>(v)] = p->grad;
  }
  return all;
}

}  // namespace

TEST_CASE("zeroed is removed") {
  for (const NetworkPtr& network : networks()) {
    const Graph graph = traced(*network);
    const Coupling coupling = couple(graph);
    const Tensor x = random_pictures(graph, 4, 5);
    for (uint64_t seed = 0; seed < 12; ++seed) {
      INFO(network->name << ", seed " << seed);
      const std::set<int> gone = random_units(coupling, seed);
      Graph zeros = masked(graph, coupling, gone), small = prune(graph, coupling, gone);
      CHECK(distance(zeros, small, x, Mode::inference) <= 1e-5);
      CHECK(distance(zeros, small, x, Mode::training) <= 1e-5);
    }
  }
}

TEST_CASE("zeroed is removed for gradients too, and cut takes the survivors out of any tensor") {
  for (const NetworkPtr& network : networks()) {
    INFO(network->name);
    const Graph graph = traced(*network);
    const Coupling coupling = couple(graph);
    const Tensor x = random_pictures(graph, 4, 6), labels = Tensor::of({4}, {0, 3, 1, 4});
    Keep keep;
    const std::set<int> gone = random_units(coupling, 21);
    Graph zeros = masked(graph, coupling, gone), small = prune(graph, coupling, gone, &keep);
    const auto of_zeros = gradients(zeros, x, labels), of_small = gradients(small, x, labels);
    for (const auto& [v, gradient] : of_small) {
      CHECK(max_abs_difference(cut(of_zeros.at(v), v, coupling, keep), gradient) <= 1e-5);
    }
  }
}

TEST_CASE("zeroed is removed in networks drawn at random, and odd widths survive a file") {
  const TemporaryFolder folder;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    INFO("seed " << seed);
    RandomNetwork network(seed);
    const Graph graph = drop_identities(trace(network, RandomNetwork::input()));
    const Coupling coupling = couple(graph);
    const std::set<int> gone = random_units(coupling, seed);
    Graph zeros = masked(graph, coupling, gone), small = prune(graph, coupling, gone);
    const Tensor x = random_pictures(graph, 16, seed);
    CHECK(relative_difference(output(zeros, x), output(small, x)) <= 1e-5);
    // A batch norm magnifies the rounding of a channel that hardly varies, by up to 1 / sqrt(eps).
    const Tensor logits = output(small, x, Mode::training);
    CHECK(relative_difference(output(zeros, x, Mode::training), logits) <= 1e-3);
    Graph other = masked(graph, coupling, random_units(coupling, seed + 100));
    CHECK(relative_difference(output(other, x, Mode::training), logits) > 1e-2);
    if (seed % 8 != 0) continue;
    const std::string path = folder / "small.bonsai";
    save(path, small);
    Graph again = load(path);
    CHECK(same_bits(output(again, x), output(small, x)));
  }
}

TEST_CASE("the comparison notices what is left behind") {
  const Graph graph = traced(*chain());
  const Coupling coupling = couple(graph);
  const Tensor x = random_pictures(graph, 4, 7);
  const std::set<int> gone = {1, 4};
  Graph small = prune(graph, coupling, gone);
  SECTION("beta: a filter of zeros does not make a channel of zeros") {
    Graph zeros = graph;
    for (const int u : gone) {
      Tensor& w = zeros.find("a.conv.weight")->value;
      const size_t length = w.size() / static_cast<size_t>(w.dim(0));
      const auto at = std::find_if(
          coupling.units[static_cast<size_t>(u)].channels.begin(),
          coupling.units[static_cast<size_t>(u)].channels.end(), [&](const Channel& c) {
            const auto& p = graph.values[static_cast<size_t>(c.axis.value)].parameter;
            return p && p->name == "a.conv.weight";
          });
      std::fill_n(w.data() + static_cast<size_t>(at->index) * length, length, Scalar{0});
    }
    CHECK(distance(zeros, small, x, Mode::inference) > 1e-3);
  }
  SECTION("another channel") {
    Graph zeros = masked(graph, coupling, {1, 5});
    CHECK(distance(zeros, small, x, Mode::inference) > 1e-3);
  }
}

TEST_CASE("the comparison notices a wrong order of flattened features") {
  const Graph graph = traced(*flattened());
  const Tensor x = random_pictures(graph, 4, 8);
  Coupling wrong = couple(graph);
  for (Unit& unit : wrong.units) {
    for (Channel& channel : unit.channels) {
      if (wrong.widths.at(channel.axis) != 30) continue;
      const int pixel = channel.index / 5, c = channel.index % 5;
      channel.index = c * 6 + pixel;  // as if channels came first
    }
    std::sort(unit.channels.begin(), unit.channels.end());
  }
  Graph zeros = masked(graph, couple(graph), {1}), small = prune(graph, wrong, {1});
  CHECK(distance(zeros, small, x, Mode::inference) > 1e-3);
}

// The coupling of `network`, with the channels of one axis numbered wrongly by `moved`.
Coupling misnumbered(const Graph& graph, const std::string& parameter, int axis,
                     const std::function<int(int)>& moved) {
  Coupling wrong = couple(graph);
  for (Unit& unit : wrong.units) {
    for (Channel& channel : unit.channels) {
      const auto& p = graph.values[static_cast<size_t>(channel.axis.value)].parameter;
      if (p && p->name == parameter && channel.axis.axis == axis) {
        channel.index = moved(channel.index);
      }
    }
    std::sort(unit.channels.begin(), unit.channels.end());
  }
  return wrong;
}

TEST_CASE("the comparison notices wrong ties of transposed convolutions and pixel shuffles") {
  struct Mistake {
    NetworkPtr network;
    std::string group, parameter;
    int axis;
    std::function<int(int)> moved;
  };
  Mistake mistakes[] = {
      {transposed(), "up", "up.weight", 3, [](int o) { return (o + 1) % 8; }},
      {transposed(), "up", "deep.weight", 0, [](int i) { return (i + 1) % 8; }},
      {transposed(), "a.conv", "up.weight", 0, [](int i) { return (i + 1) % 6; }},
      // TensorFlow's order: channel (i, j, c) instead of (c, i, j)
      {rearranged(), "a.conv", "a.conv.weight", 0, [](int o) { return o % 4 * 4 + o / 4; }},
      {rearranged(), "b.conv", "c.conv.weight", 3, [](int i) { return i % 4 * 5 + i / 4; }},
  };
  for (const Mistake& mistake : mistakes) {
    INFO(mistake.network->name << ", " << mistake.parameter);
    const Graph graph = traced(*mistake.network);
    const Coupling right = couple(graph);
    const Coupling wrong = misnumbered(graph, mistake.parameter, mistake.axis, mistake.moved);
    const auto group = std::find_if(right.groups.begin(), right.groups.end(),
                                    [&](const Group& g) { return g.name == mistake.group; });
    REQUIRE(group != right.groups.end());
    const std::vector<int>& units = group->units;  // one of each half, to keep balance
    const std::set<int> gone = {units[1], units[units.size() / 2 + 1]};
    const Tensor x = random_pictures(graph, 4, 8);
    Graph zeros = masked(graph, right, gone), small = prune(graph, wrong, gone);
    CHECK(distance(zeros, small, x, Mode::inference) > 1e-3);
    Graph exact = prune(graph, right, gone);
    CHECK(distance(zeros, exact, x, Mode::inference) <= 1e-5);
  }
}

TEST_CASE("pruning nothing changes no bit") {
  for (const NetworkPtr& network : networks()) {
    INFO(network->name);
    Graph graph = traced(*network);
    const Coupling coupling = couple(graph);
    Keep keep;
    Graph same = prune(graph, coupling, {}, &keep);
    CHECK(keep.all().empty());
    const Tensor x = random_pictures(graph, 2, 9);
    CHECK(same_bits(output(graph, x), output(same, x)));
    for (size_t v = 0; v < graph.values.size(); ++v) {
      if (!graph.values[v].parameter) continue;
      CHECK(same_bits(graph.values[v].parameter->value, same.values[v].parameter->value));
      CHECK(graph.values[v].parameter->value.data() != same.values[v].parameter->value.data());
    }
  }
}

TEST_CASE("pruning twice is pruning both at once, and leaves the input alone") {
  for (const NetworkPtr& network : networks()) {
    INFO(network->name);
    Graph graph = traced(*network);
    const Coupling coupling = couple(graph);
    const Tensor x = random_pictures(graph, 2, 10), before = output(graph, x);
    // Two stay at least, in every block: a depthwise convolution of one channel is an ordinary one,
    // and a grouped one that reads one channel per group is depthwise. Both are tied otherwise, so
    // that the units of the pruned network would not be those that survived.
    int blocks = 1;
    for (const Balance& balance : coupling.balances) blocks = std::max(blocks, balance.groups);
    const std::set<int> first = random_units(coupling, 31, 2 * blocks);
    const Graph half = prune(graph, coupling, first);
    const Coupling of_half = couple(half);
    const std::set<int> second = random_units(of_half, 32);
    // Units are numbered by their smallest channel, so the survivors keep their order.
    std::vector<int> survivors;
    for (int u = 0; u < static_cast<int>(coupling.units.size()); ++u) {
      if (first.count(u) == 0) survivors.push_back(u);
    }
    REQUIRE(survivors.size() == of_half.units.size());
    std::set<int> both = first;
    for (const int u : second) both.insert(survivors[static_cast<size_t>(u)]);
    Graph once = prune(graph, coupling, both), twice = prune(half, of_half, second);
    CHECK(same_bits(output(once, x), output(twice, x)));
    CHECK(same_bits(before, output(graph, x)));
  }
}

// Of units whose removal touches no other group.
TEST_CASE("the order in which groups are pruned does not matter") {
  for (const auto make : {chain, flattened, biased, residual, projection, dense, rearranged}) {
    const NetworkPtr network = make();
    INFO(network->name);
    const Graph graph = traced(*network);
    const Coupling coupling = couple(graph);
    // Units are numbered by their smallest channel: what stays keeps its order.
    const auto without = [](const Graph& g, const std::set<int>& gone) {
      return prune(g, couple(g), gone);
    };
    const int a = coupling.groups.front().units.at(1), b = coupling.groups.back().units.at(1);
    const auto renumbered = [](int unit, int gone) { return unit > gone ? unit - 1 : unit; };
    Graph first = without(without(graph, {a}), {renumbered(b, a)});
    Graph second = without(without(graph, {b}), {renumbered(a, b)});
    const Tensor x = random_pictures(graph, 2, 10);
    CHECK(same_bits(output(first, x), output(second, x)));
    Graph other = without(without(graph, {b}), {renumbered(a, b) + 1});
    CHECK_FALSE(same_bits(output(first, x), output(other, x)));
  }
}

TEST_CASE("what cannot be built is refused before anything is built") {
  const Graph graph = traced(*shuffled());
  const Coupling coupling = couple(graph);
  const auto prune_units = [&](const std::set<int>& gone) {
    return complaint([&] { prune(graph, coupling, gone); });
  };
  CHECK(contains(prune_units({0}), "groups"));
  CHECK(contains(prune_units({-1}), "does not exist"));
  CHECK(contains(prune_units({10000}), "does not exist"));
  const std::vector<int>& stem = coupling.groups[0].units;
  CHECK(contains(prune_units({stem.begin(), stem.end()}), "nothing would be left"));
}

TEST_CASE("costs are known before pruning") {
  for (const NetworkPtr& network : networks()) {
    INFO(network->name);
    const Graph graph = traced(*network);
    const Coupling coupling = couple(graph);
    const std::set<int> gone = random_units(coupling, 41);
    const Cost told = pruned_cost(graph, coupling, gone);
    const Cost real = total_cost(prune(graph, coupling, gone));
    CHECK(told.params == real.params);
    CHECK(told.macs == real.macs);
    CHECK(told.activation_bytes == real.activation_bytes);
  }
}

TEST_CASE("VGG-16-A of Li et al. costs what the paper's network costs", "[slow]") {
  const auto layer = zoo::make("vgg16_li");
  const Graph graph = trace(*layer, {1, 32, 32, 3});
  const Coupling coupling = couple(graph);
  CHECK(total_cost(graph).macs == 313'463'808);
  CHECK(total_cost(graph).params == 14'987'722);
  Budget budget;  // half of the first convolution and of the last six
  for (const int g : {0, 7, 8, 9, 10, 11, 12}) {
    budget.groups[coupling.groups[static_cast<size_t>(g)].name] = 0.5;
  }
  const std::set<int> gone = choose(graph, coupling, l1_norm(graph, coupling), budget);
  const Graph small = prune(graph, coupling, gone);
  CHECK(total_cost(small).macs == 206'279'680);
  CHECK(total_cost(small).params == 5'397'034);
}

// The papers' rules: the first convolution of block i of each stage keeps a part of its own, but
// for layers that are sensitive. Layers are numbered from 1, so that block b begins with layer 2b.
TEST_CASE("ResNet-56 and 110, A and B, of Li et al. cost what the paper's networks cost") {
  struct Row {
    std::string network;
    std::array<double, 3> parts;  // that go, by stage
    std::set<int> skipped;
    int64_t macs, params;
  };
  const std::vector<Row> rows = {
      {"resnet56", {0, 0, 0}, {}, 125'485'696, 853'018},
      {"resnet56", {0.1, 0.1, 0.1}, {16, 20, 38, 54}, 112'435'840, 773'336},
      {"resnet56", {0.6, 0.3, 0.1}, {16, 18, 20, 34, 38, 54}, 90'907'264, 735'712},
      {"resnet110", {0, 0, 0}, {}, 252'887'680, 1'727'962},
      {"resnet110", {0.5, 0, 0}, {36}, 212'779'648, 1'688'522},
      {"resnet110", {0.5, 0.4, 0.3}, {36, 38, 74}, 155'124'352, 1'168'424}};
  std::map<std::string, Graph> graphs;
  for (const Row& row : rows) {
    INFO(row.network << ", " << row.parts[0]);
    if (graphs.count(row.network) == 0)
      graphs.emplace(row.network,
                     trace(*zoo::make(row.network, {.weights = false}), {1, 32, 32, 3}));
    const Graph& graph = graphs.at(row.network);
    const Coupling coupling = couple(graph);
    const int blocks = row.network == "resnet56" ? 9 : 18;
    Budget budget;
    for (int b = 0; b < 3 * blocks; ++b) {
      const size_t stage = static_cast<size_t>(b / blocks);
      if (row.skipped.count(2 * b + 2) == 0)
        budget.groups[join("layer", stage + 1, ".", b % blocks, ".conv1")] = 1 - row.parts[stage];
    }
    const Scores alike(coupling.units.size(), 0.0);
    const Graph small = prune(graph, coupling, choose(graph, coupling, alike, budget));
    CHECK(total_cost(small).macs == row.macs);
    CHECK(total_cost(small).params == row.params);
  }
}
