// What an observer is told of the steps of a tape and a session, and what a profile makes of it.
#include "engine/step_profile.h"

#include <algorithm>

#include "engine/cost.h"
#include "engine/kernels/conv.h"
#include "engine/kernels/peak.h"
#include "engine/kernels/tile.h"
#include "engine/parallel.h"
#include "engine/session.h"
#include "layers/step.h"
#include "tests/catch.h"
#include "tests/networks.h"
#include "tests/random_network.h"

using namespace bonsai;

namespace {

const int batch_size = 3;

Batch batch_for(const Graph& graph) {
  Shape shape = graph.input_shape();
  shape[0] = batch_size;
  return {random_tensor(shape, 5), Tensor({batch_size}, 1)};
}

// Of convolutions that no norm reads, large enough for both derivatives at once.
testing::NetworkPtr without_norms() {
  auto n = std::make_unique<testing::Network>("without norms", Shape{1, 16, 16, 3}, 0);
  Module& a = n->add<Conv2d>("a", 3, 10, 3, ConvOptions{.padding = 1}, n->init);
  Module& b = n->add<Conv2d>("b", 10, 9, 3, ConvOptions{.padding = 1}, n->init);
  Module& head = n->head(9);
  n->run = [&](Var x) { return head.forward(global_average_pool(b.forward(a.forward(x)))); };
  return n;
}

// One step of training, told to `observer`; the weights afterwards.
Graph trained(Graph graph, StepObserver* observer) {
  const auto optimiser = make_optimiser(graph.parameters());
  train_step(graph, *optimiser, batch_for(graph), {.observer = observer});
  return graph;
}

const StepFigures& figures_of(const StepProfile& profile, const std::string& name,
                              Direction direction) {
  const auto& steps = profile.steps();
  const auto found = std::find_if(steps.begin(), steps.end(), [&](const StepFigures& step) {
    return step.name == name && step.direction == direction;
  });
  INFO(name);
  REQUIRE(found != steps.end());
  return *found;
}

int64_t macs_in(const StepProfile& profile, Direction direction) {
  int64_t sum = 0;
  for (const StepFigures& step : profile.steps())
    if (step.direction == direction) sum += step.macs;
  return sum;
}

}  // namespace

TEST_CASE("an observed training step gives the bits of one that is not") {
  for (const auto& make : {testing::residual, testing::dense, testing::transposed, without_norms}) {
    const auto net = make();
    const Graph graph = trace(*net, net->input);
    StepProfile profile;
    Graph observed = trained(graph, &profile), alone = trained(graph, nullptr);
    const auto a = observed.parameters(), b = alone.parameters();
    for (size_t i = 0; i < a.size(); ++i) {
      INFO(net->name << ", " << a[i]->name);
      CHECK(max_abs_difference(a[i]->value, b[i]->value) == 0);
    }
    CHECK_FALSE(profile.steps().empty());
  }
}

TEST_CASE("a profile times derivatives that are computed at once as one") {
  const auto net = without_norms();
  StepProfile profile;
  trained(trace(*net, net->input), &profile);
  const bool at_once = conv_backward_at_once({batch_size, 16, 16, 10, 16, 16, 9, 3, 3, 1, 1, 1, 1});
  if (!at_once) return skip("this processor computes all derivatives apart");
  const StepFigures& both = figures_of(profile, "b", Direction::backward);
  CHECK(both.kernel == "flipped winograd, winograd");
  CHECK(both.macs == 2 * batch_size * 16 * 16 * 9 * 10 * 9);
}

TEST_CASE("a profile counts every multiply-accumulate in every direction") {
  const auto net = testing::residual();
  const Graph graph = trace(*net, net->input);
  StepProfile profile;
  trained(graph, &profile);
  const std::vector<Cost> cost = costs(graph);
  const int64_t all = total_cost(graph).macs * batch_size, first = cost[0].macs * batch_size;
  REQUIRE(first > 0);
  CHECK(macs_in(profile, Direction::forward) == all);
  CHECK(macs_in(profile, Direction::backward) > 0);  // of convolutions that batch norm follows
  CHECK(macs_in(profile, Direction::backward_weights) > 0);
  CHECK(macs_in(profile, Direction::backward_data) > 0);
  CHECK(profile.macs() == 3 * all - first);  // no gradient of pictures
  for (const StepFigures& step : profile.steps()) CHECK(step.runs == 1);

  trained(graph, &profile);
  CHECK(profile.macs() == 2 * (3 * all - first));
  for (const StepFigures& step : profile.steps()) CHECK(step.runs == 2);
}

