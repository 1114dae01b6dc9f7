// The criterion that asks squeeze and excitation, against the gates as they are computed.
#include "compress/criterion.h"

#include <algorithm>
#include <vector>

#include "compress/sites.h"
#include "tests/catch.h"
#include "tests/networks.h"

using namespace bonsai;
using namespace bonsai::testing;

TEST_CASE("a unit's gate is the mean of its factor over the pictures, and 1 where there is none") {
  Graph graph = traced(*squeeze_excite());
  const Coupling coupling = couple(graph);
  REQUIRE(gates(graph).size() == 1);
  std::vector<Batch> batches(2);
  batches[0].images = random_pictures(graph, 3, 1);
  batches[1].images = random_pictures(graph, 5, 2);
  const Scores scores = gate(Evidence(graph, coupling, batches));

  std::vector<double> expected(6, 0);
  for (const Batch& batch : batches) {
    const Tensor factors = taps(graph, batch.images, gates(graph))[0];
    for (size_t i = 0; i < factors.size(); ++i) expected[i % 6] += double{factors[i]} / 8;
  }
  REQUIRE(coupling.groups.size() == 2);
  for (const Group& group : coupling.groups) {
    for (size_t i = 0; i < group.units.size(); ++i) {
      const double score = scores[static_cast<size_t>(group.units[i])];
      if (group.units.size() == 6) {
        CHECK(score == Approx(expected[i]));
        CHECK(score < 1);
      } else {
        CHECK(score == 1);  // inside the block: nothing gates these
      }
    }
  }

  // A gate that is shut makes its channel the first to go.
  const Tensor bias = graph.find("gate.fc2.bias")->value;
  bias[4] = -30;
  const Scores shut = gate(Evidence(graph, coupling, batches));
  CHECK(std::min_element(shut.begin(), shut.end()) - shut.begin() == 4);

  Graph plain = traced(*chain());
  const Coupling of_plain = couple(plain);
  batches.resize(1);
  batches[0].images = random_pictures(plain, 2, 1);
  CHECK(complaint([&] { gate(Evidence(plain, of_plain, batches)); }) ==
        "gate: the network has no squeeze and excitation");
}
