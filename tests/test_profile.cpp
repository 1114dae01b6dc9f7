// The profile's figures against the same figures taken from the tensors another way.
#include "compress/profile.h"

#include <algorithm>
#include <cmath>

#include "compress/criterion.h"
#include "engine/passes.h"
#include "tests/catch.h"
#include "tests/networks.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

std::vector<Batch> pictures_for(const Graph& graph) {
  return {{.images = random_pictures(graph, 8, 3), .labels = Tensor({8})}};
}

std::vector<LayerProfile> profile(const Graph& graph) {
  return profile_layers(graph, couple(graph), pictures_for(graph));
}

}  // namespace

TEST_CASE("a layer's range, norms and their fall, from literal weights") {
  Graph graph = traced(*chain());
  const Tensor w = graph.find("b.conv.weight")->value;
  const size_t length = w.size() / 6;
  const std::vector<double> norms = {1, 6, 3, 2, 5, 4};
  for (size_t f = 0; f < 6; ++f) {
    for (size_t i = 0; i < length; ++i) {
      w[f * length + i] = static_cast<Scalar>(i % 2 == 0 ? norms[f] : -norms[f]);
    }
  }
  const std::vector<LayerProfile> layers = profile(graph);
  REQUIRE(layers.size() == 3);
  const LayerProfile& b = layers[1];
  CHECK(b.name == "b.conv");
  CHECK(b.depth == 2);
  CHECK(b.group == 1);
  CHECK(b.raw.low == -6);
  CHECK(b.raw.high == 6);
  CHECK(b.raw.norms == std::array<double, 5>{1, 2.25, 3.5, 4.75, 6});
  CHECK(b.raw.fall == Approx(5.0 / 6));  // from 1 to 1/6 in a straight line
  CHECK(b.raw.spread == Approx(deviation(norms) / 3.5));
  CHECK(layers[2].name == "head");
  CHECK(layers[2].group == -1);  // its channels are the result
  CHECK_FALSE(layers[2].gamma);
  CHECK_FALSE(layers[2].zeros);
}

TEST_CASE("folded figures are the raw figures of the folded network") {
  for (const NetworkPtr& network : {chain(), flattened(), projection(), depthwise()}) {
    const Graph graph = traced(*network);
    const std::vector<LayerProfile> layers = profile(graph),
                                    after = profile(fold_batch_norm(graph));
    REQUIRE(layers.size() == after.size());
    for (size_t i = 0; i < layers.size(); ++i) {
      INFO(network->name << ", " << layers[i].name);
      CHECK(layers[i].folded.low == Approx(after[i].raw.low));
      CHECK(layers[i].folded.high == Approx(after[i].raw.high));
      CHECK(layers[i].folded.fall == Approx(after[i].raw.fall));
      for (size_t q = 0; q < 5; ++q) {
        CHECK(layers[i].folded.norms[q] == Approx(after[i].raw.norms[q]));
      }
    }
  }
}

TEST_CASE("zeros are what apoz counts, gamma and rank are the layer's own") {
  Graph graph = traced(*chain());
  const Coupling coupling = couple(graph);
  const std::vector<Batch> pictures = pictures_for(graph);
  const Scores active = apoz(Evidence(graph, coupling, pictures));
  const std::vector<LayerProfile> layers = profile_layers(graph, coupling, pictures);
  double part = 0;
  for (const int u : coupling.groups[0].units) part += active[static_cast<size_t>(u)] / 8;
  REQUIRE(layers[0].zeros);
  CHECK(*layers[0].zeros == Approx(1 - part));
  const Tensor gamma = graph.find("a.bn.weight")->value;
  double sum = 0;
  for (size_t c = 0; c < 8; ++c) sum += std::abs(double{gamma[c]});
  REQUIRE(layers[0].gamma);
  CHECK(*layers[0].gamma == Approx(sum / 8));
  CHECK(layers[0].channels == 8);
  CHECK(layers[0].effective_rank >= 1);
  CHECK(layers[0].effective_rank <= 8);
}

TEST_CASE("correlations pair layers with their depth and groups with their layers' mean") {
  std::vector<LayerProfile> layers(5);
  for (int i = 0; i < 5; ++i) {
    LayerProfile& layer = layers[static_cast<size_t>(i)];
    layer.depth = i + 1;
    layer.group = std::min(i, 3);  // the last two are one group
    layer.raw.high = 10 - i;
    layer.channels = 10;
    layer.effective_rank = 2 * i;
    if (i < 2) layer.zeros = 0.5;
  }
  const auto found = [](const std::vector<Correlation>& all, const std::string& figure) {
    const auto at = std::find_if(all.begin(), all.end(),
                                 [&](const Correlation& c) { return c.figure == figure; });
    return at == all.end() ? Correlation{} : *at;
  };
  const std::vector<Correlation> depth = correlate_with_depth(layers, 1);
  CHECK(found(depth, "weight range").pairs == 5);
  CHECK(found(depth, "weight range").rho == Approx(-1));
  CHECK(found(depth, "rank part").rho == Approx(1));
  CHECK(found(depth, "zeros").pairs == 0);  // two layers are too few

  const std::vector<std::optional<double>> lost = {1, 2, {}, 3};
  const std::vector<Correlation> groups = correlate_with_groups(layers, lost, 1);
  CHECK(found(groups, "weight range").pairs == 3);
  CHECK(found(groups, "weight range").rho == Approx(-1));
}

TEST_CASE("a profile needs pictures") {
  const Graph graph = traced(*chain());
  CHECK(contains(complaint([&] { profile_layers(graph, couple(graph), {}); }), "no pictures"));
}
