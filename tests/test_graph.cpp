// Tracing, replaying, copying, tapping, checking and counting graphs.
#include "engine/graph.h"

#include <set>

#include "engine/cost.h"
#include "engine/error.h"
#include "engine/ops.h"
#include "layers/basic.h"
#include "tests/catch.h"
#include "tests/compare_graphs.h"
#include "tests/error_of.h"
#include "tests/random_network.h"

using namespace bonsai;
using Catch::Matchers::Contains;

namespace {

// One convolution used twice, a branch that leads nowhere, and a sum.
struct Shared : Module {
  explicit Shared(Random& init)
      : conv(child<Conv2d>("conv", 4, 4, 3, ConvOptions{.padding = 1}, init)),
        lost(child<Conv2d>("lost", 4, 2, 1, ConvOptions{}, init)) {}
  Var forward(Var x) override {
    const Var once = relu(conv.forward(x));
    lost.forward(once);
    return add(conv.forward(once), once);
  }
  Conv2d &conv, &lost;
};

Graph shared_graph() {
  Random init(1, Purpose::init);
  Shared layer(init);
  return trace(layer, {1, 5, 5, 4});
}

// Gradients of sum(y) after one pass.
std::vector<Tensor> gradients(Layer& layer, const Tensor& x, Mode mode) {
  const auto parameters = layer.parameters();
  clear_gradients(parameters);
  Tape tape(mode, 5, 6);
  const Var y = layer.forward(tape.constant(x));
  const Var labels = tape.constant(Tensor({x.dim(0)}));
  tape.backward(cross_entropy(y, labels));
  std::vector<Tensor> all;
  for (const Parameter* p : parameters) all.push_back(p->trainable ? p->grad.clone() : p->value);
  return all;
}

}  // namespace

TEST_CASE("a traced graph computes what its layer computes, for any batch") {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    RandomNetwork layer(seed);
    Graph graph = trace(layer, RandomNetwork::input());
    REQUIRE(graph.input_shape() == RandomNetwork::input());
    for (const int batch : {1, 3}) {
      const Tensor x = random_tensor(RandomNetwork::input(batch), seed);
      REQUIRE(max_abs_difference(run(graph, x), run(layer, x)) == 0);
    }
  }
}

TEST_CASE("a traced graph has its layer's gradients, in training and frozen") {
  for (uint64_t seed = 0; seed < 6; ++seed) {
    for (const Mode mode : {Mode::training, Mode::frozen}) {
      RandomNetwork layer(seed);
      Graph graph = trace(layer, RandomNetwork::input());
      const Tensor x = random_tensor(RandomNetwork::input(4), seed);
      const auto of_layer = gradients(layer, x, mode), of_graph = gradients(graph, x, mode);
      std::map<std::string, Tensor> by_name;
      for (size_t i = 0; i < of_layer.size(); ++i) {
        by_name[layer.parameters()[i]->name] = of_layer[i];
      }
      REQUIRE(of_layer.size() == of_graph.size());
      for (size_t i = 0; i < of_graph.size(); ++i) {
        const std::string& name = graph.parameters()[i]->name;
        INFO(name);
        REQUIRE(max_abs_difference(of_graph[i], by_name.at(name)) == 0);
      }
    }
  }
}

TEST_CASE("a trace copies parameters under their names, sees sharing, drops what leads nowhere") {
  Random init(1, Purpose::init);
  Shared layer(init);
  Graph graph = trace(layer, {1, 5, 5, 4});
  std::set<std::string> names;
  for (const Parameter* p : graph.parameters()) names.insert(p->name);
  CHECK(names == std::set<std::string>{"conv.weight", "conv.bias"});
  CHECK(graph.nodes.size() == 4);  // conv, relu, conv, add
  CHECK(graph.values.size() == 7);
  CHECK(graph.nodes[0].in[1] == graph.nodes[2].in[1]);

  const Scalar before = graph.find("conv.weight")->value[0];
  layer.parameters()[0]->value[0] += 1;
  CHECK(graph.find("conv.weight")->value[0] == before);
  CHECK(graph.find("lost.weight") == nullptr);
}

