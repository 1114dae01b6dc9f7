// Pruning by reconstruction on networks that hold every way in which channels hang together.
#include "compress/reconstruct.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "compress/choose.h"
#include "compress/mixer.h"
#include "compress/prune.h"
#include "engine/parallel.h"
#include "tests/calibration.h"
#include "tests/catch.h"
#include "tests/compare_graphs.h"
#include "tests/networks.h"
#include "tests/train_fixture.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

constexpr int every_position = 1 << 20;

std::vector<int> halves(const Graph& graph, const Coupling& coupling) {
  return kept_units(coupling, choose(graph, coupling, l1_norm(graph, coupling), {.keep = 0.5}));
}

Reconstruction reconstructed(const Graph& graph, const Coupling& coupling, const Tensor& x,
                             const std::string& selection = "lasso",
                             const ReconstructOptions& options = {.positions = every_position}) {
  return *prune_by_reconstruction(graph, coupling, halves(graph, coupling),
                                  find_selection(selection), pictures_of(x), options);
}

// The value that a node makes, by the node's name.
int output_of(const Graph& graph, const std::string& name) {
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    if (graph.node_name(n) == name) return graph.nodes[n].out;
  }
  FAIL("no node " << name);
  return -1;
}

Tensor tap(Graph& graph, const Tensor& x, int value) {
  return taps(graph, x, std::vector<int>{value})[0];
}

// Which channels of an axis are among the units.
std::vector<bool> gone_at(const Coupling& coupling, const std::set<int>& units, const Axis& axis,
                          int channels) {
  std::vector<bool> gone(static_cast<size_t>(channels), false);
  for (const int u : units) {
    for (const Channel& c : coupling.units[static_cast<size_t>(u)].channels) {
      if (c.axis == axis) gone[static_cast<size_t>(c.index)] = true;
    }
  }
  return gone;
}

// Of the channels that stay.
double square_left(const Tensor& a, const Tensor& b, const std::vector<bool>& gone) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = double{a[i]} - double{b[i]};
    if (!gone[i % gone.size()]) sum += d * d;
  }
  return sum;
}

// Units of a group, by name and position in it.
std::set<int> units_of(const Coupling& coupling, const std::string& group,
                       const std::vector<int>& positions) {
  std::set<int> units;
  for (const Group& g : coupling.groups) {
    for (const int p : positions) {
      if (g.name == group) units.insert(g.units[static_cast<size_t>(p)]);
    }
  }
  REQUIRE(units.size() == positions.size());
  return units;
}

}  // namespace

TEST_CASE("every network keeps the widths asked for, and pruning it changes nothing more") {
  for (const NetworkPtr& network : networks()) {
    INFO(network->name);
    Graph graph = traced(*network);
    const Coupling coupling = couple(graph);
    const Tensor x = random_pictures(graph, 40, 2);
    for (const Selection& selection : selections()) {
      INFO(selection.name);
      Reconstruction result = reconstructed(graph, coupling, x, selection.name);
      CHECK(kept_units(coupling, result.gone) == halves(graph, coupling));
      Graph small = prune(result.graph, coupling, result.gone);
      const Tensor expected = output(result.graph, x);
      CHECK(max_abs_difference(output(small, x), expected) < 1e-3);
      CHECK_FALSE(result.layers.empty());
      for (const ReconstructedLayer& layer : result.layers) {
        INFO(layer.name);
        if (!layer.unsolved.empty()) continue;
        // Behind padded shortcuts a group may lose channels that this layer does not read.
        CHECK((layer.kept < layer.channels ||
               (network->name == "padded" && layer.kept == layer.channels)));
        CHECK(layer.error.target > 0);
        CHECK(layer.error.least_squares <= layer.error.bias_only);
        CHECK(layer.error.bias_only <= layer.error.naive);
      }
    }
  }
}

