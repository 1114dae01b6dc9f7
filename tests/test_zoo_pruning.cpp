// Which channels pruning may take of each family, and that what it takes is what zeros would be.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "compress/couple.h"
#include "compress/prune.h"
#include "engine/passes.h"
#include "engine/session.h"
#include "layers/init.h"
#include "tests/catch.h"
#include "tests/compare_graphs.h"
#include "tests/narrow_networks.h"
#include "tests/networks.h"
#include "tests/random_network.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

Coupling coupling_of(const std::string& name) {
  const Shape input = zoo::find(name).input;
  return couple(trace(*zoo::make(name, {.weights = false}), {1, input[0], input[1], input[2]}));
}

// A network without half of its channels, and with zeros in their place. As drawn, beta and the
// running means are 0, and mistakes would hide behind that. No dropout: which elements it takes
// depends on how many there are.
struct Pruned {
  Pruned(const std::string& name, const zoo::Options& options) {
    const auto net = zoo::make(name, options);
    randomize_norms(*net, 31);
    const Shape& in = options.input;
    const Graph graph = drop_identities(trace(*net, {1, in[0], in[1], in[2]}));
    const Coupling coupling = couple(graph);
    x = random_pictures(graph, 8, 12);
    const std::set<int> gone = random_units(coupling, 22);
    CHECK(gone.size() > coupling.units.size() / 4);
    small = prune(graph, coupling, gone);
    zeros = masked(graph, coupling, gone);
    other = masked(graph, coupling, random_units(coupling, 23));
  }

  void check(Mode mode) {
    const Tensor logits = output(small, x, mode);
    CHECK(relative_difference(output(zeros, x, mode), logits) <= 1e-5);
    CHECK(relative_difference(output(other, x, mode), logits) > 1e-3);
  }

  Tensor x;
  Graph small, zeros, other;
};

}  // namespace

// A group for the first convolution of each block, and one for each stage: its blocks, the shortcut
// that opens it and, in the first, the stem all write onto the same channels.
TEST_CASE("a residual network couples its stages, each once") {
  for (const auto& [name, blocks] : {std::pair{"resnet20_b", 9}, {"resnet56_b", 27}}) {
    INFO(name);
    const Coupling coupling = coupling_of(name);
    CHECK(static_cast<int>(coupling.groups.size()) == blocks + 3);
    const int per_stage = blocks / 3;
    CHECK(static_cast<int>(coupling.units.size()) == (per_stage + 1) * (16 + 32 + 64));
    size_t widest = 0;
    for (const Group& group : coupling.groups) widest = std::max(widest, group.producers.size());
    CHECK(static_cast<int>(widest) == per_stage + 1);
  }
}

// Stages that share their first channels are one group. Its channels are of three kinds: 16 that
// the stem and every block write, 16 that the blocks of the last two stages write, 32 of the last.
TEST_CASE("padded shortcuts couple all stages, as far as their channels go") {
  const Coupling coupling = coupling_of("resnet56");
  CHECK(coupling.groups.size() == 27 + 1);
  CHECK(coupling.groups[0].producers.size() == 1 + 27);
  CHECK(coupling.units.size() == 9 * (16 + 32 + 64) + 64);
  std::map<size_t, int> units;  // by number of producers
  for (const int u : coupling.groups[0].units) {
    size_t makers = 0;
    for (const Channel& channel : coupling.units[static_cast<size_t>(u)].channels) {
      for (const Producer& producer : coupling.producers) makers += producer.output == channel.axis;
    }
    ++units[makers];
  }
  CHECK(units == std::map<size_t, int>{{28, 16}, {18, 16}, {9, 32}});
}

// MobileNet: the stem and 13 pointwise convolutions, each with the depthwise one that follows.
// MobileNetV2: the stem, 16 expansions, what each of 7 rows leaves, the last one. ShuffleNet: the
// middle of 16 units; all else is one group, since every unit adds to what the stem and the units
// before it made. ShuffleNetV2: the stem, three convolutions of 3 halving units, two of 13 others,
// the last one.
TEST_CASE("depthwise and shuffled networks couple as their papers' figures show") {
  for (const auto& [name, groups] : {std::pair{"mobilenet", 14},
                                     {"mobilenet_v2", 25},
                                     {"shufflenet_g1", 17},
                                     {"shufflenet_g3", 17},
                                     {"shufflenet_g8", 17},
                                     {"shufflenet_v2", 37}}) {
    INFO(name);
    CHECK(static_cast<int>(coupling_of(name).groups.size()) == groups);
  }
}

