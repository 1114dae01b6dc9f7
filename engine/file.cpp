#include "engine/file.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>

#include "engine/error.h"
#include "engine/graph_json.h"
#include "engine/strict_json.h"

namespace bonsai {
namespace {

using Json = nlohmann::json;

constexpr const char* format = "bonsai";
constexpr const char* version = "1";
constexpr const char* layout =
    "NHWC; convolution weights [out, kh, kw, in / groups], linear weights [out, in]";

std::string to_json(const std::vector<std::string>& texts) {
  return Json(texts).dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Wide enough to read back the same bits.
std::string to_json(const std::vector<float>& numbers) {
  return Json(std::vector<double>(numbers.begin(), numbers.end())).dump();
}

void require_usable(const ModelInfo& info, const Graph& graph, const std::string& where) {
  const size_t channels = static_cast<size_t>(graph.input_shape().back());
  const size_t outputs = static_cast<size_t>(graph.output_shape().back());
  require(info.classes.empty() || info.classes.size() == outputs, where, ": classes holds ",
          info.classes.size(), " names, the network has ", outputs, " outputs");
  require(
      info.mean.size() == info.std.size() && (info.mean.empty() || info.mean.size() == channels),
      where, ": mean and std hold ", info.mean.size(), " and ", info.std.size(),
      " numbers, should hold one for each of ", channels, " channels, or none");
  for (const float x : info.mean) require(std::isfinite(x), where, ": mean holds ", x);
  for (const float x : info.std) {
    require(std::isfinite(x) && x > 0, where, ": std holds ", x, ", should be above 0");
  }
}

// Removes a text and returns it.
std::string take_text(TensorFile& content, const char* key) {
  auto entry = content.metadata.extract(key);
  require(!entry.empty(), content.name, ": metadata '", key, "' is missing");
  return std::move(entry.mapped());
}

// Metadata that is a JSON list, each element read by `read` after `fits` has seen it.
template <class T, class Fits>
std::vector<T> take_list(TensorFile& content, const char* key, const char* what, Fits fits) {
  const std::string where = join(content.name, ": metadata '", key, "'");
  const Json json = parse_json(take_text(content, key), where);
  require(json.is_array(), where, " should be a list of ", what);
  std::vector<T> list;
  for (const Json& element : json) {
    require(fits(element), where, " should be a list of ", what);
    list.push_back(element.get<T>());
  }
  return list;
}

ModelInfo take_info(TensorFile& content) {
  auto is_text = [](const Json& json) { return json.is_string(); };
  auto is_number = [](const Json& json) { return json.is_number(); };
  ModelInfo info;
  info.network = take_text(content, "network");
  info.classes = take_list<std::string>(content, "classes", "texts", is_text);
  info.mean = take_list<float>(content, "mean", "numbers", is_number);
  info.std = take_list<float>(content, "std", "numbers", is_number);
  return info;
}

void require_format(TensorFile& content) {
  const auto written_by = content.metadata.find("format");
  require(
      written_by != content.metadata.end() && written_by->second == format, content.name,
      ": metadata 'format' is ",
      written_by == content.metadata.end() ? "missing" : "'" + printable(written_by->second) + "'",
      ", should be '", format, "': the file is from another program");
  const std::string found = take_text(content, "format_version");
  require(found == version, content.name, ": format_version is '", printable(found),
          "', this version reads '", version, "'");
  content.metadata.erase("format");
  content.metadata.erase("layout");
}

Graph as_model(TensorFile content) {
  Graph graph = take_graph(content);
  require(content.tensors.empty(), content.name, ": tensor '",
          content.tensors.empty() ? "" : content.tensors[0].first, "' is read by no node");
  return graph;
}

}  // namespace

void put_graph(TensorFile& content, const Graph& graph) {
  require_usable(graph.info, graph, "save");
  content.metadata["format"] = format;
  content.metadata["format_version"] = version;
  content.metadata["layout"] = layout;
  content.metadata["graph"] = graph_to_json(graph);
  content.metadata["network"] = graph.info.network;
  content.metadata["classes"] = to_json(graph.info.classes);
  content.metadata["mean"] = to_json(graph.info.mean);
  content.metadata["std"] = to_json(graph.info.std);
  std::set<int> written;
  for (const Node& node : graph.nodes) {
    for (const int v : node.in) {
      const Parameter* p = graph.values[static_cast<size_t>(v)].parameter.get();
      if (p != nullptr && written.insert(v).second) content.tensors.emplace_back(p->name, p->value);
    }
  }
}

Graph take_graph(TensorFile& content) {
  require_format(content);
  std::unordered_map<std::string, Tensor> tensors(content.tensors.begin(), content.tensors.end());
  Graph graph =
      graph_from_json(take_text(content, "graph"), join(content.name, ": graph"), tensors);
  graph.info = take_info(content);
  require_usable(graph.info, graph, content.name);
  std::erase_if(content.tensors,
                [&](const auto& named) { return tensors.count(named.first) == 0; });
  return graph;
}

void save(const std::string& path, const Graph& graph) {
  TensorFile content;
  put_graph(content, graph);
  write_tensor_file(path, content);
}

Graph load(const std::string& path) { return as_model(read_tensor_file(path)); }

Graph load(std::istream& in, uint64_t size, const std::string& name) {
  return as_model(read_tensor_file(in, size, name));
}

}  // namespace bonsai
