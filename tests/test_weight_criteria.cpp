// Criteria that look at weights alone, against literal filters and formulas written out.
#include <cmath>

#include "compress/choose.h"
#include "compress/criterion.h"
#include "compress/filters.h"
#include "engine/passes.h"
#include "tests/catch.h"
#include "tests/networks.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

// One 1x1 convolution without bias, of these filters [out, 1, 1, in], and a head.
Graph literal(int out, int in, const std::vector<Scalar>& filters) {
  Network network("literal", {1, 1, 1, in}, 1);
  Layer& a = network.add<Conv2d>("a", in, out, 1, ConvOptions{.bias = false}, network.init);
  Layer& head = network.head(out);
  network.run = [&](Var x) { return head.forward(global_average_pool(a.forward(x))); };
  Graph graph = trace(network, network.input);
  graph.find("a.weight")->value.copy_from(Tensor::of({out, 1, 1, in}, filters));
  return graph;
}

Scores score(const std::string& name, const Graph& graph) {
  const Coupling coupling = couple(graph);
  return find_criterion(name).score(Evidence(graph, coupling));
}

double score_of(const std::string& criterion, const Graph& graph, size_t group, size_t unit) {
  const Coupling coupling = couple(graph);
  return score(criterion, graph)[static_cast<size_t>(coupling.groups[group].units[unit])];
}

}  // namespace

TEST_CASE("l1 and l2 of literal filters") {
  const Graph graph = literal(3, 4, {1, -2, 0, 1, /**/ 0, 0, 2, 0, /**/ -1, 1, -1, 1});
  CHECK(score("l1", graph) == Scores{1, 0.5, 1});
  const Scores l2 = score("l2", graph);
  CHECK(l2[0] == Approx(std::sqrt(6.0 / 4)));
  CHECK(l2[1] == Approx(1));  // the peaked filter, last by l1, ties with the flat one
  CHECK(l2[2] == Approx(1));
}

TEST_CASE("l1 and l2 average over all that write onto a channel") {
  const Graph graph = traced(*residual());
  const Coupling coupling = couple(graph);
  const auto filters = filters_of_units(graph, coupling);
  const std::vector<int>& stage = coupling.groups[0].units;
  for (const int u : stage) {
    REQUIRE(filters[static_cast<size_t>(u)].size() == 3);  // stem, block1.b, block2.b
    double l1 = 0, l2 = 0;
    for (const Filter& filter : filters[static_cast<size_t>(u)]) {
      double sum = 0, squares = 0;
      for (const Scalar w : filter.weights) {
        sum += std::abs(double{w});
        squares += double{w} * double{w};
      }
      l1 += sum / static_cast<double>(filter.weights.size()) / 3;
      l2 += std::sqrt(squares / static_cast<double>(filter.weights.size())) / 3;
    }
    CHECK(score("l1", graph)[static_cast<size_t>(u)] == Approx(l1));
    CHECK(score("l2", graph)[static_cast<size_t>(u)] == Approx(l2));
  }
}

TEST_CASE("l1 of folded weights is l1 after folding, and sees through the scale of a filter") {
  for (const NetworkPtr& network : networks()) {
    INFO(network->name);
    const Graph graph = traced(*network);
    const Graph folded = fold_batch_norm(graph);  // values keep their numbers
    const Coupling coupling = couple(graph);
    const Scores scores = score("l1_folded", graph);
    const Scores after = l1_norm(folded, coupling);
    for (size_t u = 0; u < scores.size(); ++u) CHECK(scores[u] == Approx(after[u]));
  }
  Graph graph = traced(*chain());
  const Scores raw = score("l1", graph), folded = score("l1_folded", graph);
  scale_before_norm(graph, "a");
  const Scores raw_times_ten = score("l1", graph), folded_times_ten = score("l1_folded", graph);
  const Coupling coupling = couple(graph);
  for (const int u : coupling.groups[0].units) {
    const size_t i = static_cast<size_t>(u);
    CHECK(raw_times_ten[i] == Approx(10 * raw[i]));
    CHECK(folded_times_ten[i] == Approx(folded[i]));
  }
}

