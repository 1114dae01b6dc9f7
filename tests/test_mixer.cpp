// Patches and weights of a mixer against the convolution itself; running a network in parts.
#include "compress/mixer.h"

#include <algorithm>
#include <set>
#include <vector>

#include "compress/collect.h"
#include "compress/rerun.h"
#include "engine/passes.h"
#include "tests/calibration.h"
#include "tests/catch.h"
#include "tests/networks.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

const Tensor& value_of(const Graph& graph, int parameter) {
  return graph.values[static_cast<size_t>(parameter)].parameter->value;
}

}  // namespace

TEST_CASE("a mixer's patch times its weights is its output, at every position") {
  int seen = 0;
  for (const NetworkPtr& network : networks()) {
    Graph graph = traced(*network);
    const Tensor x = random_pictures(graph, 2, 3);
    for (const Mixer& mixer : mixers(graph)) {
      INFO(network->name << " " << graph.node_name(static_cast<size_t>(mixer.node)));
      const std::vector<Tensor> tapped = taps(graph, x, std::vector<int>{mixer.x, mixer.y});
      const Tensor& w = value_of(graph, mixer.w);
      REQUIRE(tapped[0].size() == static_cast<size_t>(2 * mixer.in_h * mixer.in_w * mixer.in));
      REQUIRE(tapped[1].size() == static_cast<size_t>(2 * mixer.positions * mixer.out));
      double worst = 0;
      std::vector<Scalar> patch(static_cast<size_t>(mixer.columns()));
      for (int p = 0; p < 2 * mixer.positions; ++p) {
        const Scalar* picture =
            tapped[0].data() + p / mixer.positions * mixer.in_h * mixer.in_w * mixer.in;
        for (int o = 0; o < mixer.out; ++o) {
          copy_patch(mixer, o / mixer.block_out(), picture, p % mixer.positions, patch.data());
          double y =
              mixer.bias < 0 ? 0 : double{value_of(graph, mixer.bias)[static_cast<size_t>(o)]};
          for (int c = 0; c < mixer.columns(); ++c) {
            y += double{w[static_cast<size_t>(o * mixer.columns() + c)]} *
                 double{patch[static_cast<size_t>(c)]};
          }
          worst = std::max(worst,
                           std::abs(y - double{tapped[1][static_cast<size_t>(p * mixer.out + o)]}));
        }
      }
      CHECK(worst < 1e-4);
      ++seen;
    }
  }
  CHECK(seen > 20);
}

TEST_CASE("mixers know the batch norm that follows, and the sum's other operand") {
  Graph graph = traced(*projection());
  const std::vector<Mixer> all = mixers(graph);
  const auto named = [&](const std::string& name) {
    return *std::find_if(all.begin(), all.end(), [&](const Mixer& m) {
      return graph.node_name(static_cast<size_t>(m.node)) == name;
    });
  };
  CHECK(all.size() == 5);
  CHECK(named("stem.conv").norm >= 0);
  CHECK(named("head").positions == 1);
  const Mixer branch = named("b"), shortcut = named("shortcut");
  CHECK(shortcut.norm == -1);
  CHECK(shortcut.bias >= 0);
  const std::vector<double> scales = output_scales(graph, branch);
  const double gamma = double{graph.find("norm.weight")->value[1]};
  const double var = double{graph.find("norm.running_var")->value[1]};
  CHECK(scales[1] == Approx(gamma / std::sqrt(var + 1e-5)));
  // What is computed later makes up for what is computed first, and not the other way round.
  REQUIRE(branch.norm >= 0);
  const int summed = graph.nodes[static_cast<size_t>(branch.norm)].out;
  const bool branch_first = branch.norm < shortcut.node;
  CHECK(earlier_operand(graph, shortcut) == (branch_first ? summed : -1));
  CHECK(earlier_operand(graph, branch) == (branch_first ? -1 : shortcut.y));

  Graph plain = traced(*residual());
  for (const Mixer& mixer : mixers(plain)) {
    const std::string name = plain.node_name(static_cast<size_t>(mixer.node));
    INFO(name);
    CHECK((earlier_operand(plain, mixer) >= 0) == name.ends_with(".b"));
  }
}

TEST_CASE("mixers leave out depthwise convolutions and refuse what cannot be solved for") {
  Graph graph = traced(*depthwise());
  for (const Mixer& mixer : mixers(graph)) {
    CHECK(graph.node_name(static_cast<size_t>(mixer.node)) != "deep.conv");
  }
  Graph rectified = traced(*chain());
  CHECK(contains(complaint([&] { mixers(fuse_activations(fold_batch_norm(rectified))); }),
                 "activation fused"));

  Network twice("twice", {1, 4, 4, 3}, 1);
  Layer& conv = twice.add<Conv2d>("conv", 3, 3, 1, ConvOptions{}, twice.init);
  Layer& head = twice.head(3);
  twice.run = [&](Var x) {
    return head.forward(global_average_pool(conv.forward(relu(conv.forward(x)))));
  };
  const Graph shared = traced(twice);
  CHECK(
      contains(complaint([&] { mixers(shared); }), "weights of conv are shared by several layers"));
}

