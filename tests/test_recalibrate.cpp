// Running statistics estimated anew, against moments computed from the values themselves.
#include "compress/recalibrate.h"

#include "tests/catch.h"
#include "tests/compare_graphs.h"
#include "tests/networks.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

Batch batch_of(const Graph& graph, int count, uint64_t seed) {
  return {.images = random_pictures(graph, count, seed), .labels = Tensor({count})};
}

struct Moments {
  double mean = 0, var = 0;  // unbiased
};

// Of one channel of a value when x runs through the graph.
Moments moments(Graph& graph, const Tensor& x, int value, size_t channel) {
  const Tensor y = taps(graph, x, std::vector{value})[0];
  const size_t channels = static_cast<size_t>(y.dim(-1));
  const size_t rows = y.size() / channels;
  const double n = static_cast<double>(rows);
  Moments m;
  for (size_t i = channel; i < y.size(); i += channels) m.mean += double{y[i]} / n;
  for (size_t i = channel; i < y.size(); i += channels) {
    m.var += (double{y[i]} - m.mean) * (double{y[i]} - m.mean) / (n - 1);
  }
  return m;
}

// What the first batch norm reads.
int normed_value(const Graph& graph) {
  for (const Node& node : graph.nodes) {
    if (node.op->name() == "batch_norm") return node.in[0];
  }
  return -1;
}

}  // namespace

TEST_CASE("the first batch norm gets the average of its batches' moments, by their pictures") {
  Graph graph = traced(*chain());
  const std::vector<Batch> pictures = {batch_of(graph, 6, 1), batch_of(graph, 2, 2)};
  const Graph before = graph;
  recalibrate(graph, pictures);
  for (size_t c = 0; c < 8; ++c) {
    const Moments large = moments(graph, pictures[0].images, normed_value(graph), c),
                  small = moments(graph, pictures[1].images, normed_value(graph), c);
    CHECK(double{graph.find("a.bn.running_mean")->value[c]} ==
          Approx((6 * large.mean + 2 * small.mean) / 8).margin(1e-5));
    CHECK(double{graph.find("a.bn.running_var")->value[c]} ==
          Approx((6 * large.var + 2 * small.var) / 8).epsilon(1e-5));
  }
  // All else is as it was.
  for (size_t v = 0; v < graph.values.size(); ++v) {
    const Parameter* p = graph.values[v].parameter.get();
    if (p == nullptr || p->name.find("running") != std::string::npos) continue;
    CHECK(max_abs_difference(p->value, before.values[v].parameter->value) == 0);
    CHECK(p->trainable == before.values[v].parameter->trainable);
  }
}

TEST_CASE("recalibrated on one large batch, a network infers what it computes in training") {
  for (const NetworkPtr& network : {residual(), dense(), depthwise()}) {
    INFO(network->name);
    Graph graph = traced(*network);
    const Batch batch = batch_of(graph, 64, 3);
    Graph training = graph;  // whose statistics the pass moves
    const Tensor wanted = output(training, batch.images, Mode::training);
    CHECK(relative_difference(output(graph, batch.images), wanted) > 0.05);
    recalibrate(graph, std::vector{batch});
    // Training divides by the biased variance, inference by the unbiased one.
    CHECK(relative_difference(output(graph, batch.images), wanted) < 5e-3);
  }
}

TEST_CASE("recalibration undoes the scale of a filter") {
  Graph graph = traced(*chain());
  Graph scaled = graph;
  const Tensor w = scaled.find("a.conv.weight")->value;
  for (size_t i = 0; i < w.size(); ++i) w[i] *= 10;
  const std::vector<Batch> pictures = {batch_of(graph, 16, 4)};
  const Tensor x = random_pictures(graph, 4, 5);
  CHECK(relative_difference(output(scaled, x), output(graph, x)) > 0.05);
  recalibrate(graph, pictures);
  recalibrate(scaled, pictures);
  CHECK(relative_difference(output(scaled, x), output(graph, x)) < 1e-4);
}

TEST_CASE("dropout is off while batch norm is recalibrated") {
  Network network("dropped", {1, 4, 4, 3}, 1);
  Layer& a = network.block("a", 3, 4, 1, {});
  Layer& head = network.head(4);
  network.run = [&](Var x) {
    return head.forward(global_average_pool(a.forward(dropout(x, 0.5F))));
  };
  Graph graph = traced(network);
  const Batch batch = batch_of(graph, 8, 6);
  recalibrate(graph, std::vector{batch});
  const Moments wanted = moments(graph, batch.images, normed_value(graph), 0);
  CHECK(double{graph.find("a.bn.running_var")->value[0]} == Approx(wanted.var).epsilon(1e-4));
}

TEST_CASE("recalibration needs pictures") {
  Graph graph = traced(*chain());
  CHECK(contains(complaint([&] { recalibrate(graph, {}); }), "no pictures"));
}
