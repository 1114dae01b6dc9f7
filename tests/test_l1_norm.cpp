#include "compress/criterion.h"
#include "tests/catch.h"
#include "tests/networks.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

// mean |w| of one filter, written out.
double magnitude(Graph& graph, const std::string& name, int filter) {
  const Tensor& w = graph.find(name)->value;
  const size_t length = w.size() / static_cast<size_t>(w.dim(0));
  double sum = 0;
  for (size_t i = 0; i < length; ++i) {
    const double weight = w[static_cast<size_t>(filter) * length + i];
    sum += weight < 0 ? -weight : weight;
  }
  return sum / static_cast<double>(length);
}

}  // namespace

TEST_CASE("l1 is the mean magnitude of the filter, without bias and batch norm") {
  for (const NetworkPtr& network : {biased(), flattened()}) {
    INFO(network->name);
    Graph graph = traced(*network);
    const Coupling coupling = couple(graph);
    const Scores scores = l1_norm(graph, coupling);
    const std::string filters[] = {network->name == "biased" ? "a.weight" : "a.conv.weight",
                                   network->name == "biased" ? "b.weight" : "hidden.weight"};
    for (size_t g = 0; g < 2; ++g) {
      const std::vector<int>& units = coupling.groups[g].units;
      for (size_t i = 0; i < units.size(); ++i) {
        CHECK(scores[static_cast<size_t>(units[i])] ==
              Approx(magnitude(graph, filters[g], static_cast<int>(i))));
      }
    }
  }
}

TEST_CASE("l1 of a literal filter") {
  Network network("literal", {1, 1, 1, 2}, 1);
  Layer& a = network.add<Conv2d>("a", 2, 2, 1, ConvOptions{}, network.init);
  Layer& head = network.head(2);
  network.run = [&](Var x) { return head.forward(global_average_pool(a.forward(x))); };
  Graph graph = trace(network, network.input);
  graph.find("a.weight")->value.copy_from(Tensor::of({2, 1, 1, 2}, {1, -2, 0.5F, 0.25F}));
  const Scores scores = l1_norm(graph, couple(graph));
  CHECK(scores == Scores{1.5, 0.375});
}

TEST_CASE("l1 averages over all that write onto a channel") {
  Graph graph = traced(*residual());
  const Coupling coupling = couple(graph);
  const Scores scores = l1_norm(graph, coupling);
  for (int i = 0; i < 6; ++i) {
    const double mean =
        (magnitude(graph, "stem.conv.weight", i) + magnitude(graph, "block1.b.weight", i) +
         magnitude(graph, "block2.b.weight", i)) /
        3;
    const int unit = coupling.groups[0].units[static_cast<size_t>(i)];
    CHECK(scores[static_cast<size_t>(unit)] == Approx(mean));
  }
}

TEST_CASE("l1 takes all weights that make a channel of a transposed convolution") {
  Network network("literal", {1, 1, 1, 4}, 1);
  Layer& a =
      network.add<ConvTranspose2d>("a", 4, 4, 1, ConvTransposeOptions{.groups = 2}, network.init);
  Layer& head = network.head(4);
  network.run = [&](Var x) { return head.forward(global_average_pool(a.forward(x))); };
  Graph graph = trace(network, network.input);
  // Two groups of two inputs (the rows) and two outputs.
  graph.find("a.weight")
      ->value.copy_from(Tensor::of({4, 1, 1, 2}, {1, -2, 3, 4, 0.5F, 0.25F, 0, -0.25F}));
  CHECK(l1_norm(graph, couple(graph)) == Scores{2, 3, 0.25, 0.25});
}

TEST_CASE("criteria are found by name and name their paper") {
  CHECK(find_criterion("l1").score == static_cast<Scores (*)(const Evidence&)>(l1_norm));
  for (const Criterion& criterion : criteria()) CHECK_FALSE(criterion.paper.empty());
  CHECK(contains(complaint([] { find_criterion("L1"); }), "did you mean 'l1'?"));
}
