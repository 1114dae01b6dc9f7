// Sensitivity's figures are those of networks pruned and tested by hand.
#include "compress/sensitivity.h"

#include <set>

#include "compress/calibration.h"
#include "compress/choose.h"
#include "compress/prune.h"
#include "compress/recalibrate.h"
#include "layers/evaluate.h"
#include "tests/catch.h"
#include "tests/networks.h"
#include "tests/train_fixture.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

// A residual network for 16x16 pictures of ten classes, with random weights.
Graph residual_classifier() {
  Network network("residual_classifier", {1, 16, 16, 3}, 2);
  Layer& stem = network.block("stem", 3, 8, 3, {.stride = 2, .padding = 1});
  Layer& a = network.block("a", 8, 6, 3, {.padding = 1});
  Layer& b = network.add<Conv2d>("b", 6, 8, 3, ConvOptions{.padding = 1}, network.init);
  Layer& norm = network.add<BatchNorm>("norm", 8);
  Layer& head = network.add<Linear>("out", 8, 10, network.init);
  network.run = [&](Var x) {
    const Var y = stem.forward(x);
    return head.forward(global_average_pool(relu(add(y, norm.forward(b.forward(a.forward(y)))))));
  };
  return traced(network);
}

struct Setting {
  Graph graph = residual_classifier();
  Coupling coupling = couple(graph);
  Scores scores = l1_norm(graph, coupling);
  const Dataset& data = small_data();
  Judge judge{data.test, data.mean, data.std};
  std::vector<Batch> calibration =
      calibration_batches(data.train, data.mean, data.std, {.images = 32, .batch = 16});

  Sensitivity measured(const SensitivityOptions& options) const {
    return measure_sensitivity(graph, coupling, scores, judge, calibration, options);
  }
  Accuracy tested(Graph& network) const {
    const Evaluation e = evaluate(network, judge.images, judge.mean, judge.deviation);
    return {e.loss, e.accuracy};
  }
};

}  // namespace

TEST_CASE("every point is the network pruned, tested, recalibrated and tested again") {
  const Setting s;
  const Sensitivity sensitivity = s.measured({.step = 0.25});
  Graph whole = s.graph;
  CHECK(sensitivity.whole.loss == s.tested(whole).loss);
  REQUIRE(sensitivity.groups.size() == 2);  // stem and b are one group, and have one row
  CHECK(sensitivity.groups[0].group == "stem.conv");
  for (size_t g = 0; g < 2; ++g) {
    const GroupSensitivity& group = sensitivity.groups[g];
    REQUIRE(group.points.size() == 3);
    int last = 0;
    for (const SensitivityPoint& point : group.points) {
      CHECK(point.units > last);
      last = point.units;
      const std::set<int> gone =
          choose(s.graph, s.coupling, s.scores, {.groups = {{group.group, 1 - point.part}}});
      CHECK(gone.size() == static_cast<size_t>(point.units));
      Graph small = prune(s.graph, s.coupling, gone);
      const Accuracy pruned = s.tested(small);
      recalibrate(small, s.calibration);
      const Accuracy repaired = s.tested(small);
      CHECK(point.without.pruned.loss == Approx(pruned.loss).margin(1e-9));
      CHECK(point.without.pruned.accuracy == pruned.accuracy);
      CHECK(point.without.recalibrated.loss == Approx(repaired.loss).margin(1e-9));
      CHECK(point.without.pruned.loss != sensitivity.whole.loss);
    }
  }
}

TEST_CASE("without anything removed nothing is lost, to the bit") {
  const Setting s;
  const Sensitivity sensitivity = s.measured({.step = 0.5});
  const auto without = judged_without(s.graph, s.coupling, {}, s.judge, s.calibration);
  REQUIRE(without);
  CHECK(without->pruned.loss == sensitivity.whole.loss);
  CHECK(without->pruned.accuracy == sensitivity.whole.accuracy);
}

TEST_CASE("a step that asks for no more than the one before is left out") {
  const Setting s;
  const Sensitivity sensitivity = s.measured({.step = 0.1});
  // 8 units: 10 % is 1, 20 % is 2, 30 % is 3, 40 % is 4, 50 % too, ...
  std::set<int> units;
  for (const SensitivityPoint& point : sensitivity.groups[0].points) {
    CHECK(point.units > 0);
    CHECK(units.insert(point.units).second);
  }
  CHECK(*units.rbegin() == 7);
}

TEST_CASE("a signal leaves the groups that were measured") {
  const Setting s;
  std::atomic<bool> stop = false;
  int shown = 0, total_points = 0;
  const Sensitivity sensitivity = s.measured({.step = 0.25,
                                              .progress =
                                                  [&](int done, int total) {
                                                    CHECK(done == ++shown);
                                                    total_points = total;
                                                    stop = done == 5;  // in the second group
                                                  },
                                              .stop = &stop});
  CHECK(sensitivity.stopped);
  CHECK(total_points == 7);
  CHECK(sensitivity.groups.size() == 1);
  CHECK_FALSE(s.measured({.step = 0.5}).stopped);
}

TEST_CASE("traits of groups: layers, readers, change of size, rank of activations") {
  const Setting s;
  const std::vector<GroupTraits> traits = traits_of_groups(s.graph, s.coupling, s.calibration);
  CHECK(traits[0].layers == 2);   // stem, b
  CHECK(traits[0].readers == 2);  // a, out
  CHECK(traits[0].stage_boundary);
  CHECK(traits[0].channels == 8);
  CHECK(traits[1].layers == 1);
  CHECK(traits[1].readers == 1);
  CHECK_FALSE(traits[1].stage_boundary);
  CHECK(traits[1].effective_rank > 1);

  // Channels that repeat one another add no direction.
  Graph repeated = s.graph;
  for (const char* name :
       {"a.conv.weight", "a.bn.weight", "a.bn.bias", "a.bn.running_mean", "a.bn.running_var"}) {
    const Tensor w = repeated.find(name)->value;
    const size_t length = w.size() / 6;
    for (size_t i = length; i < w.size(); ++i) w[i] = w[i % length];
  }
  CHECK(traits_of_groups(repeated, s.coupling, s.calibration)[1].effective_rank == 1);
}

TEST_CASE("the sentence says what was lost and why it may be") {
  GroupSensitivity group{
      .group = "stage2.0.conv1",
      .units = 32,
      .points = {{0.5, 16, {{1.5, 0.6}, {1.0, 0.8}}}},
      .traits = {
          .channels = 32, .effective_rank = 30, .layers = 1, .readers = 3, .stage_boundary = true}};
  CHECK(explain(group, {0.5, 0.9}) ==
        "sensitive: without 16 of 32 channels 30.0 points lost, 10.0 after "
        "recalibration; at a change of the map's size; read by 3 layers; activations fill as many "
        "as 30 of 32 directions");
  group.points[0] = {0.5, 16, {{0.5, 0.899}, {0.5, 0.9}}};
  group.traits = {.channels = 32, .effective_rank = 9, .layers = 4, .readers = 1};
  CHECK(explain(group, {0.5, 0.9}) ==
        "robust: without 16 of 32 channels 0.1 points lost; shared by 4 layers; "
        "activations fill only 9 of 32 directions");
  group.points.clear();
  CHECK(explain(group, {0.5, 0.9}) == "cannot lose a channel");
}

TEST_CASE("a step that makes no sense is refused") {
  const Setting s;
  for (const double step : {0.0, -0.1, 0.6}) {
    CHECK(complaint([&] { s.measured({.step = step}); }).find("step") != std::string::npos);
  }
}
