// Penalties that drive channels apart while a network is trained: on batch norm's factors and on
// whole units; and how far the cut that follows may go.
#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "compress/choose.h"
#include "compress/cliff.h"
#include "compress/explicit_scales.h"
#include "compress/group_sparsity.h"
#include "compress/lasso.h"
#include "compress/prune.h"
#include "compress/scale_sparsity.h"
#include "tests/catch.h"
#include "tests/lasso_case.h"
#include "tests/networks.h"
#include "tests/train_fixture.h"
#include "zoo/zoo.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

int zeros(const std::vector<Parameter*>& scales) {
  int count = 0;
  for (const Parameter* p : scales) {
    for (size_t i = 0; i < p->value.size(); ++i) count += p->value[i] == 0 ? 1 : 0;
  }
  return count;
}

// Ones, so that sums with them show what was added.
void set_gradients(Graph& graph) {
  for (Parameter* p : graph.parameters()) {
    if (p->trainable) p->grad = Tensor(p->value.shape(), 1);
  }
}

// The numbers of a unit by another way: those that masking it alone sets to zero.
std::vector<std::vector<std::pair<Parameter*, size_t>>> numbers_of_units(Graph& graph,
                                                                         const Coupling& coupling) {
  std::vector<std::vector<std::pair<Parameter*, size_t>>> all;
  for (size_t u = 0; u < coupling.units.size(); ++u) {
    Graph without = masked(graph, coupling, {static_cast<int>(u)});
    auto& numbers = all.emplace_back();
    const auto ours = graph.parameters(), theirs = without.parameters();
    for (size_t p = 0; p < ours.size(); ++p) {
      for (size_t i = 0; ours[p]->trainable && i < ours[p]->value.size(); ++i) {
        if (ours[p]->value[i] != 0 && theirs[p]->value[i] == 0) numbers.emplace_back(ours[p], i);
      }
    }
  }
  return all;
}

}  // namespace

TEST_CASE("the soft threshold shrinks towards zero and stops there") {
  CHECK(soft_threshold(3, 1) == 2);
  CHECK(soft_threshold(-3, 1) == -2);
  CHECK(soft_threshold(Scalar(0.5), 1) == 0);
  CHECK(soft_threshold(Scalar(-0.5), 1) == 0);
  CHECK(soft_threshold(0, 1) == 0);
  CHECK(soft_threshold(Scalar(0.25), 0) == Scalar(0.25));
}

TEST_CASE("the subgradient of the factors' magnitudes goes to batch norm's gamma alone") {
  Graph graph = traced(*residual());
  const std::vector<Parameter*> scales = batch_norm_scales(graph);
  size_t norms = 0;
  for (const Node& node : graph.nodes) norms += node.op->name() == "batch_norm" ? 1 : 0;
  REQUIRE(scales.size() == norms);
  scales[0]->value[0] = 0;
  scales[0]->value[1] = -2;
  set_gradients(graph);
  ScaleSparsity penalty(scales, 0.25F, ScaleMethod::subgradient);
  penalty.add_to_gradients();
  penalty.after_update(1);  // the other method's
  CHECK(scales[0]->value[1] == -2);
  for (Parameter* p : graph.parameters()) {
    INFO(p->name);
    if (!p->trainable) continue;
    const bool scale = std::find(scales.begin(), scales.end(), p) != scales.end();
    for (size_t i = 0; i < p->grad.size(); ++i) {
      const Scalar s = p->value[i];
      const Scalar sign = s > 0 ? Scalar(0.25) : s < 0 ? Scalar(-0.25) : Scalar(0);
      REQUIRE(p->grad[i] == 1 + (scale ? sign : 0));
    }
  }
  CHECK(complaint([] { ScaleSparsity({}, 1, ScaleMethod::proximal); }) ==
        "scale sparsity: the network has no factors of channels");
}

TEST_CASE("proximal steps end at the solution of the LASSO, its exact zeros among them") {
  const LassoCase lasso;
  constexpr int columns = static_cast<int>(LassoCase::columns);
  const std::vector<double>& expected = lasso.solution;
  const auto descend = [&](ScaleMethod method, const OptimiserOptions& options) {
    Parameter x{.name = "x", .value = Tensor({columns}, 1)};
    ScaleSparsity penalty({&x}, static_cast<float>(lasso.alpha), method);
    const auto optimiser = make_optimiser({&x}, options);
    for (int step = 0; step < 2000; ++step) {
      x.grad = lasso.gradient(x.value);
      penalty.add_to_gradients();
      optimiser->step(0.02F);
      penalty.after_update(optimiser->reach(0.02F));
    }
    return x.value.clone();
  };
  for (const float momentum : {0.0F, 0.9F}) {
    INFO("momentum " << momentum);
    const OptimiserOptions sgd{.momentum = momentum, .nesterov = false, .weight_decay = 0};
    const Tensor found = descend(ScaleMethod::proximal, sgd);
    const Tensor jitters = descend(ScaleMethod::subgradient, sgd);
    int exact = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
      CHECK(std::abs(double{found[i]} - expected[i]) < 1e-5);
      CHECK((found[i] == 0) == (expected[i] == 0));
      CHECK(std::abs(double{jitters[i]} - expected[i]) < 0.05);
      CHECK(jitters[i] != 0);
      exact += found[i] == 0 ? 1 : 0;
    }
    CHECK(exact >= 3);
    CHECK(exact < columns);
  }
}