TEST_CASE("a profile names steps by their layers and says what ran in them") {
  const auto net = testing::chain();  // a: 3 to 8 channels on 6 x 6, a pool; b: to 6, stride 2
  const Graph graph = trace(*net, net->input);
  StepProfile profile;
  trained(graph, &profile);
  CHECK(figures_of(profile, "a.conv", Direction::forward).operation == "conv2d");
  CHECK(figures_of(profile, "a.bn", Direction::forward).operation ==
        "batch_norm + relu + max_pool");
  const ConvShape shape{.n = batch_size,
                        .h = 3,
                        .w = 3,
                        .in = 8,
                        .out_h = 1,
                        .out_w = 1,
                        .out = 6,
                        .kh = 3,
                        .kw = 3,
                        .stride = 2,
                        .padding = 0,
                        .dilation = 1,
                        .groups = 1};
  const StepFigures& forward = figures_of(profile, "b.conv", Direction::forward);
  CHECK(forward.operation == "conv2d + batch_norm + relu");
  CHECK(forward.kernel == conv_forward_row(shape));
  CHECK(forward.out == Shape{batch_size, 1, 1, 6});
  const int64_t x = 3 * 9 * 8, y = 3 * 6, w = 6 * 72, numbers = sizeof(Scalar);
  CHECK(forward.bytes == (x + w + 4 * 6 + y) * numbers);
  const StepFigures& backward = figures_of(profile, "b.conv", Direction::backward);
  CHECK(backward.kernel == conv_backward_data_row(shape) + ", " + conv_backward_weights_row(shape));
  // The pixels, the weights, what batch norm has per channel, the gradient of the result, those of
  // the pixels, the weights, gamma and beta.
  CHECK(backward.bytes == (x + w + 4 * 6 + y + x + w + 2 * 6) * numbers);
  std::vector<std::string> others;
  for (const auto& [what, seconds] : profile.others()) others.push_back(what);
  CHECK(others == std::vector<std::string>{"check of numbers", "update of weights"});
  CHECK(profile.seconds() > 0);
}

// Of its two concats one is read by a convolution's norm, the other one by a pool.
TEST_CASE("a profile has no row for a concat that copies nothing") {
  const auto net = testing::dense();
  StepProfile profile;
  trained(trace(*net, net->input), &profile);
  const auto rows = [&](Direction direction) {
    const auto& steps = profile.steps();
    return std::count_if(steps.begin(), steps.end(), [&](const StepFigures& step) {
      return step.operation == "concat" && step.direction == direction;
    });
  };
  CHECK(rows(Direction::forward) == 1);
  CHECK(rows(Direction::backward) == 1);
}

TEST_CASE("a session tells of each of its nodes") {
  const auto net = testing::chain();
  Session session(trace(*net, net->input));
  StepProfile profile;
  const Tensor x = random_tensor(net->input, 3);
  Tensor y = Tensor::uninitialized(session.output_shape()), alone = y.clone();
  session.run(x.data(), y.data(), &profile);
  session.run(x.data(), alone.data());
  CHECK(max_abs_difference(y, alone) == 0);
  REQUIRE(profile.steps().size() == session.graph().nodes.size());
  CHECK(profile.macs() == total_cost(session.graph()).macs);
  CHECK(profile.steps()[0].name == "a.conv");
}

TEST_CASE("the row that backward-data is handed on to is named") {
  ConvShape shape{.n = 1,
                  .h = 8,
                  .w = 8,
                  .in = 16,
                  .out_h = 8,
                  .out_w = 8,
                  .out = 32,
                  .kh = 3,
                  .kw = 3,
                  .stride = 1,
                  .padding = 1,
                  .dilation = 1,
                  .groups = 1};
  const bool has_tiles = tile_kernels() != nullptr;
  CHECK(conv_forward_row(shape) == (has_tiles ? "direct" : "im2col"));
  CHECK(conv_backward_weights_row(shape) == (has_tiles ? "direct" : "im2col"));
  CHECK(conv_backward_data_row(shape) == (has_tiles ? "flipped direct" : "col2im"));
  shape.n = 8;  // enough of Winograd's tiles
  CHECK(conv_backward_data_row(shape) == (has_tiles ? "flipped winograd" : "col2im"));
  CHECK(conv_flipped(shape).in == 32);
  shape.groups = 16;
  CHECK_FALSE(conv_backward_data_row(shape).starts_with("flipped"));
}

TEST_CASE("the peak is more than a multiply-add a microsecond, and not more than there can be") {
  const double peak = measured_peak(0);
  CHECK(peak > 2e6);
  CHECK(peak < 2e12 * thread_count());  // 10 GHz times six multiply-adds of 16 lanes
}
