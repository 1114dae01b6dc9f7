// Samplers: they change nothing when they are put in, zeroed is removed through them too, each
// layer chooses for itself, a clock may refuse them, and what nobody reads any more goes.
#include "compress/samplers.h"

#include <algorithm>
#include <string>
#include <vector>

#include "compress/choose.h"
#include "compress/prune.h"
#include "compress/reconstruct.h"
#include "engine/cost.h"
#include "engine/file.h"
#include "engine/session.h"
#include "tests/calibration.h"
#include "tests/catch.h"
#include "tests/compare_graphs.h"
#include "tests/networks.h"
#include "tests/temporary_folder.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

using Names = std::set<std::string>;

// A dense block in the order of DenseNet, and a layer in groups that reads what others do.
NetworkPtr grouped() {
  auto n = std::make_unique<Network>("grouped", Shape{1, 4, 4, 3}, 0);
  Layer& stem = n->block("stem", 3, 12, 1, {});
  Layer& a = n->block("a", 12, 6, 3, {.padding = 1, .groups = 3});
  Layer& b = n->add<Conv2d>("b", 6, 12, 1, ConvOptions{}, n->init);
  Layer& head = n->head(12);
  n->run = [&](Var x) {
    const Var y = stem.forward(x);
    return head.forward(global_average_pool(relu(add(y, b.forward(a.forward(y))))));
  };
  return n;
}

std::vector<NetworkPtr> all_networks() {
  std::vector<NetworkPtr> all = networks();
  all.push_back(grouped());
  return all;
}

int count(const Graph& graph, std::string_view op) {
  return static_cast<int>(std::count_if(graph.nodes.begin(), graph.nodes.end(),
                                        [&](const Node& n) { return n.op->name() == op; }));
}

// Half of what samplers hand on and of inner layers.
std::set<int> half(const Sampled& sampled, const Coupling& coupling, uint64_t seed) {
  Budget budget{.keep = 0.5};
  const std::set<int> read = sampled_groups(sampled, coupling);
  for (size_t g = 0; g < coupling.groups.size(); ++g) {
    if (read.count(static_cast<int>(g)) != 0 || coupling.groups[g].producers.size() > 1) {
      budget.groups[coupling.groups[g].name] = 1;
    }
  }
  Scores scores(coupling.units.size());
  Random random(seed, Purpose::test, 4);
  for (double& score : scores) score = random.uniform();
  return choose(sampled.graph, coupling, scores, budget);
}

// Units of the sampler in front of a layer, by position.
std::set<int> units_before(const Sampled& sampled, const Coupling& coupling,
                           const std::string& layer, const std::vector<int>& positions) {
  std::set<int> units;
  for (size_t n = 0; n < sampled.graph.nodes.size(); ++n) {
    if (sampled.graph.node_name(n) != layer) continue;
    for (size_t u = 0; u < coupling.units.size(); ++u) {
      for (const Channel& channel : coupling.units[u].channels) {
        if (channel.axis.value != sampled.graph.nodes[n].in[0]) continue;
        if (std::count(positions.begin(), positions.end(), channel.index) > 0) {
          units.insert(static_cast<int>(u));
        }
      }
    }
  }
  REQUIRE(units.size() == positions.size());
  return units;
}

std::vector<double> choosing_is_quicker(std::span<const Graph* const> graphs) {
  std::vector<double> ms;
  for (const Graph* graph : graphs) ms.push_back(static_cast<double>(total_cost(*graph).macs));
  return ms;
}

}  // namespace

TEST_CASE("samplers are for convolutions that read what others read as well") {
  CHECK(layers_that_share(traced(*residual())) == Names{"block1.a.conv", "block2.a.conv"});
  CHECK(layers_that_share(traced(*projection())) == Names{"a.conv", "shortcut"});
  CHECK(layers_that_share(traced(*padded())) == Names{"block4.a.conv", "block6.a.conv"});
  CHECK(layers_that_share(traced(*dense())) == Names{"a.conv", "b"});
  CHECK(layers_that_share(traced(*shuffled())) == Names{"a.conv"});
  for (const auto& make : {chain, biased, depthwise, transposed})
    CHECK(layers_that_share(traced(*make())).empty());
}

