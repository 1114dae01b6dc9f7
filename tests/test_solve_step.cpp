// Steps that are solved for by least squares: units keep their identity from step to step, and
// steps from the original do not add up their errors.
#include "compress/solve_step.h"

#include "compress/choose.h"
#include "compress/prune.h"
#include "layers/checksum.h"
#include "tests/catch.h"
#include "tests/compare_graphs.h"
#include "tests/networks.h"
#include "tests/train_fixture.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

std::set<int> chosen(const Graph& graph, double keep) {
  const Coupling coupling = couple(graph);
  return choose(graph, coupling, l1_norm(graph, coupling), {.keep = keep});
}

}  // namespace

TEST_CASE("units that go in two steps are those that go at once") {
  for (const NetworkPtr& network : networks()) {
    INFO(network->name);
    const Graph graph = traced(*network);
    const std::set<int> first = chosen(graph, 0.75);
    const Graph small = prune(graph, couple(graph), first);
    const std::set<int> second = chosen(small, 0.7);
    Graph in_steps = prune(small, couple(small), second);
    const std::set<int> together = *gone_together(graph, first, small, second);
    CHECK(together.size() == first.size() + second.size());
    Graph at_once = prune(graph, couple(graph), together);
    CHECK(weight_checksum(at_once) == weight_checksum(in_steps));
    CHECK(gone_together(graph, {}, graph, first) == first);
  }
}

TEST_CASE("units of a convolution that has become depthwise are none of the grouped one") {
  Network n("interleaved", {1, 6, 6, 3}, 3);
  Layer& stem = n.block("stem", 3, 8, 3, {.padding = 1});
  Layer& grouped = n.block("grouped", 8, 8, 3, {.padding = 1, .groups = 4});
  Layer& head = n.block("head", 8, 5, 1, {});
  n.run = [&](Var x) { return head.forward(grouped.forward(stem.forward(x))); };
  const Graph graph = traced(n);
  const std::set<int> half = chosen(graph, 0.5);
  const Graph small = prune(graph, couple(graph), half);
  REQUIRE(couple(small).groups.size() == 1);
  CHECK_FALSE(gone_together(graph, half, small, {couple(small).groups[0].units[0]}));
}

TEST_CASE("steps from the original are nearer to it than steps from one another") {
  SmallNet net(5, 12, 0);
  Graph graph = trace(net, {1, 16, 16, 3});
  const Dataset& data = small_data();
  const SolveOptions options{.pictures = 0, .reconstruction = {.positions = 8}};
  Graph chain = graph, anew = graph;
  std::set<int> gone;  // the original's
  for (int step = 0; step < 4; ++step) {
    const std::set<int> more = chosen(chain, 0.8);
    gone = *gone_together(graph, gone, chain, more);
    const SolvedStep next = *solve_step(chain, more, data, options);
    CHECK(next.gone == more);
    CHECK_FALSE(next.chosen);
    chain = next.graph;
    anew = solve_step(graph, gone, data, options)->graph;
    CHECK(total_cost(anew).macs == total_cost(chain).macs);
  }
  const Pictures pictures = sample_pictures(data.train, data.mean, data.std, 0, 1);
  const Tensor x = pictures.read(0, pictures.count), target = output(graph, x);
  CHECK(square_distance(output(anew, x), target) < square_distance(output(chain, x), target));
}
