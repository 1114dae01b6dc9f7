// Factors of whole groups of convolutions: where they go, that a group whose factor is zero goes
// without a trace, and which groups cannot.
#include "compress/conv_group_scales.h"

#include <algorithm>
#include <string>
#include <vector>

#include "compress/couple.h"
#include "compress/explicit_scales.h"
#include "compress/prune.h"
#include "tests/catch.h"
#include "tests/compare_graphs.h"
#include "tests/networks.h"
#include "tests/train_fixture.h"
#include "zoo/zoo.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

// A ResNeXt block: the branches of its 3x3 convolution are what can go; then a convolution in
// groups without batch norm, and a transposed one.
NetworkPtr branches() {
  auto n = std::make_unique<Network>("branches", Shape{1, 5, 4, 3}, 5);
  Layer& stem = n->block("stem", 3, 6, 3, {.padding = 1});
  Layer& narrow = n->block("narrow", 6, 8, 1, {});
  Layer& grouped = n->block("grouped", 8, 8, 3, {.padding = 1, .groups = 4});
  Layer& wide = n->add<Conv2d>("wide", 8, 6, 1, ConvOptions{}, n->init);
  Layer& biased = n->add<Conv2d>("biased", 6, 9, 3, ConvOptions{.groups = 3}, n->init);
  Layer& mixed = n->add<Conv2d>("mixed", 9, 4, 1, ConvOptions{}, n->init);
  Layer& up = n->add<ConvTranspose2d>("up", 4, 6, 2, ConvTransposeOptions{.stride = 2, .groups = 2},
                                      n->init);
  Layer& head = n->head(6);
  n->run = [&](Var x) {
    const Var y = stem.forward(x);
    const Var sum = relu(add(y, wide.forward(grouped.forward(narrow.forward(y)))));
    const Var z = relu(mixed.forward(relu(biased.forward(sum))));
    return head.forward(global_average_pool(relu(up.forward(z))));
  };
  return n;
}

int64_t groups_of(const Graph& graph, const std::string& layer) {
  for (size_t n = 0; n < graph.nodes.size(); ++n)
    if (graph.node_name(n) == layer)
      return std::get<int64_t>(graph.nodes[n].op->attributes().at("groups"));
  return 0;
}

}  // namespace

TEST_CASE("groups of convolutions whose factor is zero go without a trace") {
  const Graph graph = traced(*branches());
  const Tensor x = random_pictures(graph, 3, 1);
  Graph scaled = with_conv_group_scales(graph), whole = graph;
  CHECK(max_abs_difference(output(scaled, x), output(whole, x)) == 0);
  std::vector<Structure> scales = conv_group_scales(scaled);
  REQUIRE(scales.size() == 4 + 2);  // what `biased` reads, the block reads as well
  CHECK(scales[1].name == "group 1 of grouped.conv");
  CHECK(scales[4].name == "group 0 of up");
  CHECK(scaled.find("grouped.bn.scale") != nullptr);
  CHECK(scaled.find("up.scale") != nullptr);
  std::vector<std::string> gone;
  for (size_t g = 0; g < scales.size(); ++g) {
    const bool goes = g == 0 || g == 2 || g == 5;
    for (size_t i = 0; i < scales[g].shared; ++i)
      scales[g].numbers->value[scales[g].first + i] = goes ? 0 : 0.75F;
    CHECK(scales[g].factor() == (goes ? 0 : 0.75));
    if (goes) gone.push_back(scales[g].name);
  }
  const Tensor expected = output(scaled, x);
  CHECK(max_abs_difference(output(whole, x), expected) > 1e-3);
  Graph fewer = without_conv_groups(scaled, gone);
  CHECK(max_abs_difference(output(fewer, x), expected) < 1e-5);
  CHECK(fewer.find("grouped.bn.scale") == nullptr);
  CHECK(fewer.find("grouped.conv.weight")->value.shape() == Shape{4, 3, 3, 2});
  CHECK(fewer.find("narrow.conv.weight")->value.shape() == Shape{4, 1, 1, 6});
  CHECK(fewer.find("wide.weight")->value.shape() == Shape{6, 1, 1, 4});
  CHECK(groups_of(fewer, "grouped.conv") == 2);
  CHECK(groups_of(fewer, "up") == 1);
  Graph other = without_conv_groups(scaled, {scales[0].name, scales[3].name, scales[5].name});
  CHECK(max_abs_difference(output(other, x), expected) > 1e-3);  // one that is in use

  CHECK(contains(complaint([&] { without_conv_groups(graph, {"group 4 of grouped.conv"}); }),
                 "no 'group 4 of grouped.conv' that could go (did you mean 'group"));
  CHECK(contains(complaint([&] {
                   without_conv_groups(graph, {"group 0 of up", "group 1 of up"});
                 }),
                 "nothing would be left"));
  for (const auto make : {chain, depthwise, shuffled})
    CHECK(contains(complaint([&] { with_conv_group_scales(traced(*make())); }),
                   "no convolution whose groups could go"));
}