TEST_CASE("reconstruction comes closer to the original than removal alone") {
  for (const NetworkPtr& network : networks()) {
    INFO(network->name);
    Graph graph = traced(*network);
    const Coupling coupling = couple(graph);
    const Tensor x = random_pictures(graph, 60, 2), unseen = random_pictures(graph, 60, 7);
    const std::set<int> gone = choose(graph, coupling, l1_norm(graph, coupling), {.keep = 0.75});
    Graph removed = prune(graph, coupling, gone);
    Reconstruction result =
        *repair(graph, coupling, gone, pictures_of(x), {.positions = every_position});
    CHECK(result.gone == gone);
    Graph repaired = prune(result.graph, coupling, gone);
    for (const Tensor& pictures : {x, unseen}) {
      const Tensor target = output(graph, pictures);
      CHECK(square_distance(output(repaired, pictures), target) <
            square_distance(output(removed, pictures), target));
    }
  }
}

TEST_CASE("where nothing is to go nothing changes") {
  Graph graph = traced(*residual());
  const Coupling coupling = couple(graph);
  const Tensor x = random_pictures(graph, 4, 2);
  std::vector<int> all;
  for (const Group& group : coupling.groups) all.push_back(static_cast<int>(group.units.size()));
  Reconstruction result =
      *prune_by_reconstruction(graph, coupling, all, find_selection("lasso"), pictures_of(x));
  CHECK(result.gone.empty());
  CHECK(result.layers.empty());
  CHECK(max_abs_difference(output(result.graph, x), output(graph, x)) == 0);
}

TEST_CASE("a channel that has a copy can go without loss, through batch norm and bias") {
  for (const NetworkPtr& network : {chain(), biased()}) {
    INFO(network->name);
    Graph graph = traced(*network);
    const bool normed = network->name == "chain";
    for (Parameter* p : graph.parameters()) {
      if (!p->name.starts_with("a.")) continue;
      const size_t size = p->value.size() / static_cast<size_t>(p->value.dim(0));
      std::copy_n(p->value.data() + size, size, p->value.data() + 3 * size);  // 3 = 1
    }
    const Coupling coupling = couple(graph);
    const std::set<int> gone = units_of(coupling, normed ? "a.conv" : "a", {3});
    const Tensor x = random_pictures(graph, 30, 2);
    Graph removed = masked(graph, coupling, gone);
    Reconstruction result =
        *repair(graph, coupling, gone, pictures_of(x), {.positions = every_position});
    const Tensor target = output(graph, x);
    CHECK(square_distance(output(result.graph, x), target) <
          1e-4 * square_distance(output(removed, x), target));
  }
}

TEST_CASE("the lasso keeps what matters: one of two copies, none of the dead") {
  Graph graph = traced(*biased());
  Tensor w = graph.find("a.weight")->value, b = graph.find("a.bias")->value;
  const size_t size = w.size() / 6;
  std::copy_n(w.data() + size, size, w.data() + 3 * size);  // 3 = 1
  b[3] = b[1];
  for (const size_t dead : {size_t{0}, size_t{4}}) {
    std::fill_n(w.data() + dead * size, size, Scalar{0});
    b[dead] = 0;
  }
  const Coupling coupling = couple(graph);
  const Tensor x = random_pictures(graph, 30, 2);
  Reconstruction result = *prune_by_reconstruction(graph, coupling, {3, 4}, find_selection("lasso"),
                                                   pictures_of(x), {.positions = 30});
  CHECK(result.gone.size() == 3);
  const std::set<int> dead = units_of(coupling, "a", {0, 4}),
                      copies = units_of(coupling, "a", {1, 3});
  CHECK(std::includes(result.gone.begin(), result.gone.end(), dead.begin(), dead.end()));
  CHECK(std::count_if(copies.begin(), copies.end(), [&](int u) { return result.gone.count(u); }) ==
        1);
  REQUIRE(result.layers.size() == 1);
  REQUIRE(result.layers[0].solution.has_value());
  CHECK(result.layers[0].solution->violation < 1e-8);
  CHECK(result.layers[0].error.least_squares < 1e-5 * result.layers[0].error.target);
}

