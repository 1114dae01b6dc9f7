// Rewrites for inference keep every result; planned memory never holds two values at one place.
#include "engine/passes.h"

#include <algorithm>

#include "engine/ops.h"
#include "engine/ops/registry.h"
#include "engine/session.h"
#include "layers/basic.h"
#include "tests/catch.h"
#include "tests/compare_graphs.h"
#include "tests/error_of.h"
#include "tests/random_network.h"

using namespace bonsai;

namespace {

int count(const Graph& graph, std::string_view op) {
  return static_cast<int>(std::count_if(graph.nodes.begin(), graph.nodes.end(),
                                        [&](const Node& n) { return n.op->name() == op; }));
}

// Any number of inputs, a result of a given size.
class Blob : public Op {
 public:
  explicit Blob(int size) : size_(size) {}
  std::string_view name() const override { return "blob"; }
  Shape infer(std::span<const Shape>) const override { return {1, size_}; }
  void forward(std::span<const Tensor>, Tensor&, const Pass&) const override {}
  void backward(std::span<const Tensor>, const Tensor&, std::span<const Tensor>, const Tensor&,
                std::span<const Gradient>) const override {}
  void ties(const Node&, std::span<const Shape>, Channels&) const override {}

 private:
  int size_;
};

Graph random_blobs(uint64_t seed) {
  Random random(seed, Purpose::test);
  Graph graph;
  const int nodes = random.between(1, 40), reach = random.between(1, 12);
  graph.values.resize(static_cast<size_t>(nodes) + 1);
  for (int n = 0; n < nodes; ++n) {
    Node node{.op = std::make_shared<Blob>(random.between(1, 400)), .in = {}, .out = n + 1};
    const int inputs = random.between(1, 3);
    for (int i = 0; i < inputs; ++i) node.in.push_back(random.between(std::max(0, n - reach), n));
    graph.nodes.push_back(std::move(node));
  }
  graph.output = random.between(1, nodes);
  graph.infer_shapes({1, random.between(1, 400)});
  return graph;
}

// Plays the graph through the arena: every scalar remembers which value wrote it last, and every
// reader must find its inputs unharmed. Knows nothing of lifetimes.
bool values_survive(const Graph& graph, const MemoryPlan& plan) {
  std::vector<int> owner(plan.size, -1);
  auto range = [&](int v) {
    const size_t begin = plan.offsets[static_cast<size_t>(v)];
    return std::pair(begin, begin + element_count(graph.values[static_cast<size_t>(v)].shape));
  };
  auto write = [&](int v) {
    const auto [begin, end] = range(v);
    if (end > plan.size) return false;
    std::fill(owner.data() + begin, owner.data() + end, v);
    return true;
  };
  auto intact = [&](int v) {
    const auto [begin, end] = range(v);
    return std::all_of(owner.data() + begin, owner.data() + end, [&](int o) { return o == v; });
  };
  if (!write(graph.input)) return false;
  for (const Node& node : graph.nodes) {
    if (!write(node.out)) return false;
    for (const int v : node.in) {
      if (!intact(v)) return false;  // also when the result overwrote what was still being read
    }
  }
  return intact(graph.output);
}

// No plan can be smaller than what is alive at one node.
size_t least_memory(const Graph& graph) {
  const std::vector<Lifetime> lives = lifetimes(graph);
  size_t most = 0;
  for (int n = 0; n < static_cast<int>(graph.nodes.size()); ++n) {
    size_t now = 0;
    for (size_t v = 0; v < lives.size(); ++v) {
      if (lives[v].first <= n && n <= lives[v].last) now += element_count(graph.values[v].shape);
    }
    most = std::max(most, now);
  }
  return most;
}

}  // namespace

TEST_CASE("each rewrite keeps every result that it keeps") {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    RandomNetwork layer(seed);
    const Graph graph = trace(layer, RandomNetwork::input());
    const Tensor x = random_tensor(RandomNetwork::input(2), seed);
    INFO("seed " << seed);
    CHECK(first_difference(graph, drop_identities(graph), x, 0) == "");
    CHECK(first_difference(graph, fold_batch_norm(graph), x, 1e-5) == "");
    CHECK(first_difference(graph, fuse_activations(graph), x, 1e-6) == "");
    const Graph all = fuse_activations(fold_batch_norm(drop_identities(graph)));
    CHECK(first_difference(graph, all, x, 1e-5) == "");
    CHECK(all.nodes.size() < graph.nodes.size());
    Graph original = graph, rewritten = all;
    CHECK(relative_difference(run(rewritten, x), run(original, x)) < 1e-5);
  }
}

