// A residual network without a block is the network whose branch answers with zeros.
#include "compress/blocks.h"

#include <cmath>

#include "compress/couple.h"
#include "tests/catch.h"
#include "tests/networks.h"
#include "zoo/zoo.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

// The branch's last convolution makes nothing.
Graph silenced(Graph graph, const std::string& layer) {
  for (const char* part : {".weight", ".bias"})
    if (const Parameter* p = graph.find(layer + part)) p->value.fill(0);
  return graph;
}

std::vector<std::string> names(const Graph& graph) {
  std::vector<std::string> all;
  for (const Block& block : removable_blocks(graph)) all.push_back(block.name);
  return all;
}

double largest_difference(const Tensor& a, const Tensor& b) {
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, std::abs(double{a[i]} - double{b[i]}));
  return largest;
}

}  // namespace

TEST_CASE("without a block the network computes what it does when the branch is silent") {
  Graph graph = traced(*residual());
  REQUIRE(names(graph) == std::vector<std::string>{"block block1.b", "block block2.b"});
  const Tensor x = random_pictures(graph, 3, 1);
  const Tensor whole = output(graph, x);
  for (const std::string layer : {"block1.b", "block2.b"}) {
    Graph shorter = without_block(graph, "block " + layer), silent = silenced(graph, layer);
    const Tensor y = output(shorter, x);
    CHECK(largest_difference(y, output(silent, x)) < 1e-6);
    CHECK(largest_difference(y, whole) > 1e-2);  // the check could tell
    CHECK(shorter.find(layer + ".weight") == nullptr);
    CHECK(couple(shorter).groups.size() == couple(graph).groups.size() - 1);
    CHECK(names(shorter).size() == 1);
  }
  CHECK(contains(complaint([&] { without_block(graph, std::string("block block1.a")); }),
                 "did you mean 'block block1.b'"));
}

TEST_CASE("blocks whose shortcut is no identity stay, and plain networks have none") {
  for (const auto make : {chain, flattened, projection, padded, depthwise, dense, split})
    CHECK(names(traced(*make())).empty());
  const auto blocks_of = [](const char* name) {
    return names(trace(*zoo::make(name, {.width = 0.25F}), {1, 32, 32, 3})).size();
  };
  CHECK(blocks_of("resnet20") == 7);  // of 9, two halve the map
  CHECK(blocks_of("resnet20_b") == 7);
  CHECK(blocks_of("vgg_small") == 0);
}
