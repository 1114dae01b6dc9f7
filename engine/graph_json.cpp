#include "engine/graph_json.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/error.h"
#include "engine/ops/registry.h"
#include "engine/strict_json.h"

namespace bonsai {
namespace {

using Json = nlohmann::json;

constexpr size_t most_nodes = 65'536;
constexpr size_t highest_rank = 8;
constexpr uint64_t most_activation_floats = uint64_t{1} << 30;  // 4 GiB for one image

Json attributes_to_json(const Attributes& attributes) {
  Json json = Json::object();
  for (const auto& [key, attribute] : attributes) {
    std::visit([&, &k = key](const auto& value) { json[k] = value; }, attribute);
  }
  return json;
}

Attribute attribute_from_json(const Json& json, const std::string& where) {
  if (json.is_number_float()) return json.get<double>();
  if (json.is_string()) return json.get<std::string>();
  auto integer = [&](const Json& number, int64_t limit) {
    require(number.is_number_integer() &&
                (!number.is_number_unsigned() ||
                 number.get<uint64_t>() <= static_cast<uint64_t>(limit)) &&
                number.get<int64_t>() >= -limit,
            where, " should be a number, a text or a list of whole numbers, and not too large");
    return number.get<int64_t>();
  };
  if (!json.is_array()) return integer(json, std::numeric_limits<int64_t>::max());
  std::vector<int> list;
  for (const Json& number : json) {
    list.push_back(static_cast<int>(integer(number, std::numeric_limits<int>::max())));
  }
  return list;
}

class GraphReader {
 public:
  GraphReader(const std::string& where, std::unordered_map<std::string, Tensor>& tensors)
      : where_(where), tensors_(tensors) {}

  Graph read(const Json& json) {
    require(json.is_object(), where_, ": should be an object");
    require_keys(json, {"input", "nodes", "output", "buffers"}, where_);
    results_ = {add({.shape = read_input(field(json, "input", where_)), .parameter = nullptr})};
    graph_.input = results_[0];
    read_buffers(field(json, "buffers", where_));
    const Json& nodes = field(json, "nodes", where_);
    require(nodes.is_array() && nodes.size() <= most_nodes, where_,
            ": nodes should be a list of at most ", most_nodes);
    for (const Json& node : nodes) read_node(node);
    graph_.output = result(field(json, "output", where_), join(where_, ": output"));
    require(buffers_.empty(), where_, ": buffer '",
            buffers_.empty() ? "" : printable(*buffers_.begin()), "' is read by no node");
    infer();
    return std::move(graph_);
  }

 private:
  static const Json& field(const Json& json, const char* key, const std::string& where) {
    const auto found = json.find(key);
    require(found != json.end(), where, ": ", key, " is missing");
    return *found;
  }

  static void require_keys(const Json& json, const std::set<std::string>& known,
                           const std::string& where) {
    for (const auto& [key, value] : json.items()) {
      require(known.count(key) != 0, where, ": key '", printable(key), "' is unknown");
    }
  }

  int add(Graph::Value value) {
    graph_.values.push_back(std::move(value));
    return static_cast<int>(graph_.values.size()) - 1;
  }

  Shape read_input(const Json& json) const {
    require(json.is_array() && json.size() >= 2 && json.size() <= highest_rank, where_,
            ": input should be a shape, such as [1, 32, 32, 3]");
    Shape shape;
    for (const Json& size : json) {
      require(size.is_number_unsigned() && size.get<uint64_t>() >= 1 &&
                  size.get<uint64_t>() <= most_activation_floats,
              where_, ": input should hold whole numbers of 1 or more, and not too large");
      shape.push_back(size.get<int>());
    }
    require(shape[0] == 1, where_, ": input is ", shape, ", should begin with a batch of 1");
    return shape;
  }

  void read_buffers(const Json& json) {
    require(json.is_array(), where_, ": buffers should be a list of tensor names");
    for (const Json& name : json) {
      require(name.is_string(), where_, ": buffers should be a list of tensor names");
      buffers_.insert(name.get<std::string>());
    }
  }

  void read_node(const Json& json) {
    const std::string where = join(where_, ": node ", results_.size() - 1);
    require(json.is_object(), where, " should be an object");
    require_keys(json, {"op", "in", "out", "attributes"}, where);
    Node node{.op = read_op(json, where)};
    const Json& in = field(json, "in", where);
    require(in.is_array(), where, ": in should be a list of results and tensor names");
    for (const Json& value : in) {
      node.in.push_back(value.is_string() ? parameter(value.get<std::string>(), where)
                                          : result(value, join(where, ": in")));
    }
    const Json& out = field(json, "out", where);
    require(out.is_number_unsigned() && out.get<uint64_t>() == results_.size(), where,
            ": out should be ", results_.size(), ", as results are numbered in order");
    node.out = add({});
    results_.push_back(node.out);
    graph_.nodes.push_back(std::move(node));
  }

