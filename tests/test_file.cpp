// Model files: what is saved runs to the same bits when loaded; what is damaged, cut short or made
// to harm is refused by file and field, before memory is spent on it.
#include "engine/file.h"

#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>

#include "engine/error.h"
#include "engine/ops.h"
#include "engine/storage.h"
#include "layers/basic.h"
#include "tests/allocations.h"
#include "tests/catch.h"
#include "tests/compare_graphs.h"
#include "tests/error_of.h"
#include "tests/file_bytes.h"
#include "tests/random_network.h"
#include "tests/temporary_folder.h"

using namespace bonsai;
using Catch::Matchers::Contains;
using Json = nlohmann::json;

namespace {

// convolution, batch norm, relu, pool, flatten, fully connected: nodes 0 to 5
struct SmallNet : Module {
  explicit SmallNet(Random& r)
      : conv(child<Conv2d>("conv", 3, 4, 3, ConvOptions{.padding = 1}, r)),
        bn(child<BatchNorm>("bn", 4)),
        fc(child<Linear>("fc", 16, 2, r)) {}
  Var forward(Var x) override {
    return fc.forward(flatten(max_pool(relu(bn.forward(conv.forward(x))))));
  }
  Conv2d& conv;
  BatchNorm& bn;
  Linear& fc;
};

Graph small_graph() {
  Random init(1, Purpose::init);
  SmallNet net(init);
  randomize_norms(net, 1);
  Graph graph = trace(net, {1, 4, 4, 3});
  graph.info = {.network = "small",
                .classes = {"cat", "dog"},
                .mean = {0.1F, 0.2F, 0.3F},
                .std = {0.25F, 1.0F / 3, 1}};
  return graph;
}

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string bytes_of(const Graph& graph) {
  const TemporaryFolder folder;
  save(folder / "x", graph);
  return content(folder / "x");
}

Graph load_bytes(const std::string& bytes) {
  std::istringstream in(bytes);
  return load(in, bytes.size(), "small.bonsai");
}

std::string load_error(const std::string& bytes) {
  return error_of([&] { load_bytes(bytes); });
}

// The file with another header, or another graph in it.
std::string edit(const std::string& bytes, const std::function<void(Json&)>& change) {
  uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | static_cast<unsigned char>(bytes[i]);
  Json header = Json::parse(bytes.substr(8, length));
  change(header);
  return with_header(header.dump(), bytes.substr(8 + length));
}

std::string edit_graph(const std::string& bytes, const std::function<void(Json&)>& change) {
  return edit(bytes, [&](Json& header) {
    Json graph = Json::parse(header["__metadata__"]["graph"].get<std::string>());
    change(graph);
    header["__metadata__"]["graph"] = graph.dump();
  });
}

}  // namespace

TEST_CASE("a saved graph is loaded with the same structure, parameters and results") {
  const TemporaryFolder folder;
  const std::string path = folder / "model.bonsai";
  for (uint64_t seed = 0; seed < 15; ++seed) {
    RandomNetwork layer(seed);
    Graph graph = trace(layer, RandomNetwork::input());
    graph.info.network = "random";
    save(path, graph);
    Graph loaded = load(path);
    REQUIRE(loaded.nodes.size() == graph.nodes.size());
    for (size_t n = 0; n < graph.nodes.size(); ++n) {
      REQUIRE(loaded.nodes[n].in == graph.nodes[n].in);
      REQUIRE(loaded.nodes[n].op->attributes() == graph.nodes[n].op->attributes());
    }
    REQUIRE(loaded.shapes() == graph.shapes());
    REQUIRE(loaded.parameters().size() == graph.parameters().size());
    for (size_t i = 0; i < graph.parameters().size(); ++i) {
      REQUIRE(loaded.parameters()[i]->name == graph.parameters()[i]->name);
      REQUIRE(loaded.parameters()[i]->trainable == graph.parameters()[i]->trainable);
    }
    const Tensor x = random_tensor(RandomNetwork::input(3), seed);
    REQUIRE(max_abs_difference(run(loaded, x), run(graph, x)) == 0);
    save(folder / "again", loaded);
    REQUIRE(content(folder / "again") == content(path));
  }
}