TEST_CASE("bn_scale is the mean |gamma| of the batch norms that carry the channel") {
  Graph graph = traced(*depthwise());
  const Tensor a = graph.find("a.bn.weight")->value, deep = graph.find("deep.bn.weight")->value;
  for (size_t c = 0; c < 6; ++c) {
    const double mean = (std::abs(double{a[c]}) + std::abs(double{deep[c]})) / 2;
    CHECK(score_of("bn_scale", graph, 0, c) == Approx(mean));
  }
}

TEST_CASE("bn_scale refuses a channel without batch norm, by name") {
  const Graph graph = traced(*biased());
  CHECK(contains(complaint([&] { score("bn_scale", graph); }),
                 "no batch norm scales the channels of a"));
}

TEST_CASE("first_k keeps the first channels of every group") {
  const Graph graph = traced(*residual());
  const Coupling coupling = couple(graph);
  const std::set<int> gone = choose(graph, coupling, score("first_k", graph), {.keep = 0.5});
  for (const Group& group : coupling.groups) {
    for (size_t i = 0; i < group.units.size(); ++i) {
      CHECK(gone.count(group.units[i]) == (i < group.units.size() / 2 ? 0 : 1));
    }
  }
}

TEST_CASE("random scores repeat with their seed and change with it") {
  const Graph graph = traced(*chain());
  const Coupling coupling = couple(graph);
  const auto drawn = [&](uint64_t seed) {
    return random_scores(Evidence(graph, coupling, {}, seed));
  };
  CHECK(drawn(3) == drawn(3));
  CHECK(drawn(3) != drawn(4));
  const Scores scores = drawn(3);
  CHECK(std::set<double>(scores.begin(), scores.end()).size() == scores.size());
}

TEST_CASE("the geometric median of literal filters") {
  // On a line at 0, 1, 2, 9 (times sqrt(4), the length): distances to the others 12, 10, 10, 24.
  // The second goes first; then 0, 2, 9 have 11, 9, 16: the third; then 0 and 9.
  const Graph graph =
      literal(4, 4, {0, 0, 0, 0, /**/ 1, 1, 1, 1, /**/ 2, 2, 2, 2, /**/ 9, 9, 9, 9});
  const Scores scores = score("geometric_median", graph);
  CHECK(scores[1] == Approx(10.0 / 3));
  CHECK(scores[2] == Approx(9.0 / 2));
  CHECK(scores[0] == Approx(9));
  CHECK(scores[3] == Approx(9));
  CHECK(scores[0] < scores[3]);
}

TEST_CASE("of two equal filters the geometric median gives up one, not both") {
  // Computed once, the two at the origin would be the cheapest two.
  const Graph pair = literal(4, 2, {0, 0, /**/ 0, 0, /**/ 1, 1, /**/ 1, 1.5F});
  const Coupling coupling = couple(pair);
  const std::set<int> gone = choose(pair, coupling, score("geometric_median", pair), {.keep = 0.5});
  CHECK(gone == std::set<int>{2, 0});
}

TEST_CASE("the geometric median sees differences: a shift of all changes nothing, a sign does") {
  std::vector<Scalar> filters(24);
  Random random(5, Purpose::test);
  for (Scalar& w : filters) w = random.normal();
  const Scores scores = score("geometric_median", literal(6, 4, filters));
  std::vector<Scalar> shifted = filters, turned = filters;
  for (size_t i = 0; i < 24; ++i) shifted[i] += 0.5F * static_cast<Scalar>(i % 4);
  for (size_t i = 0; i < 4; ++i) turned[i] = -turned[i];
  const Scores after_shift = score("geometric_median", literal(6, 4, shifted));
  const Scores after_turn = score("geometric_median", literal(6, 4, turned));
  double change = 0;
  for (size_t u = 0; u < 6; ++u) {
    CHECK(after_shift[u] == Approx(scores[u]).epsilon(1e-5));
    change = std::max(change, std::abs(after_turn[u] - scores[u]));
  }
  CHECK(change > 0.05);
  CHECK(score("l1", literal(6, 4, turned)) == score("l1", literal(6, 4, filters)));
}

TEST_CASE("criteria that look at pictures say so when there are none") {
  const Graph graph = traced(*chain());
  for (const Criterion& criterion : criteria()) {
    INFO(criterion.name);
    const std::string text = complaint([&] { score(criterion.name, graph); });
    CHECK(contains(text, "no pictures") == criterion.needs_pictures);
    CHECK(text.empty() != criterion.needs_pictures);
  }
}