TEST_CASE("positions are drawn without replacement, anew for every picture") {
  std::set<std::vector<int>> different;
  for (int picture = 0; picture < 20; ++picture) {
    const std::vector<int> positions = sample_positions(64, 10, 1, picture);
    CHECK(std::set<int>(positions.begin(), positions.end()).size() == 10);
    CHECK(std::is_sorted(positions.begin(), positions.end()));
    CHECK(positions.front() >= 0);
    CHECK(positions.back() < 64);
    different.insert(positions);
    CHECK(positions == sample_positions(64, 10, 1, picture));
  }
  CHECK(different.size() == 20);
  CHECK(sample_positions(4, 10, 1, 0) == std::vector<int>{0, 1, 2, 3});
  // Every position is as likely as any other.
  std::vector<int> hits(16);
  for (int picture = 0; picture < 4000; ++picture) {
    for (const int p : sample_positions(16, 4, 2, picture)) ++hits[static_cast<size_t>(p)];
  }
  for (const int h : hits) CHECK(std::abs(h - 1000) < 150);
}

TEST_CASE("a network run in parts computes what it computes at once") {
  for (const NetworkPtr& network : networks()) {
    INFO(network->name);
    Graph graph = traced(*network);
    const Tensor x = random_pictures(graph, 5, 4);
    for (const size_t bytes : {size_t{0}, size_t{1} << 20}) {
      const Pictures pictures = pictures_of(x);
      Rerun rerun(graph, pictures, 2, bytes);
      REQUIRE(rerun.batches() == 3);
      for (size_t n = 0; n < graph.nodes.size(); n += 2) {
        rerun.settle(static_cast<int>(n));
        const std::vector<int> wanted = {graph.nodes[n].out};
        const Tensor expected = taps(graph, x, wanted)[0];
        size_t at = 0;
        for (int b = 0; b < 3; ++b) {
          const Tensor found = rerun.run(b, wanted)[0];
          REQUIRE(at + found.size() <= expected.size());
          double worst = 0;
          for (size_t i = 0; i < found.size(); ++i, ++at) {
            worst = std::max(worst, std::abs(double{found[i]} - double{expected[at]}));
          }
          CHECK(worst < 1e-5);
        }
        CHECK(at == expected.size());
        rerun.advance();
      }
    }
  }
}

TEST_CASE("a rerun starts behind what was settled") {
  Graph graph = traced(*chain());
  const Pictures pictures = pictures_of(random_pictures(graph, 3, 5));
  Rerun rerun(graph, pictures, 3, size_t{1} << 20);
  const std::vector<int> wanted = {graph.output};
  rerun.settle(static_cast<int>(graph.nodes.size()) - 1);
  const Tensor before = rerun.run(0, wanted)[0].clone();
  rerun.advance();
  graph.find("a.conv.weight")->value.fill(0);  // settled: not looked at again
  CHECK(max_abs_difference(rerun.run(0, wanted)[0], before) == 0);
  graph.find("head.weight")->value.fill(0);  // not settled
  CHECK(max_abs_difference(rerun.run(0, wanted)[0], before) > 0);
}

TEST_CASE("a sample of pictures is drawn without replacement and normalised") {
  Images images = make_images(6, 2, 2);
  for (int i = 0; i < 6; ++i) std::fill_n(images.image(i), 12, static_cast<uint8_t>(40 * i));
  const Pictures all = sample_pictures(images, {0.5F, 0.5F, 0.5F}, {0.25F, 0.25F, 0.25F}, 0, 1);
  CHECK(all.count == 6);
  const Pictures some = sample_pictures(images, {0.5F, 0.5F, 0.5F}, {0.25F, 0.25F, 0.25F}, 4, 1);
  REQUIRE(some.count == 4);
  std::set<Scalar> levels;
  for (int i = 0; i < 4; ++i) {
    const Tensor x = some.read(i, 1);
    CHECK(x.shape() == Shape{1, 2, 2, 3});
    levels.insert(x[5]);
    const int level = static_cast<int>(std::lround((double{x[5]} * 0.25 + 0.5) * 255 / 40));
    CHECK(double{x[5]} == Approx((level * 40 / 255.0 - 0.5) / 0.25).margin(1e-6));
  }
  CHECK(levels.size() == 4);
}