TEST_CASE("what a user must know is saved with the network") {
  const Graph graph = small_graph();
  const Graph loaded = load_bytes(bytes_of(graph));
  CHECK(loaded.info.network == graph.info.network);
  CHECK(loaded.info.classes == graph.info.classes);
  CHECK(loaded.info.mean == graph.info.mean);
  CHECK(loaded.info.std == graph.info.std);

  Graph latin = graph;
  latin.info.classes[0] = "caf\xe9";  // a folder's name may be any bytes
  CHECK(load_bytes(bytes_of(latin)).info.classes[0] == "caf\xef\xbf\xbd");
}

TEST_CASE("data lie at a multiple of 64 bytes") {
  const std::string bytes = bytes_of(small_graph());
  CHECK((8 + static_cast<unsigned char>(bytes[0])) % 64 == 0);
  CHECK(bytes.size() < 4096);
}

TEST_CASE("what could not be loaded is not saved") {
  const TemporaryFolder folder;
  Graph graph = small_graph();
  CHECK_THAT(error_of([&] { save(folder / "missing/x", graph); }), Contains("missing/x"));
  graph.info.classes.pop_back();
  CHECK_THAT(error_of([&] { save(folder / "x", graph); }), Contains("classes"));
  graph = small_graph();
  graph.info.std[1] = 0;
  CHECK_THAT(error_of([&] { save(folder / "x", graph); }), Contains("std"));
  graph = small_graph();
  graph.find("conv.bias")->name = "conv bias";
  CHECK_THAT(error_of([&] { save(folder / "x", graph); }), Contains("conv bias"));
  graph.find("conv bias")->name = "conv.weight";
  CHECK_THAT(error_of([&] { save(folder / "x", graph); }), Contains("conv.weight"));
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("places that hold no file are refused") {
  const TemporaryFolder folder;
  CHECK_THAT(error_of([&] { load(folder / "none.bonsai"); }), Contains("none.bonsai: cannot be"));
  CHECK_THAT(error_of([&] { load(folder.path()); }), Contains("not a regular file"));
  CHECK_THAT(error_of([] { load("/dev/zero"); }), Contains("not a regular file"));
}

TEST_CASE("files from other programs are refused by name") {
  const std::string good = bytes_of(small_graph());
  CHECK(load_error(good).empty());
  CHECK_THAT(load_error("PK\x03\x04 this is an archive"), Contains("not a safetensors file"));
  CHECK_THAT(load_error(with_header("{}", "")), Contains("from another program"));
  auto with = [&](const char* key, const Json& value) {
    return load_error(edit(good, [&](Json& h) { h["__metadata__"][key] = value; }));
  };
  CHECK_THAT(with("format", "pt"), Contains("'pt', should be 'bonsai'"));
  CHECK_THAT(with("format_version", "2"), Contains("format_version is '2'"));
}

TEST_CASE("hostile metadata is refused by field") {
  const std::string good = bytes_of(small_graph());
  auto error = [&](const char* key, const Json& value) {
    const std::string text = load_error(edit(good, [&](Json& h) {
      if (value.is_null()) {
        h["__metadata__"].erase(key);
      } else {
        h["__metadata__"][key] = value;
      }
    }));
    CHECK_THAT(text, Catch::Matchers::StartsWith("small.bonsai: "));
    return text;
  };
  for (const char* key :
       {"format", "format_version", "graph", "network", "classes", "mean", "std"}) {
    CHECK_THAT(error(key, nullptr), Contains(key) && Contains("missing"));
    CHECK_THAT(error(key, 3), Contains(key));
  }
  CHECK_THAT(error("classes", "[1, 2]"), Contains("classes"));
  CHECK_THAT(error("classes", "{}"), Contains("classes"));
  CHECK_THAT(error("classes", "[\"cat\"]"), Contains("classes holds 1 names"));
  CHECK_THAT(error("mean", "[0, 0]"), Contains("mean"));
  CHECK_THAT(error("mean", "[0, 0, 1e300]"), Contains("mean"));
  CHECK_THAT(error("std", "[1, 1, 0]"), Contains("std"));
  CHECK_THAT(error("std", "[1, 1, -1]"), Contains("std"));
  CHECK_THAT(error("std", "[1, 1"), Contains("std"));
  CHECK_THAT(error("data_crc64", "0000000000000000"), Contains("damaged"));
  CHECK_THAT(error("graph", "{"), Contains("graph"));
  CHECK_THAT(error("graph", "[]"), Contains("graph"));
  CHECK_THAT(error("graph", std::string(1000, '[')), Contains("nested"));
  CHECK_THAT(error("graph", R"({"input": [1, 2], "input": [1, 3]})"), Contains("given twice"));
}

TEST_CASE("hostile graphs are refused by field") {
  const std::string good = bytes_of(small_graph());
  struct Case {
    const char* expected;
    std::function<void(Json&)> change;
  };
  auto node = [](Json& g, size_t n) -> Json& { return g["nodes"][n]; };
  auto attribute = [&](size_t n, const char* key, Json value) {
    return [=](Json& g) { g["nodes"][n]["attributes"][key] = value; };
  };
  const std::vector<Case> cases = {
      {"input is missing", [](Json& g) { g.erase("input"); }},
      {"input should be a shape", [](Json& g) { g["input"] = "x"; }},
      {"input should be a shape", [](Json& g) { g["input"] = {1}; }},
      {"input should be a shape", [](Json& g) { g["input"] = Json(std::vector<int>(9, 1)); }},
      {"input should hold", [](Json& g) { g["input"][1] = 0; }},
      {"input should hold", [](Json& g) { g["input"][1] = -4; }},
      {"input should hold", [](Json& g) { g["input"][1] = 4.0; }},
      {"input should hold", [](Json& g) { g["input"][1] = 4294967300; }},
      {"batch of 1", [](Json& g) { g["input"][0] = 2; }},
      {"conv", [](Json& g) { g["input"][3] = 4; }},
      {"conv",
       [](Json& g) {
         g["input"] = {1, 48};
       }},
      {"fc", [](Json& g) { g["input"][1] = 8; }},
      {"small.bonsai: graph",
       [](Json& g) {
         g["input"] = {1, 1 << 30, 1 << 30, 3};
       }},
      {"key 'path' is unknown", [](Json& g) { g["path"] = "../../etc/passwd"; }},
      {"nodes is missing", [](Json& g) { g.erase("nodes"); }},
      {"nodes should be a list", [](Json& g) { g["nodes"] = 3; }},
      {"nodes should be a list", [](Json& g) { g["nodes"] = std::vector<int>(65'537); }},
      {"output", [](Json& g) { g["nodes"] = Json::array(); }},
      {"node 2 should be an object", [&](Json& g) { node(g, 2) = 7; }},
      {"node 2: key 'x' is unknown", [&](Json& g) { node(g, 2)["x"] = 1; }},
      {"node 2: op is missing", [&](Json& g) { node(g, 2).erase("op"); }},
      {"node 2: op should be", [&](Json& g) { node(g, 2)["op"] = 1; }},
      {"'exec'", [&](Json& g) { node(g, 2)["op"] = "exec"; }},
      {"node 2: in is missing", [&](Json& g) { node(g, 2).erase("in"); }},
      {"node 2: in should be", [&](Json& g) { node(g, 2)["in"] = 2; }},
      {"node 2: out is missing", [&](Json& g) { node(g, 2).erase("out"); }},
      {"node 2: out should be 3", [&](Json& g) { node(g, 2)["out"] = 2; }},
      {"node 2: out should be 3", [&](Json& g) { node(g, 2)["out"] = 4; }},
      {"node 2: out should be 3", [&](Json& g) { node(g, 2)["out"] = -1; }},
      {"result 3, which is not made", [&](Json& g) { node(g, 2)["in"] = {3}; }},
      {"result 5, which is not made", [&](Json& g) { node(g, 2)["in"] = {5}; }},
      {"result 1000000000000", [&](Json& g) { node(g, 2)["in"] = {1000000000000}; }},
      {"node 2: in should name", [&](Json& g) { node(g, 2)["in"] = {-1}; }},
      {"node 2: in should name", [&](Json& g) { node(g, 2)["in"] = {1.0}; }},
      {"node 2: in should name", [&](Json& g) { node(g, 2)["in"] = Json::array({nullptr}); }},
      {"relu", [&](Json& g) { node(g, 2)["in"] = Json::array(); }},
      {"relu", [&](Json& g) { node(g, 2)["in"] = std::vector<int>(100'000, 2); }},
      {"'missing.weight' is not in", [&](Json& g) { node(g, 0)["in"][1] = "missing.weight"; }},
      {"conv",
       [&](Json& g) {
         node(g, 0)["in"] = {"conv.weight", 0, "conv.bias"};
       }},
      {"batch_norm: gamma", [&](Json& g) { node(g, 1)["in"][1] = "fc.bias"; }},
      {"conv2d: 1 inputs", [&](Json& g) { node(g, 0)["in"] = {0}; }},
      {"output is missing", [](Json& g) { g.erase("output"); }},
      {"output names result 7", [](Json& g) { g["output"] = 7; }},
      {"output should name", [](Json& g) { g["output"] = "fc.bias"; }},
      {"output should name", [](Json& g) { g["output"] = -1; }},
      {"buffers is missing", [](Json& g) { g.erase("buffers"); }},
      {"buffers should be", [](Json& g) { g["buffers"] = 1; }},
      {"buffers should be", [](Json& g) { g["buffers"] = {1}; }},
      {"buffer 'nobody'", [](Json& g) { g["buffers"].push_back("nobody"); }},
      {"node 2: attributes should be", [&](Json& g) { node(g, 2)["attributes"] = 1; }},
      {"node 2", attribute(2, "exec", "rm -rf /")},
      {"node 0", [&](Json& g) { node(g, 0)["attributes"].erase("stride"); }},
      {"stride", attribute(0, "stride", 0)},
      {"stride", attribute(0, "stride", -1)},
      {"stride", attribute(0, "stride", 1.5)},
      {"stride", attribute(0, "stride", "1")},
      {"stride", attribute(0, "stride", 9223372036854775808U)},
      {"stride", attribute(0, "stride", Json::array({1, 3000000000}))},
      {"stride", attribute(0, "stride", nullptr)},
      {"groups", attribute(0, "groups", 0)},
      {"groups", attribute(0, "groups", 2)},
      {"dilation", attribute(0, "dilation", 0)},
      {"dilation", attribute(0, "dilation", 16384)},
      {"padding", attribute(0, "padding", -1)},
      {"padding", attribute(0, "padding", 1000000000)},
      {"4 GiB",
       [&](Json& g) {
         node(g, 0)["attributes"]["padding"] = 16384;
         g["nodes"] = Json::array({node(g, 0)});
         g["buffers"] = Json::array();
         g["output"] = 1;
       }},
      {"eps", attribute(1, "eps", -1.0)},
      {"eps", attribute(1, "eps", 0)},
      {"momentum", attribute(1, "momentum", 2.0)},
      {"kernel", attribute(3, "kernel", 0)},
      {"window of 5", attribute(3, "kernel", 5)},
      {"stride", attribute(3, "stride", 0)},
      {"padding", attribute(3, "padding", 2)},
  };
  REQUIRE(cases.size() >= 60);
  for (const Case& c : cases) {
    const std::string error = load_error(edit_graph(good, c.change));
    INFO(c.expected);
    CHECK_THAT(error, Catch::Matchers::StartsWith("small.bonsai: ") && Contains(c.expected));
    CHECK(std::count(error.begin(), error.end(), '\n') == 0);
    CHECK(error.size() < 600);
  }
}

TEST_CASE("tensors that do not belong to the graph are refused by name") {
  const std::string good = bytes_of(small_graph());
  auto error = [&](const std::function<void(Json&)>& change) {
    return load_error(edit(good, change));
  };
  CHECK_THAT(error([](Json& h) { h["conv.weight"]["shape"] = {3, 3, 3, 4}; }), Contains("conv"));
  CHECK_THAT(error([](Json& h) { h["conv.weight"]["shape"] = {108}; }), Contains("conv"));
  CHECK_THAT(error([](Json& h) {
               h["other"] = h["conv.weight"];
               h.erase("conv.weight");
             }),
             Contains("conv.weight"));
  CHECK_THAT(error([](Json& h) {
               const auto end = h["bn.weight"]["data_offsets"][0];
               h["empty"] = {{"dtype", "F32"}, {"shape", {0}}, {"data_offsets", {end, end}}};
             }),
             Contains("tensor 'empty' is read by no node"));
  const std::string headless = edit(good, [](Json& h) { h["__metadata__"]["classes"] = "[]"; });
  CHECK_THAT(load_error(edit_graph(headless,
                                   [](Json& g) {
                                     g["nodes"].erase(5);
                                     g["output"] = 5;
                                   })),
             Contains("tensor 'fc.") && Contains("is read by no node"));
  CHECK_THAT(error([](Json& h) {
               h["conv.weight"]["dtype"] = "F16";
               h["conv.weight"]["shape"] = {8, 3, 3, 3};
             }),
             Contains("conv.weight") && Contains("F16"));
}

TEST_CASE("a file cut short at any length is refused") {
  const std::string good = bytes_of(small_graph());
  for (size_t n = 0; n < good.size(); ++n) {
    const std::string error = load_error(good.substr(0, n));
    if (error.find("small.bonsai: ") != 0) FAIL("length " << n << ": " << error);
    std::istringstream shrunk(good.substr(0, n));  // the file lost its end while it was read
    if (error_of([&] { load(shrunk, good.size(), "small.bonsai"); }).empty()) {
      FAIL("length " << n << " was accepted");
    }
  }
  CHECK_THAT(load_error(good + "x"), Contains("1 bytes after the last tensor"));
}

TEST_CASE("damaged files are refused or harmless, and cost no more memory than they hold") {
  const std::string good = bytes_of(small_graph());
  Random random(1, Purpose::test);
  int refused = 0, ran = 0;
  for (int i = 0; i < 4000; ++i) {
    std::string bytes = good;
    const int changes = random.between(1, 3);
    for (int c = 0; c < changes; ++c) {
      char& byte = bytes[random.below(static_cast<uint32_t>(bytes.size()))];
      const bool digit = byte >= '0' && byte <= '9';  // another number is the subtler damage
      byte = static_cast<char>(digit ? '0' + random.below(10) : random.below(256));
    }
    release_cached_storage();
    reset_storage_peak();
    reset_peak_allocations();
    const size_t before = allocations().live_bytes + storage_stats().live_bytes;
    Graph graph;
    const std::string error = error_of([&] { graph = load_bytes(bytes); });
    const size_t peak = allocations().peak_bytes + storage_stats().peak_bytes - before;
    if (peak > bytes.size() + (size_t{64} << 20)) FAIL("took " << peak << " bytes");
    if (!error.empty()) {
      ++refused;
      continue;
    }
    const Shape& input = graph.input_shape();
    if (element_count(input) > 10'000) continue;
    run(graph, random_tensor(input, 1));
    ++ran;
  }
  CHECK(refused > 2000);
  CHECK(ran > 0);
}

TEST_CASE("changed data are noticed by their checksum") {
  const std::string good = bytes_of(small_graph());
  std::string bytes = good;
  bytes[bytes.size() - 5] ^= 1;
  CHECK_THAT(load_error(bytes), Contains("data_crc64") && Contains("damaged"));
}

TEST_CASE("a checkpoint holds a graph, further tensors and texts") {
  const TemporaryFolder folder;
  const std::string path = folder / "checkpoint.bonsai";
  Graph graph = small_graph();
  TensorFile content;
  put_graph(content, graph);
  content.metadata["step"] = "17";
  content.tensors.emplace_back("optimizer.conv.weight.m", Tensor({4, 3, 3, 3}, 2));
  content.tensors.emplace_back("scalar", Tensor(Shape{}, 5));
  write_tensor_file(path, content);

  TensorFile again = read_tensor_file(path);
  CHECK(again.text("step") == "17");
  CHECK(again.tensor("scalar").item() == 5);
  Graph loaded = take_graph(again);
  const Tensor x = random_tensor({2, 4, 4, 3}, 1);
  CHECK(max_abs_difference(run(loaded, x), run(graph, x)) == 0);
  CHECK(again.tensors.size() == 2);
  CHECK(again.metadata == std::map<std::string, std::string>{{"step", "17"}});
  CHECK_THAT(error_of([&] { again.tensor("conv.weight"); }), Contains(path));
  CHECK_THAT(error_of([&] { again.text("graph"); }), Contains(path));
  CHECK_THAT(error_of([&] { load(path); }), Contains("is read by no node"));
}

TEST_CASE("tensors of other types are converted") {
  std::string data = length_bytes(7) + length_bytes(static_cast<uint64_t>(-3));
  const double real = 2.5;
  data.append(reinterpret_cast<const char*>(&real), 8);
  data += std::string("\x09\0\0\0", 4);
  std::istringstream in(
      with_header(R"({"labels": {"dtype": "I64", "shape": [2], "data_offsets": [0, 16]},)"
                  R"( "real": {"dtype": "F64", "shape": [], "data_offsets": [16, 24]},)"
                  R"( "small": {"dtype": "I32", "shape": [1], "data_offsets": [24, 28]}})",
                  data));
  const TensorFile file = read_tensor_file(in, in.str().size(), "fixture");
  CHECK(file.tensor("labels")[0] == 7);
  CHECK(file.tensor("labels")[1] == -3);
  CHECK(file.tensor("real").item() == 2.5);
  CHECK(file.tensor("small")[0] == 9);
}