TEST_CASE("a training with a proximal penalty leaves factors that are exactly zero") {
  const auto zeros_after = [](float strength, ScaleMethod method) {
    SmallNet net;
    Graph graph = trace(net, small_data().input_shape());
    ScaleSparsity penalty(batch_norm_scales(graph), strength, method);
    TrainOptions training = small_options();
    training.epochs = 8;
    training.penalty = &penalty;
    fit(graph, small_data(), training);
    return zeros(batch_norm_scales(graph));
  };
  CHECK(zeros_after(0.2F, ScaleMethod::proximal) > 4);
  CHECK(zeros_after(0, ScaleMethod::proximal) == 0);
  CHECK(zeros_after(0.2F, ScaleMethod::subgradient) == 0);
}

TEST_CASE("the group penalty makes all of a unit decay, the weakest units the fastest") {
  for (const NetworkPtr& network : networks()) {
    INFO(network->name);
    Graph graph = traced(*network);
    const Coupling coupling = couple(graph);
    const auto numbers = numbers_of_units(graph, coupling);
    const std::vector<double> norms = unit_norms(graph, coupling, unit_weights(graph, coupling));
    std::vector<double> expected;
    for (const auto& unit : numbers) {
      double sum = 0;
      for (const auto& [p, i] : unit) sum += double{p->value[i]} * double{p->value[i]};
      expected.push_back(std::sqrt(sum));
      CHECK(norms[expected.size() - 1] == Approx(expected.back()));
    }
    set_gradients(graph);
    std::map<Parameter*, Tensor> wanted;
    for (Parameter* p : graph.parameters()) {
      if (p->trainable) wanted[p] = p->grad.clone();
    }
    for (const Group& group : coupling.groups) {
      double least = 1e30, most = 0;
      for (const int u : group.units) {
        least = std::min(least, expected[static_cast<size_t>(u)]);
        most = std::max(most, expected[static_cast<size_t>(u)]);
      }
      for (const int u : group.units) {
        const double n = expected[static_cast<size_t>(u)];
        const double factor = std::pow(16, (most - n) / (most - least));
        for (const auto& [p, i] : numbers[static_cast<size_t>(u)]) {
          wanted[p][i] += static_cast<Scalar>(0.01 * factor * double{p->value[i]});
        }
      }
    }
    GroupSparsity(graph, 0.01F).add_to_gradients();
    for (const auto& [p, gradient] : wanted) {
      INFO(p->name);
      CHECK(max_abs_difference(p->grad, gradient) < 1e-5);
    }
    clear_gradients(graph.parameters());
  }
}

TEST_CASE("residual and dense networks come apart under the group penalty and can be cut",
          "[slow]") {
  for (const char* name : {"resnet20", "densenet40"}) {
    INFO(name);
    const auto trained = [&](float strength) {
      zoo::Options options{.classes = 10, .width = 0.25F, .input = {16, 16, 3}};
      Graph graph = trace(*zoo::make(name, options), small_data().input_shape());
      GroupSparsity penalty(graph, strength);
      TrainOptions training = small_options();
      training.epochs = 2;
      training.penalty = &penalty;
      fit(graph, small_data(), training);
      return graph;
    };
    // The weakest unit of a group against its strongest, the mean over the groups.
    const auto contrast = [](const Graph& graph) {
      const Coupling coupling = couple(graph);
      const std::vector<double> norms = unit_norms(graph, coupling, unit_weights(graph, coupling));
      double sum = 0;
      for (const Group& group : coupling.groups) {
        double least = 1e30, most = 0;
        for (const int u : group.units) {
          least = std::min(least, norms[static_cast<size_t>(u)]);
          most = std::max(most, norms[static_cast<size_t>(u)]);
        }
        sum += least / most;
      }
      return sum / static_cast<double>(coupling.groups.size());
    };
    const Graph apart = trained(0.05F);
    CHECK(contrast(apart) < 0.8 * contrast(trained(0)));

    const Coupling coupling = couple(apart);
    const Scores scores = group_norm(Evidence(apart, coupling));
    const std::set<int> gone =
        choose(apart, coupling, scores, {.macs = 0.5, .spread = Spread::global, .floor = 0.1});
    Graph small = prune(apart, coupling, gone), silent = masked(apart, coupling, gone);
    CHECK(2 * total_cost(small).macs <= total_cost(apart).macs);
    const Tensor x = random_pictures(apart, 2, 1);
    CHECK(max_abs_difference(output(small, x), output(silent, x)) < 1e-4);
  }
}

