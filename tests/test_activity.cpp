// Criteria that look at activations: zeros behind relus and mean magnitudes, against loops over
// the values themselves.
#include "compress/activity.h"

#include <cmath>

#include "compress/calibration.h"
#include "compress/criterion.h"
#include "tests/catch.h"
#include "tests/networks.h"
#include "tests/train_fixture.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

std::vector<Batch> batches(const Graph& graph, int count, uint64_t seed = 3) {
  std::vector<Batch> all;
  all.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    all.push_back({.images = random_pictures(graph, 4, seed + static_cast<uint64_t>(i)),
                   .labels = Tensor({4})});
  }
  return all;
}

Scores score(const std::string& name, const Graph& graph, const std::vector<Batch>& pictures) {
  const Coupling coupling = couple(graph);
  return find_criterion(name).score(Evidence(graph, coupling, pictures));
}

// The result of the n-th node of this kind.
int result_of(const Graph& graph, std::string_view op, int n) {
  for (const Node& node : graph.nodes) {
    if (node.op->name() == op && n-- == 0) return node.out;
  }
  return -1;
}

// The mean over all pictures of f of the channel of a value.
template <class F>
double mean_of(Graph& graph, const std::vector<Batch>& pictures, int value, size_t channel,
               const F& f) {
  double sum = 0, count = 0;
  for (const Batch& batch : pictures) {
    const Tensor x = taps(graph, batch.images, std::vector{value})[0];
    const size_t channels = static_cast<size_t>(x.dim(-1));
    for (size_t i = channel; i < x.size(); i += channels, ++count) sum += f(double{x[i]});
  }
  return sum / count;
}

double is_active(double x) { return x == 0 ? 0 : 1; }
double magnitude(double x) { return std::abs(x); }

}  // namespace

TEST_CASE("apoz and mean_activation count what stands behind the relu") {
  Graph graph = traced(*chain());
  const std::vector<Batch> pictures = batches(graph, 3);
  const Coupling coupling = couple(graph);
  const Scores active = score("apoz", graph, pictures),
               mean = score("mean_activation", graph, pictures);
  for (size_t g = 0; g < 2; ++g) {
    const int relu = result_of(graph, "relu", static_cast<int>(g));
    for (size_t c = 0; c < coupling.groups[g].units.size(); ++c) {
      const size_t u = static_cast<size_t>(coupling.groups[g].units[c]);
      CHECK(active[u] == Approx(mean_of(graph, pictures, relu, c, is_active)));
      CHECK(mean[u] == Approx(mean_of(graph, pictures, relu, c, magnitude)));
    }
  }
}

TEST_CASE("a channel that is never positive has 100 % zeros, one that always is has none") {
  Graph graph = traced(*chain());
  const Tensor gamma = graph.find("a.bn.weight")->value, beta = graph.find("a.bn.bias")->value;
  gamma[2] = gamma[5] = 0;
  beta[2] = -1;
  beta[5] = 1;
  const Coupling coupling = couple(graph);
  const Scores active = score("apoz", graph, batches(graph, 2));
  const auto of = [&](size_t c) {
    return active[static_cast<size_t>(coupling.groups[0].units[c])];
  };
  CHECK(of(2) == 0);
  CHECK(of(5) == 1);
}

TEST_CASE("features of a fully connected layer are counted each for itself") {
  Graph graph = traced(*flattened());
  const std::vector<Batch> pictures = batches(graph, 2);
  const Coupling coupling = couple(graph);
  const Scores active = score("apoz", graph, pictures);
  const int relu = result_of(graph, "relu", 1);
  for (size_t c = 0; c < 7; ++c) {
    CHECK(active[static_cast<size_t>(coupling.groups[1].units[c])] ==
          Approx(mean_of(graph, pictures, relu, c, is_active)));
  }
}

TEST_CASE("in a residual stage branches and sums are looked at") {
  Graph graph = traced(*residual());
  const std::vector<Batch> pictures = batches(graph, 2);
  const Coupling coupling = couple(graph);
  const Scores active = score("apoz", graph, pictures),
               mean = score("mean_activation", graph, pictures);
  // Relus: stem, block1.a, sum, block2.a, sum. The branches end in convolutions, block1.b and
  // block2.b, which have neither batch norm nor relu.
  const int stem = result_of(graph, "relu", 0), sum1 = result_of(graph, "relu", 2),
            sum2 = result_of(graph, "relu", 4), branch1 = result_of(graph, "conv2d", 2),
            branch2 = result_of(graph, "conv2d", 4);
  for (size_t c = 0; c < 6; ++c) {
    const size_t u = static_cast<size_t>(coupling.groups[0].units[c]);
    double zeros = 0, magnitudes = 0;
    for (const int v : {stem, sum1, sum2}) zeros += mean_of(graph, pictures, v, c, is_active) / 3;
    for (const int v : {stem, sum1, sum2, branch1, branch2}) {
      magnitudes += mean_of(graph, pictures, v, c, magnitude) / 5;
    }
    CHECK(active[u] == Approx(zeros));
    CHECK(mean[u] == Approx(magnitudes));
  }
}

TEST_CASE("apoz refuses a layer without relu, by name; mean_activation does not") {
  const Graph graph = traced(*biased());
  const std::vector<Batch> pictures = batches(graph, 1);
  CHECK(contains(complaint([&] { score("apoz", graph, pictures); }),
                 "apoz: no relu counts zeros of the channels of a; the criterion "
                 "mean_activation needs none"));
  CHECK(complaint([&] { score("mean_activation", graph, pictures); }).empty());
}

TEST_CASE("calibration pictures are a seeded choice, in batches, normalised") {
  const Images& images = small_data().train;
  const std::array<float, 3> mean = {0.5F, 0.4F, 0.3F}, deviation = {0.25F, 0.5F, 0.2F};
  const auto chosen = [&](int count, uint64_t seed) {
    return calibration_batches(images, mean, deviation,
                               {.images = count, .batch = 16, .seed = seed});
  };
  const std::vector<Batch> some = chosen(40, 1), again = chosen(40, 1), others = chosen(40, 2);
  REQUIRE(some.size() == 3);
  CHECK(some[2].images.shape() == Shape{8, 16, 16, 3});
  CHECK(max_abs_difference(some[0].images, again[0].images) == 0);
  CHECK(max_abs_difference(some[0].images, others[0].images) > 0);

  const std::vector<Batch> all = chosen(0, 1);
  int count = 0;
  for (const Batch& batch : all) count += batch.images.dim(0);
  CHECK(count == images.count());
  const uint8_t* first = images.image(0);
  for (size_t i = 0; i < 9; ++i) {
    const double x = (first[i] / 255.0 - double{mean[i % 3]}) / double{deviation[i % 3]};
    CHECK(double{all[0].images[i]} == Approx(x).margin(1e-5));
  }
  CHECK(contains(complaint([&] { calibration_batches({}, mean, deviation); }), "no pictures"));
}
