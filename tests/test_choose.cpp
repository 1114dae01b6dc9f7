#include "compress/choose.h"

#include <algorithm>
#include <map>

#include "compress/prune.h"
#include "tests/catch.h"
#include "tests/networks.h"
#include "zoo/zoo.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

struct Subject {
  Graph graph;
  Coupling coupling;
  Scores equal, random;

  explicit Subject(Network& network) : graph(traced(network)), coupling(couple(graph)) {
    Random numbers(5, Purpose::test);
    equal.assign(coupling.units.size(), 1);
    for (size_t u = 0; u < equal.size(); ++u) random.push_back(numbers.uniform());
  }
  std::set<int> choose(const Scores& scores, const Budget& budget) const {
    return bonsai::choose(graph, coupling, scores, budget);
  }
  std::vector<int> kept(const Scores& scores, const Budget& budget) const {
    return kept_units(coupling, choose(scores, budget));
  }
  std::string refusal(const Budget& budget) const {
    return complaint([&] { choose(random, budget); });
  }
};

}  // namespace

TEST_CASE("exactly the wanted number stays under ties, and of equals the later") {
  const Subject s(*chain());
  CHECK(s.kept(s.equal, {.keep = 0.5}) == std::vector<int>{4, 3});
  CHECK(s.kept(s.equal, {.keep = 0.7}) == std::vector<int>{5, 4});  // 5.6 and 4.2, rounded down
  CHECK(s.kept(s.equal, {.keep = 0.01}) == std::vector<int>{1, 1});
  CHECK(s.kept(s.equal, {.keep = 1.0}) == std::vector<int>{8, 6});
  const std::vector<int>& first = s.coupling.groups[0].units;
  for (const int u : s.choose(s.equal, {.groups = {{"a.conv", 0.5}}})) {
    CHECK(std::find(first.begin(), first.begin() + 4, u) != first.begin() + 4);
  }
}

TEST_CASE("the cheapest of each group go") {
  const Subject s(*chain());
  const std::set<int> gone = s.choose(s.random, {.keep = 0.5});
  for (const Group& group : s.coupling.groups) {
    double dearest_gone = 0, cheapest_kept = 1;
    for (const int u : group.units) {
      const double score = s.random[static_cast<size_t>(u)];
      if (gone.count(u) != 0)
        dearest_gone = std::max(dearest_gone, score);
      else
        cheapest_kept = std::min(cheapest_kept, score);
    }
    CHECK(dearest_gone <= cheapest_kept);
  }
}

TEST_CASE("a target of multiply-adds or parameters is met and nearly used up") {
  for (const NetworkPtr& network : networks()) {
    INFO(network->name);
    const Subject s(*network);
    const Cost whole = total_cost(s.graph);
    const Cost by_macs = pruned_cost(s.graph, s.coupling, s.choose(s.random, {.macs = 0.6}));
    const Cost by_params = pruned_cost(s.graph, s.coupling, s.choose(s.random, {.params = 0.6}));
    CHECK(static_cast<double>(by_macs.macs) <= 0.6 * static_cast<double>(whole.macs));
    CHECK(static_cast<double>(by_params.params) <= 0.6 * static_cast<double>(whole.params));
    // These networks are a few channels wide, so one channel is a large step.
    CHECK(static_cast<double>(by_macs.macs) >= 0.2 * static_cast<double>(whole.macs));
    CHECK(s.choose(s.random, {.macs = 1.0}).empty());
  }
}

TEST_CASE("no larger uniform part would meet the target") {
  const Subject s(*chain());
  const std::vector<int> kept = s.kept(s.random, {.macs = 0.5});
  const double least = std::min((kept[0] + 1) / 8.0, (kept[1] + 1) / 6.0);
  const Cost next = pruned_cost(s.graph, s.coupling, s.choose(s.random, {.keep = least}));
  CHECK(static_cast<double>(next.macs) > 0.5 * static_cast<double>(total_cost(s.graph).macs));
}

TEST_CASE("a target below the least is refused with the least") {
  const Subject s(*chain());
  const std::string refusal = s.refusal({.macs = 0.001});
  CHECK(contains(refusal, "cannot be reached"));
  const double least = std::stod(refusal.substr(refusal.rfind(' ')));
  CHECK(s.kept(s.random, {.macs = least}) == std::vector<int>{1, 1});
}

TEST_CASE("groups of a convolution keep equal numbers, whatever the scores") {
  const NetworkPtr network = shuffled();
  Subject s(*network);
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Random random(seed, Purpose::test, 9);
    for (double& score : s.random) score = random.uniform();
    for (const double keep : {0.3, 0.5, 0.8}) {
      INFO("seed " << seed << ", keep " << keep);
      const std::set<int> gone = s.choose(s.random, {.keep = keep});
      const std::vector<int> kept = kept_units(s.coupling, gone);
      CHECK(kept[0] % 3 == 0);
      CHECK(kept[1] % 3 == 0);
      CHECK(kept[0] == std::max(3, (static_cast<int>(12 * keep) + 1) / 3 * 3));
      CHECK(kept[1] == std::max(3, (static_cast<int>(9 * keep) + 1) / 3 * 3));
      CHECK_NOTHROW(prune(s.graph, s.coupling, gone));
    }
  }
}

TEST_CASE("a removal that cannot be evened is undone") {
  const Subject s(*shuffled());
  Remover remover(s.coupling, s.random);
  remover.set_floors({12, 7});  // two of the three that would have to go
  for (const int u : s.coupling.groups[1].units) CHECK_FALSE(remover.remove(u));
  CHECK(remover.gone().empty());
  remover.set_floors({12, 6});
  CHECK(remover.remove(s.coupling.groups[1].units[0]));
  CHECK(remover.gone().size() == 3);
  CHECK(remover.kept(1) == 6);
}