TEST_CASE("layers make up for what earlier ones lost") {
  // The last layer is solved for the same inputs twice: towards the original's response, and
  // towards that of a network whose first layer is pruned already.
  Graph graph = traced(*chain());
  const Coupling coupling = couple(graph);
  const Tensor x = random_pictures(graph, 60, 2);
  const Pictures pictures = pictures_of(x);
  const ReconstructOptions options{.positions = every_position};
  const std::set<int> first = units_of(coupling, "a.conv", {0, 2, 5, 6});
  std::set<int> both = units_of(coupling, "b.conv", {1, 3});
  const std::set<int> second = both;
  both.insert(first.begin(), first.end());

  Graph towards_original = repair(graph, coupling, both, pictures, options)->graph;
  const Graph halfway = repair(graph, coupling, first, pictures, options)->graph;
  Graph towards_pruned = repair(halfway, coupling, second, pictures, options)->graph;
  const Tensor target = output(graph, x);
  CHECK(square_distance(output(towards_original, x), target) <
        square_distance(output(towards_pruned, x), target));
}

TEST_CASE("the last layer of a branch minimises the error of the sum") {
  for (const NetworkPtr& network : {residual(), projection()}) {
    INFO(network->name);
    Graph graph = traced(*network);
    const Coupling coupling = couple(graph);
    const Tensor x = random_pictures(graph, 80, 2);
    Reconstruction result = reconstructed(graph, coupling, x);
    const std::vector<Mixer> all = mixers(graph);
    // Of the sum that is computed last.
    const auto mixer = std::find_if(all.rbegin(), all.rend(),
                                    [&](const Mixer& m) { return earlier_operand(graph, m) >= 0; });
    REQUIRE(mixer != all.rend());
    const std::string last = graph.node_name(static_cast<size_t>(mixer->node));
    const int end = mixer->norm >= 0 ? graph.nodes[static_cast<size_t>(mixer->norm)].out : mixer->y;
    const int sum =
        graph.nodes[static_cast<size_t>(consumers(graph)[static_cast<size_t>(end)][0])].out;
    // Only the channels that stay count.
    const Tensor target = tap(graph, x, sum);
    const std::vector<bool> gone = gone_at(coupling, result.gone, {sum, 3}, target.dim(3));
    const auto error = [&](Graph& g) { return square_left(tap(g, x, sum), target, gone); };
    const double least = error(result.graph);
    Random random(3, Purpose::test);
    for (int trial = 0; trial < 10; ++trial) {
      Graph other = result.graph;
      const Tensor w = other.find(last + ".weight")->value;
      const Tensor b = other.find(last + ".bias")->value;
      for (size_t i = 0; i < w.size(); ++i) {
        if (w[i] != 0) w[i] += 0.05F * random.normal();
      }
      for (size_t i = 0; i < b.size(); ++i) b[i] += 0.05F * random.normal();
      CHECK(error(other) > least);
    }
  }
}

TEST_CASE("aiming at the sum makes up for what the shortcut lost") {
  // A projection is solved for itself and leaves little to make up for: no worse is all that holds.
  for (const auto& [network, most] : {std::pair{residual(), 0.999}, {projection(), 1.0}}) {
    INFO(network->name);
    Graph graph = traced(*network);
    const Coupling coupling = couple(graph);
    const Tensor x = random_pictures(graph, 80, 2);
    const auto with = [&](bool residual_target) {
      ReconstructOptions options{.positions = every_position};
      options.residual_target = residual_target;
      return reconstructed(graph, coupling, x, "lasso", options);
    };
    Reconstruction aiming = with(true), other = with(false);
    REQUIRE(aiming.gone == other.gone);
    // Up to the last sum, the layer before it is all that differs.
    const auto add = std::find_if(graph.nodes.rbegin(), graph.nodes.rend(),
                                  [](const Node& node) { return node.op->name() == "add"; });
    const Tensor target = tap(graph, x, add->out);
    const std::vector<bool> gone = gone_at(coupling, aiming.gone, {add->out, 3}, target.dim(3));
    CHECK(square_left(tap(aiming.graph, x, add->out), target, gone) <
          most * square_left(tap(other.graph, x, add->out), target, gone));
  }
}