TEST_CASE("values are numbered in the order of use") {
  const Graph graph = shared_graph();
  CHECK(graph.input == 0);
  CHECK(graph.nodes[0].in == std::vector{0, 1, 2});
  CHECK(graph.nodes[0].out == 3);
  CHECK(graph.output == 6);
}

TEST_CASE("tracing a graph gives the graph again") {
  RandomNetwork layer(3);
  Graph graph = trace(layer, RandomNetwork::input());
  Graph again = trace(graph, RandomNetwork::input());
  REQUIRE(again.nodes.size() == graph.nodes.size());
  for (size_t n = 0; n < graph.nodes.size(); ++n) CHECK(again.nodes[n].in == graph.nodes[n].in);
}

TEST_CASE("a constant that a layer makes becomes a buffer") {
  struct Shift : Module {
    Var forward(Var x) override { return channel_scale(x, x.tape().constant(Tensor({2}, 3))); }
  } layer;
  Graph graph = trace(layer, {1, 2, 2, 2});
  REQUIRE(graph.parameters().size() == 1);
  CHECK(!graph.parameters()[0]->trainable);
  CHECK(run(graph, Tensor({1, 2, 2, 2}, 2))[0] == 6);
}

TEST_CASE("what cannot be traced is refused") {
  Random init(1, Purpose::init);
  Shared layer(init);
  CHECK_THAT(error_of([&] { trace(layer, {2, 5, 5, 4}); }), Contains("batch of 1"));
  layer.parameters()[1]->name = "conv.weight";
  CHECK_THAT(error_of([&] { trace(layer, {1, 5, 5, 4}); }), Contains("conv.weight"));
}

TEST_CASE("copies of a graph share no memory; moved graphs keep theirs") {
  Graph graph = shared_graph();
  graph.info.network = "shared";
  Graph copy = graph;
  const Scalar* memory = graph.parameters()[0]->value.data();
  CHECK(copy.parameters()[0]->value.data() != memory);
  CHECK(copy.info.network == "shared");
  const Tensor x = random_tensor({2, 5, 5, 4}, 1);
  CHECK(max_abs_difference(run(copy, x), run(graph, x)) == 0);
  copy.parameters()[0]->value.fill(0);
  CHECK(max_abs_difference(run(copy, x), run(graph, x)) > 0);

  Graph moved = std::move(graph);
  CHECK(moved.parameters()[0]->value.data() == memory);
  copy = std::move(moved);
  CHECK(copy.parameters()[0]->value.data() == memory);
  copy = copy;
  CHECK(copy.parameters().size() == 2);
}

TEST_CASE("taps give the values by number") {
  Graph graph = shared_graph();
  const Tensor x = random_tensor({2, 5, 5, 4}, 1);
  const std::vector<int> wanted{graph.output, 0, 1, graph.nodes[1].out};
  const std::vector<Tensor> values = taps(graph, x, wanted);
  CHECK(max_abs_difference(values[0], run(graph, x)) == 0);
  CHECK(max_abs_difference(values[1], x) == 0);
  CHECK(max_abs_difference(values[2], graph.find("conv.weight")->value) == 0);
  CHECK(values[3].shape() == Shape{2, 5, 5, 4});
  for (size_t i = 0; i < values[3].size(); ++i) REQUIRE(values[3][i] >= 0);
  CHECK(values[1].data() != x.data());
  const std::vector<int> none{99};
  CHECK_THAT(error_of([&] { taps(graph, x, none); }), Contains("99"));
}

TEST_CASE("consumers lists each reader once") {
  const Graph graph = shared_graph();
  const auto readers = consumers(graph);
  CHECK(readers[1] == std::vector{0, 2});  // the shared weight
  CHECK(readers[static_cast<size_t>(graph.nodes[1].out)] == std::vector{2, 3});
  CHECK(readers[static_cast<size_t>(graph.output)].empty());

  struct Twice : Module {
    Var forward(Var x) override { return add(x, x); }
  } layer;
  CHECK(consumers(trace(layer, {1, 2}))[0] == std::vector{0});
}