// 3120 units, of which those of all stages must be even in blocks that overlap.
TEST_CASE("ShuffleNet at its full width loses half of its work, in every group") {
  const auto net = zoo::make("shufflenet_g3", {.weights = false});
  const Graph graph = trace(*net, {1, 32, 32, 3});
  const Coupling coupling = couple(graph);
  Random random(5, Purpose::test);
  Scores scores(coupling.units.size());
  for (double& score : scores) score = random.uniform();
  const std::set<int> gone = choose(graph, coupling, scores, {.macs = 0.5});
  const auto macs = static_cast<double>(pruned_cost(graph, coupling, gone).macs);
  CHECK(macs <= 0.5 * static_cast<double>(total_cost(graph).macs));
  CHECK(macs > 0.45 * static_cast<double>(total_cost(graph).macs));
  const std::vector<int> kept = kept_units(coupling, gone);
  for (size_t g = 0; g < kept.size(); ++g) {
    CHECK(kept[g] < static_cast<int>(coupling.groups[g].units.size()));
  }
}

TEST_CASE("kept numbers are the nearest multiples of round_to, of narrow groups of a part of it") {
  const Subject s(*chain());  // groups of 8 and 6: multiples of 2 and of 1
  CHECK(s.kept(s.random, {.keep = 0.9, .round_to = 4}) == std::vector<int>{8, 5});  // of 7, 5
  CHECK(s.kept(s.random, {.keep = 0.7, .round_to = 4}) == std::vector<int>{6, 4});  // of 5, 4
  CHECK(s.kept(s.random, {.keep = 0.1, .round_to = 4}) == std::vector<int>{2, 1});
  CHECK(s.kept(s.random, {.keep = 1.0, .round_to = 4}) == std::vector<int>{8, 6});
  const Subject grouped(*shuffled());  // multiples of 2 and 1, and of 3 groups
  CHECK(grouped.kept(grouped.random, {.keep = 0.7, .round_to = 2}) == std::vector<int>{6, 6});

  const auto net = zoo::make("vgg_small", {});
  const Graph graph = trace(*net, {1, 32, 32, 3});
  const Coupling coupling = couple(graph);
  const Budget budget{.macs = 0.5, .round_to = 8};
  const std::set<int> gone = choose(graph, coupling, l1_norm(graph, coupling), budget);
  CHECK(kept_units(coupling, gone) == std::vector<int>{24, 24, 40, 40, 88, 88});
}

TEST_CASE("the global queue takes the cheapest wherever they are") {
  Subject s(*chain());
  for (size_t u = 0; u < s.random.size(); ++u) {
    s.random[u] = s.coupling.units[u].group == 0 ? 10 + static_cast<double>(u) : 1;
  }
  const Budget budget{.keep = 0.7, .spread = Spread::global};  // 9 of 14
  CHECK(s.kept(s.random, budget) == std::vector<int>{8, 1});
  const Budget half{.macs = 0.5, .spread = Spread::global};
  const Cost cost = pruned_cost(s.graph, s.coupling, s.choose(s.random, half));
  CHECK(static_cast<double>(cost.macs) <= 0.5 * static_cast<double>(total_cost(s.graph).macs));
}

TEST_CASE("a hundredth of all units, wherever they are, still leaves every layer one") {
  for (const NetworkPtr& network : networks()) {
    INFO(network->name);
    const Subject s(*network);
    const std::set<int> gone = s.choose(s.random, {.keep = 0.01, .spread = Spread::global});
    CHECK(gone.size() > 0);
    for (const int kept : kept_units(s.coupling, gone)) CHECK(kept >= 1);
    CHECK(total_cost(prune(s.graph, s.coupling, gone)).macs > 0);
  }
}

TEST_CASE("groups go by any of their producers' names and keep their own part") {
  const Subject s(*residual());
  const Budget budget{.keep = 0.5, .groups = {{"block2.b", 1.0}}};  // writes onto the stem's
  CHECK(s.kept(s.random, budget) == std::vector<int>{6, 2, 2});
  CHECK(contains(s.refusal({.groups = {{"block2.c", 0.5}}}), "did you mean 'block2.b'?"));
  CHECK(contains(s.refusal({.groups = {{"block2.b", 0.5}, {"stem.conv", 0.4}}}), "two parts"));
}

TEST_CASE("budgets that make no sense are refused") {
  const Subject s(*chain());
  CHECK(contains(s.refusal({}), "asks for nothing"));
  CHECK(contains(s.refusal({.macs = 0.5, .keep = 0.5}), "exclude"));
  CHECK(contains(s.refusal({.macs = 0.0}), "macs is 0"));
  CHECK(contains(s.refusal({.params = 1.5}), "params is 1.5"));
  CHECK(contains(s.refusal({.keep = -1.0}), "keep is -1"));
  CHECK(contains(s.refusal({.groups = {{"a.conv", 2.0}}}), "a.conv is 2"));
  CHECK(contains(s.refusal({.keep = 0.5, .round_to = 0}), "round_to"));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(contains(s.refusal({.keep = nan}), "nan"));
  Scores scores = s.random;
  scores[3] = nan;
  CHECK(contains(complaint([&] { s.choose(scores, {.keep = 0.5}); }), "score"));
  scores.pop_back();
  CHECK(contains(complaint([&] { s.choose(scores, {.keep = 0.5}); }), "13 scores for 14 units"));
}
