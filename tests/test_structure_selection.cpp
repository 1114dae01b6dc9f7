// Factors that a training drives to exact zeros: where they go, that they find a LASSO's solution,
// and that what they switch off can be removed without a trace.
#include "compress/structure_selection.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "compress/block_scales.h"
#include "compress/blocks.h"
#include "compress/explicit_scales.h"
#include "compress/prune.h"
#include "compress/scale_sparsity.h"
#include "tests/catch.h"
#include "tests/lasso_case.h"
#include "tests/networks.h"
#include "tests/train_fixture.h"
#include "zoo/zoo.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

int scale_nodes(const Graph& graph) {
  return static_cast<int>(
      std::count_if(graph.nodes.begin(), graph.nodes.end(),
                    [](const Node& node) { return node.op->name() == "channel_scale"; }));
}

// Every factor another number.
void draw_factors(Graph& graph) {
  Random random(4, Purpose::test);
  for (const Parameter* p : graph.parameters()) {
    if (!p->name.ends_with(".scale")) continue;
    for (size_t i = 0; i < p->value.size(); ++i) p->value[i] = random.uniform(-2, 2);
  }
}

// A ResNet of narrow layers for the small pictures; seven of its nine blocks can go.
Graph small_resnet() {
  return trace(*zoo::make("resnet20", {.classes = 10, .width = 0.25F, .input = {16, 16, 3}}),
               small_data().input_shape());
}

}  // namespace

TEST_CASE("accelerated proximal steps end at the solution of the LASSO, its zeros among them") {
  const LassoCase lasso;
  Parameter x{.name = "x", .value = Tensor({static_cast<int>(LassoCase::columns)}, 1)};
  StructureSelection penalty({{&x, 1}}, static_cast<float>(lasso.alpha));
  std::vector<double> objectives;
  for (int step = 0; step < 2000; ++step) {
    x.grad = lasso.gradient(x.value);
    penalty.add_to_gradients();
    CHECK_FALSE(x.grad.defined());  // nothing is left for the optimiser
    penalty.after_update(2);        // a rate of 0.2
    if (step % 50 == 0) objectives.push_back(lasso.objective(x.value));
  }
  int zeros = 0;
  for (size_t i = 0; i < LassoCase::columns; ++i) {
    CHECK(std::abs(double{x.value[i]} - lasso.solution[i]) < 1e-6);
    CHECK((x.value[i] == 0) == (lasso.solution[i] == 0));
    zeros += x.value[i] == 0 ? 1 : 0;
  }
  CHECK(zeros >= 3);
  CHECK(std::is_sorted(objectives.rbegin(), objectives.rend(),
                       [](double a, double b) { return a < b - 1e-6; }));
}

TEST_CASE("shared factors move as one, by the paper's formula") {
  Parameter p{.name = "p", .value = Tensor({4}, 1)};
  StructureSelection penalty({{&p, 2}}, 0.5F, 0.5F);
  double s[] = {1, 1}, v[] = {0, 0};
  for (int step = 0; step < 4; ++step) {
    p.grad = Tensor::of({4}, {0.5F, 1, -0.25F, 0.5F});
    penalty.add_to_gradients();
    penalty.after_update(0.5F);
    const double slopes[] = {1.5, 0.25}, rate = 0.25;
    for (size_t i = 0; i < 2; ++i) {
      const double moved = s[i] - rate * slopes[i];
      const double z = std::copysign(std::max(std::abs(moved) - rate * 0.5, 0.0), moved);
      v[i] = z - s[i] + 0.5 * v[i];
      const double next = z + 0.5 * v[i];
      if (next * s[i] < 0) v[i] = 0;
      s[i] = v[i] == 0 ? 0 : next;
      CHECK(double{p.value[2 * i]} == Approx(s[i]).margin(1e-6));
      CHECK(p.value[2 * i] == p.value[2 * i + 1]);
    }
  }
  CHECK(contains(complaint([&] {
                   StructureSelection({{&p, 3}}, 1);
                 }),
                 "p has 4 numbers, of which 3"));
  CHECK(contains(complaint([] { StructureSelection({}, 1); }), "has no factors"));
}