TEST_CASE("with samplers zeroed is removed, saved, run by sessions, and pruned again") {
  const TemporaryFolder folder;
  int chose = 0, cut_again = 0, different = 0;
  for (const NetworkPtr& network : all_networks()) {
    INFO(network->name);
    Graph graph = traced(*network);
    const Tensor x = random_pictures(graph, 3, 2);
    Sampled sampled = with_samplers(graph, layers_that_share(graph));
    CHECK(sampled.samplers.size() == layers_that_share(graph).size());
    CHECK(max_abs_difference(output(sampled.graph, x), output(graph, x)) == 0);
    const Coupling coupling = couple(sampled.graph, sampled.samplers);
    const std::set<int> gone = half(sampled, coupling, 3);
    Graph zeroed = masked(sampled.graph, coupling, gone),
          small = without_unread(prune(sampled.graph, coupling, gone));
    const Tensor expected = output(zeroed, x);
    const auto is_right = [&](const Tensor& y) { return relative_difference(y, expected) < 1e-5; };
    CHECK(is_right(output(small, x)));
    chose += count(small, "select") > count(graph, "select") ? 1 : 0;

    const std::string path = folder / "sampled.bonsai";
    save(path, small);
    Graph loaded = load(path);
    CHECK(max_abs_difference(output(loaded, x), output(small, x)) == 0);
    Session session(small, {.batch = 3});
    Tensor y(expected.shape());
    session.run(x.data(), y.data());
    CHECK(is_right(y));

    // As one of many graphs: what the stage loses the layers behind samplers lose with it.
    const Coupling later = couple(loaded);
    const std::set<int> more = random_units(later, 5);
    Graph again = prune(loaded, later, more), hidden = masked(loaded, later, more);
    cut_again += more.empty() ? 0 : 1;
    CHECK(relative_difference(output(again, x), output(hidden, x)) < 1e-5);

    // Another choice is another network.
    if (sampled.samplers.empty()) continue;
    const std::set<int> others = half(sampled, coupling, 5);
    Graph other = prune(sampled.graph, coupling, others);
    different += is_right(output(other, x)) ? 0 : 1;
  }
  CHECK(chose >= 5);
  CHECK(cut_again >= 10);
  CHECK(different >= 6);
}

TEST_CASE("the LASSO picks for each layer its own channels of a stage") {
  Graph graph = traced(*residual());
  const auto deafen = [&](const std::string& layer, std::vector<size_t> channels) {
    const Tensor w = graph.find(layer + ".weight")->value;
    for (size_t i = 0; i < w.size(); ++i) {
      if (std::count(channels.begin(), channels.end(), i % 6) > 0) w[i] = 0;
    }
  };
  graph.find("stem.bn.bias")->value.fill(1);  // no channel is always zero
  deafen("block1.a.conv", {0, 4});
  deafen("block2.a.conv", {1, 3});
  const Sampled sampled = with_samplers(graph, layers_that_share(graph));
  const Coupling coupling = couple(sampled.graph, sampled.samplers);
  std::vector<int> widths;
  std::set<int> expected = units_before(sampled, coupling, "block1.a.conv", {0, 4});
  expected.merge(units_before(sampled, coupling, "block2.a.conv", {1, 3}));
  for (const Group& group : coupling.groups) {
    const bool is_sampler = group.name.starts_with("select");
    widths.push_back(is_sampler ? 4 : static_cast<int>(group.units.size()));
  }
  const Tensor x = random_pictures(graph, 30, 2);
  Reconstruction result = *prune_by_reconstruction(
      sampled.graph, coupling, widths, find_selection("lasso"), pictures_of(x), {.positions = 25});
  CHECK(result.gone == expected);
  REQUIRE(result.layers.size() == 2);
  CHECK(result.layers[0].name == "block1.a.conv");
  CHECK(result.layers[0].kept == 4);
  CHECK(result.layers[0].error.least_squares <= 1e-6 * result.layers[0].error.target);
  Graph small = without_unread(prune(result.graph, coupling, result.gone));
  CHECK(relative_difference(output(small, x), output(graph, x)) < 1e-4);
  CHECK(small.find("stem.conv.weight")->value.dim(0) == 6);
  CHECK(small.find("block2.a.conv.weight")->value.dim(3) == 4);
}