// Groups: what people would count as layers to prune. Units: the channels of these.
TEST_CASE("the other families couple what their papers connect") {
  struct Expected {
    std::string name;
    size_t groups, units;
  };
  const std::vector<Expected> all = {
      // 13 convolutions, and the hidden layer of 512
      {"vgg16_li", 14, 2 * 64 + 2 * 128 + 3 * 256 + 6 * 512 + 512},
      {"vgg16", 13, 2 * 64 + 2 * 128 + 3 * 256 + 6 * 512},
      // and two hidden layers
      {"vgg16_chenyaofo", 15, 2 * 64 + 2 * 128 + 3 * 256 + 6 * 512 + 2 * 512},
      // two convolutions within each of 54 blocks, three stages, the stem
      {"resnet164", 108 + 3 + 1, 36 * (16 + 32 + 64) + 64 + 128 + 256 + 16},
      // a residual pair writes onto its input
      {"resnet9", 6, 64 + 2 * 128 + 256 + 2 * 512},
      // the whitening and two convolutions in each of three groups
      {"airbench94", 1 + 6, 24 + 2 * 64 + 4 * 256},
      // the stem and two convolutions in each of 18 blocks
      {"igc_l24m2", 1 + 36, 48 + 12 * (48 + 96 + 192)},
      // three convolutions within each of 8 blocks, four stages, the first of which has the stem
      {"igc_l4m32_224", 24 + 4, 7 * (128 + 256 + 512 + 1024)},
      // a stage opens with a group per channel, which ties what it adds up to the stage before
      {"igc_l100m2_224", 24 - 4 + 1, 5 * (200 + 400 + 800 + 1600) + 100},
      // three convolutions within each of 9 blocks, three stages
      {"igc_l16m32_ident", 27 + 3, 10 * 512 + 10 * 1024 + 10 * 2048},
      // 32 expansions, 7 rows, the stem, the last convolution; depthwise ones within
      {"igcv3", 32 + 7 + 2,
       32 + 6 * (16 + 4 * 24 + 6 * 32 + 8 * 64 + 6 * 96 + 6 * 160) + 16 + 24 + 32 + 64 + 96 + 160 +
           320 + 32 + 1280},
      // the stem, 36 layers, two transitions
      {"densenet40", 1 + 36 + 2, 16 + 36 * 12 + 160 + 304},
      {"densenet_bc100", 1 + 96 + 2, 24 + 48 * 5 * 12 + 108 + 150},
  };
  for (const auto& [name, groups, units] : all) {
    INFO(name);
    const Coupling coupling = coupling_of(name);
    CHECK(coupling.groups.size() == groups);
    CHECK(coupling.units.size() == units);
  }
}

// Deep networks reach logits far from 1, so the difference counts in parts of the largest.
TEST_CASE("zeroed is removed in every network, another choice is noticed, and sessions agree") {
  std::vector<std::string> names = zoo::names();
  for (const char* name : {"igc_l4m4_ident_released", "igcv3_released"}) names.push_back(name);
  for (const std::string& name : names) {
    INFO(name);
    Pruned pruned(name, narrow(name));
    pruned.check(Mode::inference);
    Session session(pruned.small, {.batch = pruned.x.dim(0)});
    const Tensor shipped(session.output_shape());
    session.run(pruned.x.data(), shipped.data());
    CHECK(relative_difference(shipped, output(pruned.small, pruned.x)) <= 1e-4);
  }
}

// On maps of several pixels to the end: a batch norm over a handful of numbers magnifies rounding.
TEST_CASE("zeroed is removed in training, too") {
  for (const auto& [name, size] : {std::pair{"vgg16", 64},
                                   {"resnet20", 16},
                                   {"resnet20_b", 16},
                                   {"resnet50_224", 64},
                                   {"preact_resnet20", 16},
                                   {"igc_l24m2", 16},
                                   {"igc_l24m2_ident", 16},
                                   {"igc_l4m4_ident_released", 16},
                                   {"igc_l100m2_224", 64},
                                   {"igcv3", 16},
                                   {"densenet40", 16},
                                   {"densenet_bc40", 16},
                                   {"mobilenet", 64},
                                   {"mobilenet_v2", 32},
                                   {"shufflenet_g3", 32},
                                   {"shufflenet_v2", 32}}) {
    INFO(name);
    zoo::Options options = narrow(name);
    options.input = {size, size, 3};
    Pruned(name, options).check(Mode::training);
  }
}