TEST_CASE("nodes are named by the path of their parameters, or by operation and position") {
  RandomNetwork layer(0);
  const Graph graph = trace(layer, RandomNetwork::input());
  CHECK(graph.node_name(0) == "layer0");
  CHECK(shared_graph().node_name(1) == "relu_1");
  Graph renamed = shared_graph();
  renamed.find("conv.weight")->name = "stage.1.conv.weight";
  renamed.find("conv.bias")->name = "stage.1.bn.bias";
  CHECK(renamed.node_name(0) == "stage.1");
  renamed.find("stage.1.bn.bias")->name = "stage.12.bias";
  CHECK(renamed.node_name(0) == "stage");
  renamed.find("stage.12.bias")->name = "bias";
  CHECK(renamed.node_name(0) == "conv2d_0");
}

TEST_CASE("costs count parameters once, multiply-adds and outputs") {
  const Graph graph = shared_graph();
  const std::vector<Cost> cost = costs(graph);
  CHECK(cost[0].params == 4 * 4 * 9 + 4);
  CHECK(cost[2].params == 0);  // shared with node 0
  CHECK(cost[0].macs == 25 * 4 * 4 * 9);
  CHECK(cost[1].macs == 0);
  CHECK(cost[1].activation_bytes == 5 * 5 * 4 * 4);
  const Cost total = total_cost(graph);
  CHECK(total.params == 148);
  CHECK(total.macs == 2 * 3600);
  CHECK(total.activation_bytes == 4 * 400);

  struct Norm : Module {
    Norm() : bn(child<BatchNorm>("bn", 3)) {}
    Var forward(Var x) override { return bn.forward(x); }
    BatchNorm& bn;
  } norm;
  CHECK(total_cost(trace(norm, {1, 2, 2, 3})).params == 6);  // running statistics do not count
}

TEST_CASE("print is a table that ends with the totals") {
  const std::string table = print(shared_graph());
  CHECK_THAT(table, Contains("conv") && Contains("relu_1") && Contains("5x5x4") &&
                        Contains("3,600") && Contains("7,200"));
  CHECK(std::count(table.begin(), table.end(), '\n') == 7);
}

TEST_CASE("infer_shapes takes another input and refuses a graph that does not hold together") {
  Graph graph = shared_graph();
  graph.infer_shapes({3, 7, 9, 4});
  CHECK(graph.output_shape() == Shape{3, 7, 9, 4});

  auto broken = [](const std::function<void(Graph&)>& change) {
    Graph g = shared_graph();
    change(g);
    return error_of([&] { g.infer_shapes({1, 5, 5, 4}); });
  };
  CHECK(broken([](Graph&) {}).empty());
  CHECK_THAT(error_of([] { shared_graph().infer_shapes({1, 5, 5, 3}); }), Contains("node conv:"));
  CHECK_THAT(broken([](Graph& g) { g.nodes[1].in[0] = 5; }), Contains("reads value 5"));
  CHECK_THAT(broken([](Graph& g) { g.nodes[1].in[0] = 4; }), Contains("reads value 4"));
  CHECK_THAT(broken([](Graph& g) { g.nodes[1].in[0] = -1; }), Contains("reads value -1"));
  CHECK_THAT(broken([](Graph& g) { g.nodes[1].in[0] = 700; }), Contains("reads value 700"));
  CHECK_THAT(broken([](Graph& g) { g.nodes[1].out = 3; }), Contains("writes value 3"));
  CHECK_THAT(broken([](Graph& g) { g.nodes[1].out = 1; }), Contains("writes value 1"));
  CHECK_THAT(broken([](Graph& g) { g.nodes[1].out = 0; }), Contains("writes value 0"));
  CHECK_THAT(broken([](Graph& g) { g.nodes[1].op = nullptr; }), Contains("node 1"));
  CHECK_THAT(broken([](Graph& g) { g.nodes.pop_back(); }), Contains("output"));
  CHECK_THAT(broken([](Graph& g) { g.output = 1; }), Contains("output"));
  CHECK_THAT(broken([](Graph& g) { g.output = 70; }), Contains("output"));
  CHECK_THAT(broken([](Graph& g) { g.input = 1; }), Contains("input"));
}