TEST_CASE("a sampler that is not quicker is not put in, and the others give what is missing") {
  const Graph graph = traced(*residual());
  const int64_t macs = total_cost(graph).macs;
  const auto plan_with = [&](const GraphTimer& timer) {
    return plan_samplers(
        graph,
        [](const Sampled& sampled, const Coupling& coupling) {
          Budget budget{.macs = 0.7};
          for (const int g : sampled_groups(sampled, coupling))
            budget.groups[coupling.groups[static_cast<size_t>(g)].name] = 1;
          return choose(sampled.graph, coupling, l1_norm(Evidence(sampled.graph, coupling)),
                        budget);
        },
        timer);
  };
  const SamplingPlan all = plan_with(choosing_is_quicker);
  CHECK(all.sampled.samplers.size() == 2);
  REQUIRE(all.layers.size() == 2);
  for (const SampledLayer& layer : all.layers) {
    CHECK(layer.channels == 6);
    CHECK(layer.is_sampled());
    CHECK(layer.sampled_ms < layer.ms);
  }
  // The second layer reads from a clock that stands still when it chooses.
  int asked = 0;
  const SamplingPlan one = plan_with([&](std::span<const Graph* const> forms) {
    std::vector<double> ms = choosing_is_quicker(forms);
    if (++asked == 2) ms[1] = ms[0];
    return ms;
  });
  CHECK(one.sampled.samplers.size() == 1);
  REQUIRE(one.layers.size() == 2);
  CHECK(one.layers[0].is_sampled());
  CHECK(one.layers[1].name == "block2.a.conv");
  CHECK_FALSE(one.layers[1].is_sampled());
  for (const SamplingPlan* plan : {&all, &one}) {
    const Graph small = without_unread(prune(plan->sampled.graph, plan->coupling, plan->gone));
    CHECK(static_cast<double>(total_cost(small).macs) <= 0.7 * static_cast<double>(macs));
    CHECK(count(small, "select") == static_cast<int>(plan->sampled.samplers.size()));
  }
  const SamplingPlan none = plan_with(
      [](std::span<const Graph* const> forms) { return std::vector<double>(forms.size(), 1.0); });
  CHECK(none.sampled.samplers.empty());
  CHECK(none.sampled.graph.nodes.size() == graph.nodes.size());
}

TEST_CASE("a channel that no layer reads any more is removed, and an idle sampler as well") {
  Graph graph = traced(*projection());  // both that read the stem are convolutions
  const Tensor x = random_pictures(graph, 3, 2);
  const Sampled sampled = with_samplers(graph, layers_that_share(graph));
  const Coupling coupling = couple(sampled.graph, sampled.samplers);
  std::set<int> gone = units_before(sampled, coupling, "a.conv", {1, 3});
  const std::set<int> of_shortcut = units_before(sampled, coupling, "shortcut", {1, 2});
  gone.insert(of_shortcut.begin(), of_shortcut.end());
  const Graph pruned = prune(sampled.graph, coupling, gone);
  Graph small = without_unread(pruned), before = pruned;
  CHECK(pruned.values[0].shape == small.values[0].shape);
  CHECK(small.find("stem.conv.weight")->value.dim(0) == 3);  // 1 is read by nobody
  CHECK(small.find("stem.bn.running_mean")->value.dim(0) == 3);
  CHECK(count(small, "select") == 2);
  CHECK(relative_difference(output(small, x), output(before, x)) < 1e-6);
  // When both read the same, nothing is left to choose.
  gone = units_before(sampled, coupling, "a.conv", {0, 2});
  const std::set<int> same = units_before(sampled, coupling, "shortcut", {0, 2});
  gone.insert(same.begin(), same.end());
  before = prune(sampled.graph, coupling, gone);
  small = without_unread(before);
  CHECK(small.find("stem.conv.weight")->value.dim(0) == 2);
  CHECK(count(small, "select") == 0);
  CHECK(relative_difference(output(small, x), output(before, x)) < 1e-6);
  // Where a shortcut hands all channels on, all of them stay.
  Graph chained = traced(*residual());
  const Sampled behind = with_samplers(chained, layers_that_share(chained));
  const Coupling apart = couple(behind.graph, behind.samplers);
  gone = units_before(behind, apart, "block1.a.conv", {5});
  const std::set<int> fifth = units_before(behind, apart, "block2.a.conv", {5});
  gone.insert(fifth.begin(), fifth.end());
  small = without_unread(prune(behind.graph, apart, gone));
  CHECK(small.find("stem.conv.weight")->value.dim(0) == 6);
}

TEST_CASE("a sampled network is sampled again by the selections that it has") {
  const Graph graph = traced(*residual());
  const Sampled first = with_samplers(graph, layers_that_share(graph));
  const Coupling coupling = couple(first.graph, first.samplers);
  Graph once = without_unread(
      prune(first.graph, coupling, units_before(first, coupling, "block1.a.conv", {0, 2})));
  const Sampled second = with_samplers(once, layers_that_share(once));
  CHECK(second.samplers.size() == 2);
  CHECK(count(second.graph, "select") == 2);
  const Coupling apart = couple(second.graph, second.samplers);
  const std::set<int> gone = units_before(second, apart, "block1.a.conv", {0});
  Graph zeroed = masked(second.graph, apart, gone),
        twice = without_unread(prune(second.graph, apart, gone));
  const Tensor x = random_pictures(graph, 3, 2);
  CHECK(relative_difference(output(twice, x), output(zeroed, x)) < 1e-5);
  CHECK(twice.find("block1.a.conv.weight")->value.dim(3) == 3);
  CHECK(count(twice, "select") == 1);
}
