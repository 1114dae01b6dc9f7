// The oracle's figure is the loss of the network in which the unit is zero, less that of the whole.
#include "compress/oracle.h"

#include <cmath>
#include <set>

#include "compress/prune.h"
#include "engine/ops.h"
#include "tests/catch.h"
#include "tests/networks.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

std::vector<Batch> batches(const Graph& graph) {
  return {{.images = random_pictures(graph, 4, 3), .labels = Tensor::of({4}, {0, 3, 1, 4})},
          {.images = random_pictures(graph, 2, 4), .labels = Tensor::of({2}, {2, 2})}};
}

double mean_loss(Graph& graph, const std::vector<Batch>& pictures) {
  double sum = 0, images = 0;
  for (const Batch& batch : pictures) {
    Tape tape(Mode::inference);
    const Var logits = graph.forward(tape.constant(batch.images));
    const double n = batch.images.dim(0);
    sum += n * double{cross_entropy(logits, tape.constant(batch.labels)).value().item()};
    images += n;
  }
  return sum / images;
}

}  // namespace

TEST_CASE("the oracle measures what zeros in place of a unit do") {
  for (const NetworkPtr& network : networks()) {
    Graph graph = traced(*network);
    const Coupling coupling = couple(graph);
    const std::vector<Batch> pictures = batches(graph);
    const std::vector<int> units = sample_units(coupling, 0, 1);
    REQUIRE(units.size() == coupling.units.size());
    const std::vector<double> increase = loss_increase(graph, coupling, units, pictures);
    const double whole = mean_loss(graph, pictures);
    double largest = 0;
    for (size_t i = 0; i < units.size(); ++i) {
      INFO(network->name << ", unit " << units[i]);
      Graph zeros = masked(graph, coupling, {units[i]});
      CHECK(increase[i] == Approx(mean_loss(zeros, pictures) - whole).margin(2e-6));
      largest = std::max(largest, std::abs(increase[i]));
    }
    CHECK(largest > 1e-4);
  }
}

TEST_CASE("the oracle stops when asked to, and tells how far it is") {
  const Graph graph = traced(*chain());
  const Coupling coupling = couple(graph);
  std::atomic<bool> stop = false;
  int shown = 0;
  const auto increase = loss_increase(graph, coupling, std::vector{0, 1, 2}, batches(graph),
                                      {.progress =
                                           [&](int done, int total) {
                                             CHECK(done == ++shown);
                                             CHECK(total == 6);
                                             stop = done == 4;
                                           },
                                       .stop = &stop});
  CHECK(increase.empty());
  CHECK(shown == 4);
}

TEST_CASE("units are sampled from every group, by seed") {
  const Graph graph = traced(*residual());
  const Coupling coupling = couple(graph);
  const std::vector<int> some = sample_units(coupling, 2, 1);
  CHECK(some.size() == 6);
  std::vector<int> per_group(3);
  for (const int u : some) {
    ++per_group[static_cast<size_t>(coupling.units[static_cast<size_t>(u)].group)];
  }
  CHECK(per_group == std::vector{2, 2, 2});
  CHECK(std::set<int>(some.begin(), some.end()).size() == 6);
  CHECK(sample_units(coupling, 2, 1) == some);
  CHECK(sample_units(coupling, 2, 2) != some);
}