TEST_CASE("a layer is solved for before its batch norm, whose statistics come true") {
  Graph graph = traced(*chain());
  const Coupling coupling = couple(graph);
  const Tensor x = random_pictures(graph, 60, 2);
  Reconstruction result = reconstructed(graph, coupling, x);
  const Tensor y = tap(result.graph, x, output_of(result.graph, "b.conv"));
  const int channels = y.dim(3);
  for (int c = 0; c < channels; ++c) {
    double sum = 0, square = 0;
    const double n = static_cast<double>(y.size()) / channels;
    for (size_t i = static_cast<size_t>(c); i < y.size(); i += static_cast<size_t>(channels)) {
      sum += double{y[i]};
      square += double{y[i]} * double{y[i]};
    }
    const double mean = sum / n;
    const auto i = static_cast<size_t>(c);
    CHECK(double{result.graph.find("b.bn.running_mean")->value[i]} == Approx(mean).margin(1e-4));
    CHECK(double{result.graph.find("b.bn.running_var")->value[i]} ==
          Approx(square / n - mean * mean).margin(1e-4));
  }
}

TEST_CASE("rules are compared on the same layer, and the least squares repair all of them") {
  Graph graph = traced(*residual());
  const Coupling coupling = couple(graph);
  const Tensor x = random_pictures(graph, 30, 2);
  ReconstructOptions options{.positions = every_position};
  options.compare = true;
  Reconstruction result = reconstructed(graph, coupling, x, "lasso", options);
  int compared = 0;
  for (const ReconstructedLayer& layer : result.layers) {
    if (layer.trials.empty()) continue;  // its channels were chosen before
    ++compared;
    REQUIRE(layer.trials.size() == selections().size());
    CHECK(layer.trials[0].selection == "lasso");
    CHECK(layer.trials[0].error.least_squares == Approx(layer.error.least_squares));
    CHECK(layer.trials[0].error.naive == Approx(layer.error.naive));
    for (const Trial& trial : layer.trials) {
      CHECK(trial.error.target == Approx(layer.error.target));
      CHECK(trial.error.least_squares <= trial.error.bias_only);
    }
  }
  CHECK(compared == 3);
  // Comparing changes nothing.
  Reconstruction alone = reconstructed(graph, coupling, x);
  CHECK(max_abs_difference(output(alone.graph, x), output(result.graph, x)) == 0);
}

TEST_CASE("on trained networks the lasso's layers answer better than first or random ones'") {
  // Of one layer at half its inputs, over ten trained networks. What data make of it is not ours
  // to decide: an average that goes the other way is told and fails nothing.
  const Dataset& data = small_data();
  std::map<std::string, double> naive, solved;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SmallNet net(seed);
    TrainOptions training = small_options();
    training.seed = seed;
    fit(net, data, training);
    const Graph graph = trace(net, {1, 16, 16, 3});
    const Coupling coupling = couple(graph);
    ReconstructOptions options{.positions = every_position, .seed = seed};
    options.compare = true;
    const Pictures pictures = sample_pictures(data.train, data.mean, data.std, 0, seed);
    const Reconstruction result = *prune_by_reconstruction(
        graph, coupling, {4, 16}, find_selection("lasso"), pictures, options);
    REQUIRE(result.layers.size() == 1);
    for (const Trial& trial : result.layers[0].trials) {
      CHECK(trial.error.least_squares < trial.error.naive);
      naive[trial.selection] += trial.error.naive / trial.error.target / 10;
      solved[trial.selection] += trial.error.least_squares / trial.error.target / 10;
    }
  }
  for (const auto& [name, error] : solved) {
    UNSCOPED_INFO(name << ": " << naive[name] << " naive, " << error << " solved for");
  }
  CHECK_NOFAIL(solved["lasso"] < solved["first"]);
  CHECK_NOFAIL(solved["lasso"] < solved["random"]);
}