  OpPtr read_op(const Json& json, const std::string& where) const {
    const Json& name = field(json, "op", where);
    require(name.is_string(), where, ": op should be a text");
    Attributes attributes;
    if (const auto found = json.find("attributes"); found != json.end()) {
      require(found->is_object(), where, ": attributes should be an object");
      for (const auto& [key, value] : found->items()) {
        const std::string what = join(where, ": attribute '", printable(key), "'");
        attributes.emplace(key, attribute_from_json(value, what));
      }
    }
    try {
      return make_op(name.get<std::string>(), attributes);
    } catch (const Error& error) {
      throw Error(join(where, ": ", printable(error.what(), 300)));
    }
  }

  int result(const Json& json, const std::string& where) const {
    require(json.is_number_unsigned(), where, " should name a result by its number");
    const uint64_t n = json.get<uint64_t>();
    require(n < results_.size(), where, " names result ", n, ", which is not made before it");
    return results_[static_cast<size_t>(n)];
  }

  int parameter(const std::string& name, const std::string& where) {
    if (const auto known = parameters_.find(name); known != parameters_.end()) {
      return known->second;
    }
    const auto entry = tensors_.extract(name);
    require(!entry.empty(), where, ": tensor '", printable(name), "' is not in the file");
    Tensor& tensor = entry.mapped();
    require(tensor.rank() >= 1 && tensor.size() > 0, where, ": tensor '", name, "' has shape ",
            tensor.shape(), ", should have elements along at least one axis");
    auto owned = std::make_unique<Parameter>(Parameter{.name = name,
                                                       .value = std::move(tensor),
                                                       .grad = {},
                                                       .trainable = buffers_.erase(name) == 0});
    Shape shape = owned->value.shape();
    return parameters_[name] = add({.shape = std::move(shape), .parameter = std::move(owned)});
  }

  // Shapes take no memory, so they are known before anything is allocated for the values.
  void infer() {
    try {
      graph_.infer_shapes(graph_.input_shape());
    } catch (const Error& error) {
      throw Error(join(where_, ": ", error.what()));
    }
    uint64_t total = 0;
    for (const Graph::Value& value : graph_.values) {
      if (value.parameter) continue;
      total += element_count(value.shape);
      require(total <= most_activation_floats, where_,
              ": its values take more memory than the limit of 4 GiB an image");
    }
  }

  const std::string& where_;
  std::unordered_map<std::string, Tensor>& tensors_;
  Graph graph_;
  std::vector<int> results_;  // value numbers of the input and the nodes' results
  std::unordered_map<std::string, int> parameters_;
  std::set<std::string> buffers_;  // not yet met
};

}  // namespace

std::string graph_to_json(const Graph& graph) {
  std::vector<int> number(graph.values.size(), -1);
  number[static_cast<size_t>(graph.input)] = 0;
  Json nodes = Json::array();
  std::set<std::string> buffers;
  for (const Node& node : graph.nodes) {
    Json in = Json::array();
    for (const int v : node.in) {
      const Parameter* p = graph.values[static_cast<size_t>(v)].parameter.get();
      if (p == nullptr) {
        in.push_back(number[static_cast<size_t>(v)]);
        continue;
      }
      in.push_back(p->name);
      if (!p->trainable) buffers.insert(p->name);
    }
    const int out = static_cast<int>(nodes.size()) + 1;
    number[static_cast<size_t>(node.out)] = out;
    nodes.push_back({{"op", node.op->name()}, {"in", std::move(in)}, {"out", out}});
    const Attributes attributes = node.op->attributes();
    make_op(node.op->name(), attributes);  // what cannot be read again must not be written
    if (!attributes.empty()) nodes.back()["attributes"] = attributes_to_json(attributes);
  }
  const Json json = {{"input", graph.input_shape()},
                     {"nodes", std::move(nodes)},
                     {"output", number[static_cast<size_t>(graph.output)]},
                     {"buffers", buffers}};
  return json.dump();
}

Graph graph_from_json(const std::string& text, const std::string& where,
                      std::unordered_map<std::string, Tensor>& tensors) {
  return GraphReader(where, tensors).read(parse_json(text, where));
}

}  // namespace bonsai
