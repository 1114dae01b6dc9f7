// The zoo's networks whose result is a picture: counts, what they refuse, pruning, files, sessions.
#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "compress/choose.h"
#include "compress/prune.h"
#include "engine/file.h"
#include "engine/session.h"
#include "tests/catch.h"
#include "tests/compare_graphs.h"
#include "tests/error_of.h"
#include "tests/networks.h"
#include "tests/random_network.h"
#include "tests/temporary_folder.h"
#include "zoo/espcn.h"
#include "zoo/segmentation.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

struct Row {
  std::string name;
  std::unique_ptr<Layer> net;
  Shape input;
  Shape output;
  int64_t params, macs;
  int groups;  // that couple should find
};

// The counts are summed from the layers by hand, and PyTorch's.
std::vector<Row> rows() {
  std::vector<Row> all;
  const Shape grey{1, 32, 32, 1}, classes{1, 32, 32, 3};
  all.push_back({"espcn", zoo::espcn(), {1, 16, 16, 3}, {1, 32, 32, 3}, 3'252, 823'296, 2});
  all.push_back({"atrous", zoo::atrous_segmentation(), grey, classes, 7'235, 7'274'496, 4});
  all.push_back({"undilated", zoo::undilated_segmentation(), grey, classes, 7'235, 7'274'496, 4});
  all.push_back(
      {"deconvolution", zoo::deconvolution_segmentation(), grey, classes, 19'539, 1'413'120, 4});
  return all;
}

Graph randomized(const Row& row) {
  randomize(*row.net, 1);
  return trace(*row.net, row.input);
}

}  // namespace

TEST_CASE("networks for pictures have their parameters and multiply-adds, to the digit") {
  for (const Row& row : rows()) {
    INFO(row.name);
    const Graph graph = trace(*row.net, row.input);
    CHECK(graph.output_shape() == row.output);
    CHECK(total_cost(graph).params == row.params);
    CHECK(total_cost(graph).macs == row.macs);
  }
  const auto triple = zoo::espcn({.scale = 3, .channels = 1});
  const Graph graph = trace(*triple, {1, 5, 4, 1});
  CHECK(graph.output_shape() == Shape{1, 15, 12, 1});
  CHECK(total_cost(graph).params == 25 * 16 + 16 + 9 * 16 * 8 + 8 + 9 * 8 * 9 + 9);
}

TEST_CASE("networks for pictures refuse what they cannot be, in one line") {
  CHECK(error_of([] { zoo::espcn({.scale = 0}); }) == "espcn: scale is 0, should be 1 to 16");
  CHECK(error_of([] { zoo::espcn({.channels = 0}); }) ==
        "espcn: pictures have 0 channels, should be at least 1");
  for (const auto make :
       {zoo::atrous_segmentation, zoo::undilated_segmentation, zoo::deconvolution_segmentation}) {
    CHECK(error_of([&] { make({.classes = 1}); }) ==
          "segmentation: 1 classes, should be at least 2");
    CHECK(error_of([&] { make({.channels = 0}); }) ==
          "segmentation: pictures have 0 channels, should be at least 1");
  }
  const auto net = zoo::deconvolution_segmentation();
  CHECK(error_of([&] {
          trace(*net, {1, 30, 32, 1});
        }) ==
        "segmentation: the input has shape [1, 30, 32, 1], should be [N, H, W, C] with H and W "
        "multiples of 4");
}

// One pixel is changed, and the results that change span what a result sees.
TEST_CASE("dilation widens what a pixel's class depends on from 9 to 31 pixels, at no cost") {
  for (const auto& [make, span] :
       {std::pair{&zoo::undilated_segmentation, 9}, {&zoo::atrous_segmentation, 31}}) {
    const auto net = make({});
    const Tensor x = random_tensor({1, 1, 64, 1}, 1), changed = x.clone();
    changed[32] += 10;
    const Tensor a = run(*net, x), b = run(*net, changed);
    int first = 64, last = -1;
    for (int i = 0; i < 64; ++i) {
      for (size_t k = 0; k < 3; ++k) {
        if (a[static_cast<size_t>(i) * 3 + k] == b[static_cast<size_t>(i) * 3 + k]) continue;
        first = std::min(first, i);
        last = std::max(last, i);
      }
    }
    CHECK(last - first + 1 == span);
  }
}

TEST_CASE("zeroed is removed in the networks for pictures, and another choice is noticed") {
  for (const Row& row : rows()) {
    INFO(row.name);
    const Graph graph = randomized(row);
    const Coupling coupling = couple(graph);
    CHECK(static_cast<int>(coupling.groups.size()) == row.groups);
    const Tensor x = random_pictures(graph, 2, 3);
    for (const Mode mode : {Mode::inference, Mode::training}) {
      const std::set<int> gone = random_units(coupling, 4);
      Graph small = prune(graph, coupling, gone), zeros = masked(graph, coupling, gone);
      const Tensor result = output(small, x, mode);
      CHECK(relative_difference(output(zeros, x, mode), result) <= 1e-5);
      Graph other = masked(graph, coupling, random_units(coupling, 5));
      CHECK(relative_difference(output(other, x, mode), result) > 1e-3);
    }
  }
}

TEST_CASE("networks for pictures are pruned to a target, saved, loaded and run by a session") {
  const TemporaryFolder folder;
  for (const Row& row : rows()) {
    INFO(row.name);
    const Graph graph = randomized(row);
    const Coupling coupling = couple(graph);
    const Scores scores = l1_norm(graph, coupling);
    const Graph small = prune(graph, coupling, choose(graph, coupling, scores, {.macs = 0.5}));
    CHECK(total_cost(small).macs <= row.macs / 2);
    CHECK(small.output_shape() == row.output);

    const std::string path = folder / (row.name + ".bonsai");
    save(path, small);
    Graph loaded = load(path);
    const Tensor x = random_pictures(small, 1, 6), expected = output(loaded, x);
    Graph before = small;
    CHECK(max_abs_difference(output(before, x), expected) == 0);
    Session session(loaded);
    const std::vector<float> in(x.data(), x.data() + x.size());
    Tensor result(expected.shape());
    session.run(in.data(), result.data());
    CHECK(relative_difference(result, expected) <= 1e-5);
  }
}