TEST_CASE("factors stand behind any layer and fold away exactly") {
  struct Case {
    NetworkPtr (*make)();
    std::vector<std::string> behind;
  };
  for (const Case& c : std::vector<Case>{{chain, {"a.conv", "a.bn", "b.bn", "head"}},
                                         {chain, {"max_pool_3"}},  // into the next weights
                                         {biased, {"a", "leaky_relu_1"}},
                                         {depthwise, {"deep.bn", "relu_5"}},  // of a grouped one
                                         {residual, {"block2.b", "stem.bn"}},
                                         {flattened, {"hidden", "norm"}},
                                         {shuffled, {"a.conv", "b", "deep.conv"}},  // in groups
                                         {shuffled, {"relu_9"}},  // into those of a grouped one
                                         {dense, {"a.bn", "norm"}},
                                         {transposed, {"up", "deep", "grouped"}},
                                         {transposed, {"relu_2", "relu_5"}}}) {
    Graph graph = traced(*c.make());
    INFO(c.behind[0]);
    const Tensor x = random_pictures(graph, 3, 1);
    Graph scaled = with_scales_behind(graph, c.behind);
    CHECK(scale_nodes(scaled) == static_cast<int>(c.behind.size()));
    CHECK(max_abs_difference(output(scaled, x), output(graph, x)) == 0);
    draw_factors(scaled);
    const Tensor expected = output(scaled, x);
    Graph folded = fold_scales(scaled);
    CHECK(scale_nodes(folded) == 0);
    CHECK(max_abs_difference(output(folded, x), expected) < 1e-4);
    CHECK(max_abs_difference(output(graph, x), expected) > 1e-3);
  }
  const Graph graph = traced(*biased());
  CHECK(contains(complaint([&] { with_scales_behind(graph, {"hard_swish_3"}); }),
                 "could not be folded away"));
  CHECK(contains(complaint([&] { with_scales_behind(graph, {"c"}); }), "has no layer 'c'"));
}

TEST_CASE("a residual block whose factor is zero goes without a trace") {
  for (Graph graph : {traced(*residual()), small_resnet()}) {
    const Tensor x = random_pictures(graph, 2, 1);
    Graph scaled = with_block_scales(graph);
    CHECK(max_abs_difference(output(scaled, x), output(graph, x)) == 0);
    const std::vector<Structure> scales = block_scales(scaled);
    REQUIRE(scales.size() >= 2);
    REQUIRE(scales.size() == removable_blocks(graph).size());
    std::vector<std::string> gone;
    for (size_t b = 0; b < scales.size(); ++b) {
      CHECK(scales[b].name == removable_blocks(graph)[b].name);
      scales[b].numbers->value.fill(b % 2 == 0 ? 0 : 0.75F);
      if (b % 2 == 0) gone.push_back(scales[b].name);
    }
    const Tensor expected = output(scaled, x);
    Graph shorter = without_blocks(scaled, gone);
    CHECK(scale_nodes(shorter) == 0);
    CHECK(removable_blocks(shorter).size() == scales.size() - gone.size());
    CHECK(max_abs_difference(output(shorter, x), expected) < 1e-5);
    CHECK(max_abs_difference(output(graph, x), expected) > 1e-4);
    gone.push_back(scales[1].name);  // one that is in use
    Graph other = without_blocks(scaled, gone);
    CHECK(max_abs_difference(output(other, x), expected) > 1e-4);
  }
  CHECK(contains(complaint([] { with_block_scales(traced(*chain())); }), "no residual block"));
}

TEST_CASE("a training switches blocks off, and gives the same bits when it was interrupted") {
  const auto trained = [](float strength, TrainOptions training, Graph* result = nullptr) {
    Graph graph = with_block_scales(small_resnet());
    StructureSelection penalty(factors_of(block_scales(graph)), strength);
    training.penalty = &penalty;
    const TrainResult found = fit(graph, small_data(), training);
    const uint64_t bits = fingerprint(graph, found);
    if (result != nullptr) *result = std::move(graph);
    return bits;
  };
  TrainOptions training = small_options();
  Graph weak, strong;
  trained(0, training, &weak);
  const uint64_t unbroken = trained(2, training, &strong);
  const auto zeros = [](Graph& graph) {
    int count = 0;
    for (const Structure& scale : block_scales(graph)) {
      const Tensor& s = scale.numbers->value;
      for (size_t i = 1; i < s.size(); ++i) CHECK(s[i] == s[0]);
      count += s[0] == 0 ? 1 : 0;
    }
    return count;
  };
  CHECK(zeros(weak) == 0);
  CHECK(zeros(strong) > 0);

  const Folder folder;
  training.folder = folder.path();
  training.resume = true;
  std::atomic<bool> stop = false;
  training.stop = &stop;
  training.progress = [&](const Progress& p) { stop = p.epoch == 2 && p.done == 48; };
  trained(2, training);
  stop = false;
  training.progress = {};
  CHECK(contains(complaint([&] { trained(1, training); }), "strength of the penalty was 2"));
  CHECK(trained(2, training) == unbroken);
}
