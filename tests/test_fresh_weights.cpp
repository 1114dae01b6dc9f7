// Fresh weights have the moments that their rule says, and nothing is left of what was learned.
#include "layers/fresh_weights.h"

#include <cmath>

#include "layers/checksum.h"
#include "tests/catch.h"
#include "tests/networks.h"
#include "zoo/zoo.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

struct Moments {
  double mean = 0, deviation = 0, largest = 0;
};

Moments moments(const Tensor& t) {
  Moments m;
  double squares = 0;
  for (size_t i = 0; i < t.size(); ++i) {
    const double x = t[i];
    m.mean += x / static_cast<double>(t.size());
    squares += x * x / static_cast<double>(t.size());
    m.largest = std::max(m.largest, std::abs(x));
  }
  m.deviation = std::sqrt(squares - m.mean * m.mean);
  return m;
}

std::string drawn(Graph graph, uint64_t learned, uint64_t seed) {
  randomize(graph, learned);
  draw_fresh_weights(graph, seed);
  return weight_checksum(graph);
}

}  // namespace

TEST_CASE("fresh weights depend on the seed and not on what the network knew") {
  const Graph graph = trace(*zoo::make("vgg_small", {.width = 0.25F}), {1, 32, 32, 3});
  CHECK(drawn(graph, 5, 1) == drawn(graph, 6, 1));
  CHECK(drawn(graph, 5, 1) != drawn(graph, 5, 2));
}

TEST_CASE("fresh weights are drawn by their rules") {
  Graph graph = trace(*zoo::make("vgg_small", {}), {1, 32, 32, 3});
  randomize(graph, 5);
  draw_fresh_weights(graph, 1);
  int checked = 0;
  for (const Parameter* p : graph.parameters()) {
    INFO(p->name);
    const Moments m = moments(p->value);
    const double fan_in =
        p->value.rank() > 1 ? static_cast<double>(p->value.size()) / p->value.dim(0) : 0;
    if (p->value.rank() == 4) {  // He et al. 2015, equation 10
      CHECK(m.deviation == Approx(std::sqrt(2 / fan_in)).epsilon(0.05));
      CHECK(std::abs(m.mean) < 0.1 * m.deviation);
      ++checked;
    } else if (p->value.rank() == 2) {
      CHECK(m.largest <= 1 / std::sqrt(fan_in));
      CHECK(m.deviation == Approx(1 / std::sqrt(3 * fan_in)).epsilon(0.05));
      ++checked;
    } else if (p->name.ends_with("running_var")) {
      CHECK(m.mean == 1);
      CHECK(m.deviation == 0);
    } else if (p->name.ends_with("running_mean")) {
      CHECK(m.largest == 0);
    }
  }
  CHECK(checked == 7);
}

TEST_CASE("every network of the tests can be drawn anew") {
  for (const NetworkPtr& network : networks()) {
    INFO(network->name);
    Graph graph = traced(*network);
    CHECK(drawn(graph, 1, 1) == drawn(graph, 2, 1));
  }
}