TEST_CASE("a wrong rewrite is found and named") {
  RandomNetwork layer(4);
  const Graph graph = trace(layer, RandomNetwork::input());
  Graph wrong = fold_batch_norm(graph);
  const Tensor x = random_tensor(RandomNetwork::input(), 1);
  Parameter* weight = nullptr;
  for (const Node& node : wrong.nodes) {
    if (node.op->name() == "conv2d")
      weight = wrong.values[static_cast<size_t>(node.in[1])].parameter.get();
  }
  REQUIRE(weight != nullptr);
  for (size_t i = 0; i < weight->value.size(); ++i) weight->value[i] *= Scalar(1.001);
  const std::string name = weight->name.substr(0, weight->name.rfind('.'));
  CHECK_THAT(first_difference(graph, wrong, x, 1e-5), Catch::Matchers::StartsWith(name));
}

TEST_CASE("batch norms go into convolutions and fully connected layers, with a bias in the end") {
  struct Net : Module {
    explicit Net(Random& r)
        : conv(child<Conv2d>("conv", 3, 5, 3, ConvOptions{.bias = false}, r)),
          bn1(child<BatchNorm>("bn1", 5)),
          fc(child<Linear>("fc", 5, 4, r)),
          bn2(child<BatchNorm>("bn2", 4)) {}
    Var forward(Var x) override {
      return bn2.forward(fc.forward(global_average_pool(relu(bn1.forward(conv.forward(x))))));
    }
    Conv2d& conv;
    BatchNorm& bn1;
    Linear& fc;
    BatchNorm& bn2;
  };
  Random init(1, Purpose::init);
  Net net(init);
  randomize_norms(net, 1);
  const Graph graph = trace(net, {1, 6, 6, 3});
  Graph folded = fold_batch_norm(graph);
  CHECK(count(folded, "batch_norm") == 0);
  CHECK(folded.parameters().size() == 4);
  REQUIRE(folded.find("conv.bias") != nullptr);
  CHECK(folded.find("conv.bias")->value.shape() == Shape{5});
  CHECK(folded.find("fc.bias") != nullptr);
  const Tensor x = random_tensor({2, 6, 6, 3}, 1);
  CHECK(first_difference(graph, folded, x, 1e-5) == "");
  Graph again = trace(folded, {1, 6, 6, 3});  // still a graph like any other
  CHECK(max_abs_difference(run(again, x), run(folded, x)) == 0);
}

TEST_CASE("batch norms go into transposed convolutions, grouped ones too") {
  for (const int groups : {1, 2, 6}) {
    INFO(groups << " groups");
    Random init(1, Purpose::init);
    Sequential net;
    net.add<ConvTranspose2d>(6, 12, 3, ConvTransposeOptions{.stride = 2, .groups = groups}, init);
    net.add<BatchNorm>(12);
    net.add<Relu>();
    net.add<ConvTranspose2d>(12, 5, 3, ConvTransposeOptions{.padding = 1, .bias = false}, init);
    net.add<BatchNorm>(5);
    randomize_norms(net, 1);
    const Graph graph = trace(net, {1, 4, 5, 6});
    Graph folded = fuse_activations(fold_batch_norm(graph));
    CHECK(folded.nodes.size() == 2);
    const Tensor x = random_tensor({2, 4, 5, 6}, 1);
    Graph original = graph;
    CHECK(relative_difference(run(folded, x), run(original, x)) < 1e-5);
    // And as a session runs it, with its weights packed.
    Session session(graph, {.batch = 2});
    const Tensor y = run(original, x);
    std::vector<float> in(x.data(), x.data() + x.size()), out(y.size());
    session.run(in.data(), out.data());
    for (size_t i = 0; i < out.size(); ++i) CHECK(out[i] == Approx(y[i]).margin(1e-4));
  }
}

