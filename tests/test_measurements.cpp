// Measurements are made once, however often their run is interrupted.
#include "compress/measurements.h"

#include <cmath>
#include <fstream>

#include "compress/calibration.h"
#include "compress/criteria_comparison.h"
#include "compress/oracle.h"
#include "compress/prune.h"
#include "compress/sensitivity.h"
#include "tests/catch.h"
#include "tests/networks.h"
#include "tests/temporary_folder.h"
#include "tests/train_fixture.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

const RunIdentity run = {{"network", "abc"}, {"seed", "1"}};

// What an analysis of a small network asks for, one figure after the other, until told to stop.
struct Setting {
  Graph graph;
  Coupling coupling = couple(graph);
  const Dataset& data = small_data();
  Judge judge{data.test, data.mean, data.std};
  std::vector<Batch> calibration =
      calibration_batches(data.train, data.mean, data.std, {.images = 24, .batch = 8});

  static Graph network() {
    SmallNet net(3, 4, 0);
    return trace(net, {1, 16, 16, 3});
  }
  Setting() : graph(network()) {}

  Sensitivity sensitivity(Measurements* kept, const std::atomic<bool>* stop = nullptr,
                          std::function<void(int, int)> progress = {}) const {
    return measure_sensitivity(
        graph, coupling, l1_norm(graph, coupling), judge, calibration,
        {.step = 0.25, .progress = std::move(progress), .stop = stop, .kept = kept});
  }
};

std::vector<double> losses(const Sensitivity& sensitivity) {
  std::vector<double> all = {sensitivity.whole.loss};
  for (const GroupSensitivity& group : sensitivity.groups)
    for (const SensitivityPoint& point : group.points) {
      all.push_back(point.without.pruned.loss);
      all.push_back(point.without.recalibrated.accuracy);
    }
  return all;
}

}  // namespace

TEST_CASE("what was measured is handed back to the last bit, and not measured again") {
  const TemporaryFolder folder;
  const std::string path = folder / "measured.jsonl";
  int asked = 0;
  const auto measure = [&]() -> std::optional<Measurements::Figures> {
    ++asked;
    return Measurements::Figures{0.1 + 0.2, -0.0, 1e-310, std::nan("")};
  };
  Measurements first(path, run, false);
  first.of("a", measure);
  CHECK_FALSE(first.of("b", [] { return std::nullopt; }));
  Measurements again(path, run, true);
  CHECK(again.count() == 1);
  const auto figures = again.of("a", measure);
  CHECK(asked == 1);
  REQUIRE(figures);
  CHECK((*figures)[0] == 0.1 + 0.2);
  CHECK(std::signbit((*figures)[1]));
  CHECK((*figures)[2] == 1e-310);
  CHECK(std::isnan((*figures)[3]));
  CHECK(Measurements(path, run, false).count() == 0);  // begun anew
}

TEST_CASE("measurements of another run and damaged ones are refused by name") {
  const TemporaryFolder folder;
  const std::string path = folder / "measured.jsonl";
  Measurements(path, run, false).of("a", [] { return Measurements::Figures{1}; });
  RunIdentity other = run;
  other["seed"] = "2";
  CHECK(contains(complaint([&] { Measurements(path, other, true); }),
                 "belongs to another run: seed was 1, is now 2"));
  std::ofstream(path, std::ios::app) << R"({"what": "b"})"
                                     << "\n";
  CHECK(
      contains(complaint([&] { Measurements(path, run, true); }), "line 3: is not a measurement"));
  std::ofstream(path, std::ios::trunc) << "";
  CHECK(contains(complaint([&] { Measurements(path, run, true); }), "is empty"));
}

TEST_CASE("a sensitivity that is stopped anywhere goes on to the same figures") {
  const Setting s;
  const std::vector<double> whole = losses(s.sensitivity(nullptr));
  const TemporaryFolder folder;
  const std::string path = folder / "measured.jsonl";
  int measured_before = 0, sessions = 0;
  for (;; ++sessions) {
    REQUIRE(sessions < 20);
    Measurements kept(path, run, sessions > 0);
    CHECK(kept.count() == measured_before);
    std::atomic<bool> stop = false;
    const Sensitivity part =
        s.sensitivity(&kept, &stop, [&](int, int) { stop = kept.count() >= measured_before + 2; });
    measured_before = kept.count();
    if (part.stopped) continue;
    CHECK(losses(part) == whole);
    break;
  }
  CHECK(sessions >= 2);
}

TEST_CASE("oracle and curves go on where they stopped, treated networks among them") {
  const Setting s;
  const std::vector<int> units = sample_units(s.coupling, 2, 1);
  const Evidence evidence(s.graph, s.coupling, s.calibration);
  const TemporaryFolder folder;
  const std::string path = folder / "measured.jsonl";
  int treated = 0;
  const auto compare = [&](Measurements* kept) {
    const std::vector<double> increase =
        loss_increase(s.graph, s.coupling, units, s.calibration, {.kept = kept});
    std::map<int, double> oracle;
    for (size_t i = 0; i < units.size(); ++i) oracle[units[i]] = increase[i];
    auto criteria = compared_criteria(evidence, oracle);
    criteria.resize(2);
    CurveOptions options{.parts = {0.3, 0.5}, .kept = kept};
    options.treatments = {{"nothing", [&](const std::set<int>& gone) -> std::optional<Graph> {
                             ++treated;
                             return prune(s.graph, s.coupling, gone);
                           }}};
    CHECK(measure_curves(criteria, evidence, s.judge, s.calibration, options));
    return criteria;
  };
  const auto plain = compare(nullptr);
  CHECK(treated == 4);
  Measurements first(path, run, false);
  compare(&first);
  CHECK(treated == 8);
  Measurements again(path, run, true);
  const auto repeated = compare(&again);
  CHECK(treated == 8);
  for (size_t c = 0; c < plain.size(); ++c) {
    CHECK(repeated[c].agreement.spearman == plain[c].agreement.spearman);
    for (size_t i = 0; i < 2; ++i) {
      CHECK(repeated[c].curve[i].recalibrated.loss == plain[c].curve[i].recalibrated.loss);
      // Treated by nothing, a network is what it is as pruned.
      CHECK(repeated[c].treated[0][i].loss == plain[c].curve[i].pruned.loss);
    }
  }
}