TEST_CASE("reconstruction has the same bits for any number of threads", "[threads]") {
  const int before = thread_count();
  Graph graph = traced(*residual());
  const Coupling coupling = couple(graph);
  const Tensor x = random_pictures(graph, 70, 2);  // more than a batch
  std::vector<Tensor> outputs;
  for (const int threads : {1, 2, 3}) {
    set_thread_count(threads);
    Reconstruction result = reconstructed(graph, coupling, x, "lasso", {.positions = 6});
    outputs.push_back(output(result.graph, x));
    CHECK(max_abs_difference(outputs.back(), outputs.front()) == 0);
  }
  set_thread_count(before);
  // Other positions, other weights.
  Reconstruction other = reconstructed(graph, coupling, x, "lasso", {.positions = 6, .seed = 2});
  CHECK(max_abs_difference(output(other.graph, x), outputs.front()) > 0);
}

TEST_CASE("a layer that reads too much is left as it is, and its inputs chosen by l1") {
  Network wide("wide", {1, 16, 16, 3}, 1);
  Layer& a = wide.add<Conv2d>("a", 3, 33, 1, ConvOptions{}, wide.init);
  Layer& head = wide.head(33 * 256);
  wide.run = [&](Var x) { return head.forward(flatten(relu(a.forward(x)))); };
  Graph graph = traced(wide);
  const Coupling coupling = couple(graph);
  const Tensor x = random_pictures(graph, 2, 2);
  Reconstruction result = reconstructed(graph, coupling, x);
  REQUIRE(result.layers.size() == 1);
  CHECK(result.layers[0].unsolved ==
        "reads 8448 numbers at once, more than the 8192 whose moments fit memory");
  CHECK(result.gone == choose(graph, coupling, l1_norm(graph, coupling), {.keep = 0.5}));
  CHECK(max_abs_difference(output(result.graph, x), [&] {
          Graph plain = masked(graph, coupling, result.gone);
          return output(plain, x);
        }()) == 0);
}

TEST_CASE("transposed convolutions are named as what is not solved for") {
  Graph graph = traced(*transposed());
  const Coupling coupling = couple(graph);
  const Tensor x = random_pictures(graph, 20, 2);
  const Reconstruction result = reconstructed(graph, coupling, x);
  std::vector<std::string> unsolved;
  for (const ReconstructedLayer& layer : result.layers) {
    if (layer.unsolved.empty()) continue;
    unsolved.push_back(layer.name);
    CHECK(layer.kept < layer.channels);
    CHECK(contains(layer.unsolved, "transposed"));
  }
  CHECK(unsolved == std::vector<std::string>{"up", "grouped"});  // deep mixes nothing
}

TEST_CASE("reconstruction stops when asked, and refuses what makes no sense") {
  Graph graph = traced(*chain());
  const Coupling coupling = couple(graph);
  const Pictures pictures = pictures_of(random_pictures(graph, 4, 2));
  std::atomic<bool> stop = true;
  ReconstructOptions options;
  options.stop = &stop;
  const Selection& lasso = find_selection("lasso");
  CHECK_FALSE(
      prune_by_reconstruction(graph, coupling, {4, 3}, lasso, pictures, options).has_value());
  CHECK_FALSE(repair(graph, coupling, {0}, pictures, options).has_value());
  CHECK(contains(complaint([&] { prune_by_reconstruction(graph, coupling, {4}, lasso, pictures); }),
                 "1 widths for 2 groups"));
  CHECK(contains(complaint([&] {
                   prune_by_reconstruction(graph, coupling, {4, 0}, lasso, pictures);
                 }),
                 "group 'b.conv' should keep 0 units"));
  CHECK(contains(complaint([] { find_selection("laso"); }), "did you mean 'lasso'?"));
}