TEST_CASE("a batch norm stays where folding would change somebody else's value") {
  struct Forked : Module {  // the convolution's own result is read as well
    explicit Forked(Random& r)
        : conv(child<Conv2d>("conv", 3, 3, 1, ConvOptions{}, r)), bn(child<BatchNorm>("bn", 3)) {}
    Var forward(Var x) override {
      const Var y = conv.forward(x);
      return add(bn.forward(y), y);
    }
    Conv2d& conv;
    BatchNorm& bn;
  };
  struct Twice : Module {  // one convolution, two norms: the weights part ways
    explicit Twice(Random& r)
        : conv(child<Conv2d>("conv", 3, 3, 1, ConvOptions{}, r)),
          a(child<BatchNorm>("a", 3)),
          b(child<BatchNorm>("b", 3)) {}
    Var forward(Var x) override { return b.forward(conv.forward(a.forward(conv.forward(x)))); }
    Conv2d& conv;
    BatchNorm &a, &b;
  };
  Random init(1, Purpose::init);
  const Tensor x = random_tensor({2, 4, 4, 3}, 1);
  Forked forked(init);
  randomize_norms(forked, 1);
  const Graph graph = trace(forked, {1, 4, 4, 3});
  CHECK(count(fold_batch_norm(graph), "batch_norm") == 1);
  CHECK(first_difference(graph, fold_batch_norm(graph), x, 1e-6) == "");

  Twice twice(init);
  randomize_norms(twice, 2);
  const Graph shared = trace(twice, {1, 4, 4, 3});
  Graph folded = fold_batch_norm(shared);
  CHECK(count(folded, "batch_norm") == 0);
  CHECK(folded.parameters().size() == 4);
  CHECK(first_difference(shared, folded, x, 1e-5) == "");

  struct Last : Module {  // the norm's input is the network's output too: nothing may move
    explicit Last(Random& r)
        : conv(child<Conv2d>("conv", 3, 3, 1, ConvOptions{}, r)), bn(child<BatchNorm>("bn", 3)) {}
    Var forward(Var x) override {
      const Var y = relu(conv.forward(x));
      return bn.forward(y);
    }
    Conv2d& conv;
    BatchNorm& bn;
  } last(init);
  randomize_norms(last, 3);
  const Graph activated = trace(last, {1, 4, 4, 3});
  const Graph fused_first = fold_batch_norm(fuse_activations(activated));
  CHECK(count(fused_first, "batch_norm") == 1);
  CHECK(first_difference(activated, fused_first, x, 1e-6) == "");
}

TEST_CASE("activations are fused only into a producer that nobody else reads") {
  struct Net : Module {
    explicit Net(Random& r)
        : a(child<Conv2d>("a", 3, 3, 1, ConvOptions{}, r)),
          b(child<Conv2d>("b", 3, 3, 1, ConvOptions{}, r)) {}
    Var forward(Var x) override {
      const Var y = a.forward(x);
      return add(relu(y), relu6(b.forward(y)));
    }
    Conv2d &a, &b;
  };
  Random init(1, Purpose::init);
  Net net(init);
  const Graph graph = trace(net, {1, 4, 4, 3});
  const Graph fused = fuse_activations(graph);
  CHECK(count(fused, "relu") == 1);
  CHECK(count(fused, "relu6") == 0);
  CHECK(first_difference(graph, fused, random_tensor({1, 4, 4, 3}, 1), 1e-6) == "");
}