TEST_CASE("primary groups of an interleaved network can go, many together") {
  Graph graph = trace(*zoo::make("igc_l24m2", {.classes = 10, .width = 0.25F, .input = {8, 8, 3}}),
                      {1, 8, 8, 3});
  randomize(graph, 3);
  Graph scaled = with_conv_group_scales(graph);
  const std::vector<Structure> scales = conv_group_scales(scaled);
  REQUIRE(scales.size() == 18 * 6);  // the secondary ones are permuted and then normalised
  std::vector<std::string> gone;
  Random random(9, Purpose::test);
  for (size_t g = 0; g < scales.size(); ++g) {
    const bool last = g + 1 == scales.size() || scales[g + 1].numbers != scales[g].numbers;
    if (last || !random.chance(0.3F)) continue;  // every layer keeps one
    for (size_t i = 0; i < scales[g].shared; ++i) scales[g].numbers->value[scales[g].first + i] = 0;
    gone.push_back(scales[g].name);
  }
  const Tensor x = random_pictures(graph, 2, 1);
  Graph fewer = without_conv_groups(scaled, gone);
  const Tensor logits = output(scaled, x);
  CHECK(relative_difference(output(fewer, x), logits) < 1e-4);
  CHECK(relative_difference(output(graph, x), logits) > 1e-2);
  CHECK(10 * total_cost(fewer).macs < 8 * total_cost(graph).macs);
}

TEST_CASE("a grouped convolution loses what a group reads and makes together, or not at all") {
  const Graph graph = traced(*branches());
  const Coupling coupling = couple(graph);
  std::set<int> reads;  // of group 0 alone
  for (size_t u = 0; u < coupling.units.size(); ++u)
    for (const Channel& channel : coupling.units[u].channels)
      if (axis_name(graph, channel.axis) == "narrow.conv.weight" && channel.axis.axis == 0 &&
          channel.index < 2)
        reads.insert(static_cast<int>(u));
  REQUIRE(reads.size() == 2);
  CHECK(contains(complaint([&] { prune(graph, coupling, reads); }),
                 "conv2d: 3 of 4 groups would read and 4 make channels, should be the same"));
  CHECK(contains(complaint([&] { prune(graph, coupling, {*reads.begin()}); }),
                 "should be equal or none"));
}

TEST_CASE("a training switches groups of a convolution off") {
  const auto zeros_after = [](float strength) {
    Graph graph = with_conv_group_scales(
        trace(*zoo::make("igc_l24m2", {.classes = 10, .width = 0.25F, .input = {16, 16, 3}}),
              small_data().input_shape()));
    const std::vector<Structure> scales = conv_group_scales(graph);
    StructureSelection penalty(factors_of(scales), strength);
    TrainOptions training = small_options();
    training.epochs = 1;
    training.penalty = &penalty;
    fit(graph, small_data(), training);
    for (const Structure& scale : scales)
      for (size_t i = 1; i < scale.shared; ++i)
        CHECK(scale.numbers->value[scale.first + i] == scale.numbers->value[scale.first]);
    return std::count_if(scales.begin(), scales.end(),
                         [](const Structure& scale) { return scale.factor() == 0; });
  };
  CHECK(zeros_after(5) > 0);
  CHECK(zeros_after(0) == 0);
}