TEST_CASE("the score by group norm compares units with their group's mean") {
  Graph graph = traced(*residual());
  const Coupling coupling = couple(graph);
  const Scores scores = group_norm(Evidence(graph, coupling));
  const std::vector<double> norms = unit_norms(graph, coupling, unit_weights(graph, coupling));
  for (const Group& group : coupling.groups) {
    double mean = 0, sum = 0;
    for (const int u : group.units) {
      mean += norms[static_cast<size_t>(u)] / static_cast<double>(group.units.size());
    }
    for (const int u : group.units) {
      sum += scores[static_cast<size_t>(u)];
      CHECK(scores[static_cast<size_t>(u)] == Approx(norms[static_cast<size_t>(u)] / mean));
    }
    CHECK(sum == Approx(static_cast<double>(group.units.size())));
  }
}

TEST_CASE("the cliff starts at the whole network, removes ever more, and keeps to the floor") {
  SmallNet net(2);
  Graph graph = trace(net, small_data().input_shape());
  fit(graph, small_data(), small_options());
  const Coupling coupling = couple(graph);
  Scores scores(coupling.units.size());
  for (size_t u = 0; u < scores.size(); ++u) {  // the first group would go entirely
    scores[u] = static_cast<double>(u) + (coupling.units[u].group == 0 ? 0 : 100);
  }
  const Judge judge{small_data().test, small_data().mean, small_data().std};
  Loader loader(small_data().train, small_data().mean, small_data().std, {.batch = 24});
  std::vector<Batch> calibration(1);
  loader.start(0);
  loader.next(calibration[0]);
  const auto points =
      measure_cliff(graph, coupling, scores, judge, calibration, {.step = 0.25, .floor = 0.25});
  REQUIRE(points.size() == 4);
  CHECK(points[0].units == 0);
  CHECK(points[0].macs == 1);
  CHECK(points[0].without.pruned.accuracy == judged(graph, judge)->accuracy);
  for (size_t i = 1; i < points.size(); ++i) {
    CHECK(points[i].units > points[i - 1].units);
    CHECK(points[i].macs < points[i - 1].macs);
  }
  // Of 8 and 16 units: half would be all 8 and 4, but 2 of the 8 stay.
  CHECK(points[2].units == 6 + 4);
  CHECK(measure_cliff(graph, coupling, scores, judge, calibration, {.step = 0.25, .floor = 0})[2]
            .units == 7 + 4);  // one always stays
}

TEST_CASE("explicit factors change nothing at first and fold away exactly") {
  for (const NetworkPtr& network : networks()) {
    INFO(network->name);
    Graph graph = traced(*network);
    const Tensor x = random_pictures(graph, 3, 1);
    Graph scaled = with_scales(graph);
    scaled.infer_shapes(scaled.input_shape());
    CHECK(max_abs_difference(output(scaled, x), output(graph, x)) == 0);
    const Coupling coupling = couple(scaled);
    const size_t added = channel_scales(scaled).size() - channel_scales(graph).size();
    CHECK(scaled.nodes.size() == graph.nodes.size() + added);
    if (network->name == "biased") CHECK(added == 2);
    if (network->name == "residual") CHECK(added == 0);  // batch norm scales every channel
    Random random(4, Purpose::test);
    for (const Parameter* p : scaled.parameters()) {
      if (!p->name.ends_with(".scale")) continue;
      for (size_t i = 0; i < p->value.size(); ++i) p->value[i] = random.uniform(-2, 2);
    }
    const Tensor expected = output(scaled, x);
    Graph folded = fold_scales(scaled);
    CHECK(folded.nodes.size() <= graph.nodes.size());
    CHECK(max_abs_difference(output(folded, x), expected) < 1e-4);
    if (added > 0) CHECK(max_abs_difference(output(graph, x), expected) > 1e-3);
  }
}

TEST_CASE("units whose explicit factor is zero can go, and nothing else changes") {
  Graph graph = with_scales(traced(*biased()));
  const Tensor x = random_pictures(graph, 3, 1);
  Parameter* scale = graph.find("a.scale");
  REQUIRE(scale != nullptr);
  scale->value[1] = scale->value[4] = 0;
  const Coupling coupling = couple(graph);
  const Scores scores = bn_scale(Evidence(graph, coupling));
  std::set<int> gone;
  for (size_t u = 0; u < scores.size(); ++u) {
    if (scores[u] == 0) gone.insert(static_cast<int>(u));
  }
  CHECK(gone.size() == 2);
  Graph small = fold_scales(prune(graph, coupling, gone));
  CHECK(max_abs_difference(output(small, x), output(graph, x)) < 1e-5);
  gone.insert(0);  // a unit that is in use
  Graph smaller = fold_scales(prune(graph, coupling, gone));
  CHECK(max_abs_difference(output(smaller, x), output(graph, x)) > 1e-3);
}
