#include "engine/graph.h"

#include <algorithm>
#include <set>
#include <utility>

#include "engine/error.h"

namespace bonsai {
namespace {

// Of any axis: far above what memory holds, and far below what overflows in the next operation.
constexpr int largest_size = 1 << 24;

// A copy of what stands on the tape. A constant that a layer made becomes a buffer.
Graph::Value copy_value(const Tape::Value& value, size_t number) {
  Graph::Value copy{.shape = value.shape, .parameter = nullptr};
  if (value.data.defined()) {
    const Parameter* original = value.parameter;
    copy.parameter = std::make_unique<Parameter>(
        Parameter{.name = original ? original->name : join("constant_", number),
                  .value = value.data.clone(),
                  .grad = {},
                  .trainable = original != nullptr && original->trainable});
  }
  return copy;
}

void require_distinct_names(Graph& graph) {
  std::set<std::string> names;
  for (const Parameter* p : graph.parameters()) {
    require(!p->name.empty(), "trace: a parameter of shape ", p->value.shape(), " has no name");
    require(names.insert(p->name).second, "trace: two parameters are named '", p->name, "'");
  }
}

}  // namespace

Graph::Graph(const Graph& other)
    : nodes(other.nodes), input(other.input), output(other.output), info(other.info) {
  values.reserve(other.values.size());
  for (const Value& value : other.values) {
    Value& copy = values.emplace_back(Value{.shape = value.shape, .parameter = nullptr});
    if (const Parameter* p = value.parameter.get()) {
      copy.parameter = std::make_unique<Parameter>(Parameter{
          .name = p->name, .value = p->value.clone(), .grad = {}, .trainable = p->trainable});
    }
  }
}

Graph& Graph::operator=(const Graph& other) {
  if (this != &other) *this = Graph(other);
  return *this;
}

// By hand because the base class cannot be moved: a defaulted move would silently be a copy.
Graph::Graph(Graph&& other) noexcept { *this = std::move(other); }

Graph& Graph::operator=(Graph&& other) noexcept {
  values = std::move(other.values);
  nodes = std::move(other.nodes);
  input = other.input;
  output = other.output;
  info = std::move(other.info);
  return *this;
}

Var Graph::forward(Var x) { return replay(*this, x)[static_cast<size_t>(output)]; }

std::vector<Parameter*> Graph::parameters() {
  std::vector<Parameter*> all;
  for (const Value& value : values) {
    if (value.parameter) all.push_back(value.parameter.get());
  }
  return all;
}

std::vector<Shape> Graph::shapes() const {
  std::vector<Shape> all;
  all.reserve(values.size());
  for (const Value& value : values) all.push_back(value.shape);
  return all;
}

Parameter* Graph::find(const std::string& name) {
  for (const Value& value : values) {
    if (value.parameter && value.parameter->name == name) return value.parameter.get();
  }
  return nullptr;
}

std::string Graph::node_name(size_t node) const {
  std::vector<const Parameter*> own;
  for (const int v : nodes[node].in) {
    if (const auto& p = values[static_cast<size_t>(v)].parameter) own.push_back(p.get());
  }
  return operation_name(own, *nodes[node].op, node);
}

void Graph::infer_shapes(Shape input_shape) {
  const int count = static_cast<int>(values.size());
  auto is_value = [&](int v) { return v >= 0 && v < count; };
  require(is_value(input) && is_value(output), "graph: input ", input, " and output ", output,
          " should be values 0 to ", count - 1);
  std::vector<bool> known(values.size(), false);
  for (size_t v = 0; v < values.size(); ++v) {
    if (const Parameter* p = values[v].parameter.get()) {
      values[v].shape = p->value.shape();
      known[v] = true;
    }
  }
  require(!known[static_cast<size_t>(input)], "graph: the input is a parameter");
  known[static_cast<size_t>(input)] = true;
  values[static_cast<size_t>(input)].shape = std::move(input_shape);

  for (size_t n = 0; n < nodes.size(); ++n) {
    const Node& node = nodes[n];
    require(node.op != nullptr, "graph: node ", n, " has no operation");
    std::vector<Shape> in;
    for (const int v : node.in) {
      require(is_value(v) && known[static_cast<size_t>(v)], "graph: node ", n, " (",
              node.op->name(), ") reads value ", v, ", which no earlier node makes");
      in.push_back(values[static_cast<size_t>(v)].shape);
    }
    require(is_value(node.out) && !known[static_cast<size_t>(node.out)], "graph: node ", n, " (",
            node.op->name(), ") writes value ", node.out, ", which is taken or does not exist");
    Shape& out = values[static_cast<size_t>(node.out)].shape;
    try {
      out = node.op->infer(in);
      for (const int size : out) {
        require(size > 0 && size <= largest_size, "the result has shape ", out,
                ", sizes should be 1 to ", largest_size);
      }
    } catch (const Error& error) {
      throw Error(join("node ", node_name(n), ": ", error.what()));
    }
    known[static_cast<size_t>(node.out)] = true;
  }
  require(known[static_cast<size_t>(output)] && !values[static_cast<size_t>(output)].parameter,
          "graph: no node makes its output, value ", output);
}

Graph trace(Layer& layer, const Shape& input) {
  require(!input.empty() && input[0] == 1, "trace: input shape ", input,
          " should begin with a batch of 1");
  Tape tape(Mode::shapes);
  const Var x = tape.placeholder(input);
  const Var y = layer.forward(x);
  require(y && &y.tape() == &tape, "trace: the layer's result is not on the tape");
  Graph graph;
  for (size_t v = 0; v < tape.values().size(); ++v) {
    graph.values.push_back(copy_value(tape.values()[v], v));
  }
  graph.nodes = tape.nodes();
  graph.input = x.index();
  graph.output = y.index();
  drop_unused(graph);
  require_distinct_names(graph);
  return graph;
}

void drop_unused(Graph& graph) {
  std::vector<bool> used(graph.values.size(), false);
  used[static_cast<size_t>(graph.input)] = true;
  used[static_cast<size_t>(graph.output)] = true;
  std::vector<Node> nodes;
  for (size_t n = graph.nodes.size(); n-- > 0;) {
    Node& node = graph.nodes[n];
    if (!used[static_cast<size_t>(node.out)]) continue;
    for (const int v : node.in) used[static_cast<size_t>(v)] = true;
    nodes.push_back(std::move(node));
  }
  std::reverse(nodes.begin(), nodes.end());

  std::vector<int> number(graph.values.size(), -1);
  std::vector<Graph::Value> values;
  auto renumber = [&](int& v) {
    int& n = number[static_cast<size_t>(v)];
    if (n < 0) {
      n = static_cast<int>(values.size());
      values.push_back(std::move(graph.values[static_cast<size_t>(v)]));
    }
    v = n;
  };
  renumber(graph.input);
  for (Node& node : nodes) {
    for (int& v : node.in) renumber(v);
    renumber(node.out);
  }
  renumber(graph.output);
  graph.values = std::move(values);
  graph.nodes = std::move(nodes);
}

// Parameters are taken when first read, so that one which nobody reads stays off the tape.
std::vector<Var> replay(Graph& graph, Var x, const std::function<Var(int, Var)>& change) {
  require(static_cast<bool>(x), "graph: the input is none");
  Tape& tape = x.tape();
  std::vector<Var> vars(graph.values.size());
  vars[static_cast<size_t>(graph.input)] = x;
  for (const Node& node : graph.nodes) {
    std::vector<Var> in;
    for (const int v : node.in) {
      Var& var = vars[static_cast<size_t>(v)];
      Parameter* parameter = graph.values[static_cast<size_t>(v)].parameter.get();
      if (!var && parameter != nullptr) var = tape.use(*parameter);
      in.push_back(var);
    }
    const Var result = tape.apply(node.op, std::move(in));
    vars[static_cast<size_t>(node.out)] = change ? change(node.out, result) : result;
  }
  return vars;
}

std::vector<Tensor> taps(Graph& graph, const Tensor& x, std::span<const int> values) {
  Tape tape(Mode::inference);
  const std::vector<Var> vars = replay(graph, tape.constant(x));
  std::vector<Tensor> taken;
  for (const int v : values) {
    require(v >= 0 && v < static_cast<int>(vars.size()) && vars[static_cast<size_t>(v)],
            "taps: value ", v, " is not computed by this graph");
    taken.push_back(vars[static_cast<size_t>(v)].value().clone());
  }
  return taken;
}

std::vector<std::vector<int>> consumers(const Graph& graph) {
  std::vector<std::vector<int>> readers(graph.values.size());
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    for (const int v : graph.nodes[n].in) {
      std::vector<int>& list = readers[static_cast<size_t>(v)];
      const int node = static_cast<int>(n);
      if (list.empty() || list.back() != node) list.push_back(node);  // x + x reads x once
    }
  }
  return readers;
}

}  // namespace bonsai