TEST_CASE("a selection goes into the convolution that alone reads it") {
  struct Net : Module {
    explicit Net(Random& r)
        : stem(child<Conv2d>("stem", 3, 12, 3, ConvOptions{.padding = 1}, r)),
          a(child<Conv2d>("a", 5, 8, 3, ConvOptions{.padding = 1}, r)),
          norm(child<BatchNorm>("norm", 8)),
          b(child<Conv2d>("b", 6, 8, 1, ConvOptions{.groups = 2}, r)),
          c(child<Conv2d>("c", 4, 8, 1, ConvOptions{}, r)) {}
    Var forward(Var x) override {
      const Var y = stem.forward(x), few = select(y, {0, 1, 2, 3});
      const Var one = relu(norm.forward(a.forward(select(y, {1, 4, 5, 9, 11}))));
      const Var two = b.forward(select(y, {11, 0, 3, 2, 2, 7}));
      return add(add(one, two),
                 add(c.forward(few), select(concat({few, few}), {0, 1, 2, 3, 4, 5, 6, 7})));
    }
    Conv2d &stem, &a;
    BatchNorm& norm;
    Conv2d &b, &c;
  };
  Random init(1, Purpose::init);
  Net net(init);
  randomize_norms(net, 1);
  const Graph graph = trace(net, {1, 6, 7, 3});
  const Tensor x = random_tensor({2, 6, 7, 3}, 1);
  const Graph fused = fuse_selections(graph);
  CHECK(count(graph, "select") == 4);
  CHECK(count(fused, "select") == 2);  // what is read twice, and what no convolution reads
  CHECK(first_difference(graph, fused, x, 1e-6) == "");
  const Session session(graph);
  CHECK(count(session.graph(), "select") == 2);
  CHECK(count(session.graph(), "relu") == 0);
  CHECK(first_difference(graph, session.graph(), x, 1e-5) == "");
  CHECK(fuse_selections(fused).nodes.size() == fused.nodes.size());
  Sequential shuffled;  // nothing is left out
  shuffled.add<Stateless>([](Var v) { return channel_shuffle(v, 2); });
  shuffled.add<Conv2d>(6, 6, 3, ConvOptions{.groups = 6}, init);
  CHECK(count(fuse_selections(trace(shuffled, {1, 6, 7, 6})), "select") == 1);
  // A graph like any other, but for those who would prune it.
  Graph again = fused;
  again.infer_shapes({2, 6, 7, 3});
  const auto found = std::find_if(again.nodes.begin(), again.nodes.end(), [](const Node& node) {
    return node.op->attributes().count("channels") == 1;
  });
  REQUIRE(found != again.nodes.end());
  const Node& conv = *found;
  CHECK(make_op("conv2d", conv.op->attributes())->attributes() == conv.op->attributes());
  Channels channels;
  CHECK(error_of([&] { conv.op->ties(conv, again.shapes(), channels); }) ==
        "conv2d: it reads chosen channels of its input, which is for inference alone");
  const std::vector<Shape> narrow = {{1, 6, 7, 11}, {8, 3, 3, 5}, {8}};
  CHECK(error_of([&] { conv.op->infer(narrow); }) ==
        "conv2d: channel 11 is beyond the 11 channels of the input [1, 6, 7, 11]");
}

TEST_CASE("dropout is dropped, also at the ends") {
  struct Net : Module {
    Var forward(Var x) override { return dropout(relu(dropout(dropout(x, 0.5F), 0.5F)), 0.5F); }
  } net;
  Graph graph = drop_identities(trace(net, {1, 4}));
  CHECK(graph.nodes.size() == 1);
  const Tensor x = random_tensor({3, 4}, 1);
  CHECK(max_abs_difference(run(graph, x), run(net, x)) == 0);
  struct Nothing : Module {
    Var forward(Var x) override { return dropout(x, 0.5F); }
  } nothing;
  Graph empty = drop_identities(trace(nothing, {1, 4}));
  CHECK(empty.nodes.empty());
  CHECK(empty.output == empty.input);
}

TEST_CASE("values that are alive together lie apart, on random graphs") {
  double worst = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const Graph graph = random_blobs(seed);
    const MemoryPlan plan = plan_memory(graph);
    INFO("seed " << seed);
    REQUIRE(values_survive(graph, plan));
    for (const size_t offset : plan.offsets) REQUIRE(offset * sizeof(Scalar) % 64 == 0);
    REQUIRE(plan.size >= least_memory(graph));
    const double least = static_cast<double>(least_memory(graph) + 16 * graph.values.size());
    worst = std::max(worst, static_cast<double>(plan.size) / least);
  }
  CHECK(worst < 1.5);
}

TEST_CASE("a plan in which two living values meet is refused by the check") {
  int refused = 0, tried = 0;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const Graph graph = random_blobs(seed);
    const MemoryPlan plan = plan_memory(graph);
    for (const Node& node : graph.nodes) {  // each result on top of the node's first input
      MemoryPlan wrong = plan;
      wrong.offsets[static_cast<size_t>(node.out)] = plan.offsets[static_cast<size_t>(node.in[0])];
      wrong.size += 1000;
      ++tried;
      refused += values_survive(graph, wrong) ? 0 : 1;
    }
  }
  CHECK(tried > 500);
  CHECK(refused == tried);
  MemoryPlan small = plan_memory(random_blobs(1));
  small.size /= 2;
  CHECK_FALSE(values_survive(random_blobs(1), small));
}

TEST_CASE("a chain needs no more than its two largest neighbours") {
  Graph graph;
  graph.values.resize(5);
  const int sizes[] = {64, 160, 320, 16};
  for (int n = 0; n < 4; ++n) {
    graph.nodes.push_back({.op = std::make_shared<Blob>(sizes[n]), .in = {n}, .out = n + 1});
  }
  graph.output = 4;
  graph.infer_shapes({1, 32});
  CHECK(plan_memory(graph).size == 160 + 320);
}
