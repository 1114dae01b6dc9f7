// Agreement of criteria with the oracle and with one another.
#include "compress/criteria_comparison.h"

#include <algorithm>
#include <cmath>

#include "compress/calibration.h"
#include "compress/choose.h"
#include "compress/oracle.h"
#include "compress/prune.h"
#include "layers/evaluate.h"
#include "tests/catch.h"
#include "tests/networks.h"
#include "tests/train_fixture.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

struct Setting {
  Setting() {
    SmallNet net(3, 6);
    randomize(net, 5);
    graph = trace(net, {1, 16, 16, 3});
    coupling = couple(graph);
    calibration = calibration_batches(data.train, data.mean, data.std, {.images = 32, .batch = 16});
  }

  const Dataset& data = small_data();
  Graph graph;
  Coupling coupling;
  std::vector<Batch> calibration;
};

}  // namespace

TEST_CASE("agreement is taken within groups and averaged by their units") {
  const Graph graph = traced(*chain());  // groups of 8 and 6 units
  const Coupling coupling = couple(graph);
  Scores scores(14);
  std::map<int, double> oracle;
  const std::vector<int>&a = coupling.groups[0].units, &b = coupling.groups[1].units;
  for (size_t i = 0; i < 8; ++i) {  // the same order, on quite another scale
    scores[static_cast<size_t>(a[i])] = static_cast<double>(i);
    oracle[a[i]] = 1000 * static_cast<double>(i);
  }
  for (size_t i = 0; i < 4; ++i) {  // the opposite order, of the four that were measured
    scores[static_cast<size_t>(b[i])] = -static_cast<double>(i);
    oracle[b[i]] = static_cast<double>(i);
  }
  const Agreement found = agreement(coupling, scores, oracle);
  REQUIRE(found.groups[0]);
  REQUIRE(found.groups[1]);
  CHECK(found.groups[0]->spearman == Approx(1));
  CHECK(found.groups[1]->kendall == Approx(-1));
  CHECK(found.groups[1]->units == 4);
  CHECK(found.spearman == Approx((8.0 - 4.0) / 12));
  oracle.erase(b[0]);
  oracle.erase(b[1]);
  CHECK_FALSE(agreement(coupling, scores, oracle).groups[1]);
}

TEST_CASE("overlap is Jaccard's index") {
  CHECK(overlap({1, 2, 3}, {2, 3, 4}) == Approx(0.5));
  CHECK(overlap({1, 2}, {3}) == 0);
  CHECK(overlap({1}, {1}) == 1);
  CHECK(overlap({}, {}) == 1);
}

TEST_CASE("the ratio of norms tells normal, flat and peaked filters apart") {
  Graph graph = traced(*chain());
  const Coupling coupling = couple(graph);
  const Tensor w = graph.find("b.conv.weight")->value;  // 6 filters of 72 weights
  const size_t length = w.size() / 6;
  const auto ratio = [&] { return norm_ratios(Evidence(graph, coupling))[1]; };
  for (size_t f = 0; f < 6; ++f) {
    std::fill_n(w.data() + f * length, length, static_cast<Scalar>(f + 1));
  }
  CHECK(ratio().mean == Approx(1));
  CHECK(ratio().deviation == Approx(0).margin(1e-6));
  CHECK(ratio().spearman == Approx(1));
  for (size_t i = 0; i < w.size(); ++i) w[i] = i % length == 0 ? 1 : 0;
  CHECK(ratio().mean == Approx(std::sqrt(72.0)));
  Random random(3, Purpose::test);
  for (size_t i = 0; i < w.size(); ++i) w[i] = random.normal();
  CHECK(ratio().mean == Approx(std::sqrt(std::acos(-1.0) / 2)).epsilon(0.05));
  CHECK(ratio().filters == 6);
  for (size_t i = 0; i < w.size(); ++i) w[i] = 0;
  CHECK(ratio().filters == 0);
}

TEST_CASE(
    "every criterion is compared, the oracle agrees with itself, and curves are pruned networks") {
  const Setting s;
  const Evidence evidence(s.graph, s.coupling, s.calibration);
  const std::vector<int> units = sample_units(s.coupling, 0, 1);
  const std::vector<double> increase = loss_increase(s.graph, s.coupling, units, s.calibration);
  std::map<int, double> oracle;
  for (size_t i = 0; i < units.size(); ++i) oracle[units[i]] = increase[i];
  std::vector<ComparedCriterion> compared = compared_criteria(evidence, oracle);
  REQUIRE(compared.size() == criteria().size() + 1);
  CHECK(compared.back().name == "oracle");
  CHECK(compared.back().agreement.spearman == Approx(1));
  for (const ComparedCriterion& c : compared) CHECK(c.refused.empty() == (c.name != "gate"));

  const Judge judge{s.data.test, s.data.mean, s.data.std};
  int shown = 0;
  REQUIRE(measure_curves(compared, evidence, judge, s.calibration,
                         {.parts = {0.5}, .progress = [&](int, int) { ++shown; }}));
  CHECK(shown == static_cast<int>(compared.size()) - 1);
  const ComparedCriterion& l1 = compared.front();
  CHECK(l1.chosen == choose(s.graph, s.coupling, l1_norm(s.graph, s.coupling), {.keep = 0.5}));
  Graph small = prune(s.graph, s.coupling, l1.chosen);
  CHECK(l1.curve.at(0).pruned.loss ==
        Approx(evaluate(small, judge.images, judge.mean, judge.deviation).loss));

  // Some units alone make no criterion of the oracle.
  oracle.erase(oracle.begin());
  CHECK(compared_criteria(evidence, oracle).back().name == "random");
  const std::atomic<bool> stop = true;
  CHECK_FALSE(
      measure_curves(compared, evidence, judge, s.calibration, {.parts = {0.5}, .stop = &stop}));
}

TEST_CASE("a criterion that cannot score a network is left out with its reason") {
  const Graph graph = traced(*biased());  // no batch norm, no relu
  const Coupling coupling = couple(graph);
  const std::vector<Batch> pictures = {
      {.images = random_pictures(graph, 4, 3), .labels = Tensor({4})}};
  for (const ComparedCriterion& c : compared_criteria(Evidence(graph, coupling, pictures), {})) {
    CHECK(c.refused.empty() == (c.name != "apoz" && c.name != "bn_scale" && c.name != "gate"));
  }
}

TEST_CASE("the sentence on norms says whether they rank alike") {
  const std::string alike = explain_norms({{"a", 10, 1.25, 0.01, 0.99}}, 0.95);
  CHECK(contains(alike, "both rank alike"));
  CHECK(contains(alike, "both remove 95 %"));
  CHECK(contains(explain_norms({{"a", 10, 2.0, 0.5, 0.4}}, 0.4), "rank them apart"));
}
