// Options that several subcommands share, and what they lead to: a dataset, a network.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "data/dataset.h"
#include "engine/graph.h"

namespace CLI {
class App;
}

namespace bonsai::app {

struct Common {
  int threads = 0;  // 0: one per processor
  bool json = false;
};
void add_common(CLI::App& command, Common& common);
void apply(const Common& common);  // sets the number of threads

void add_cache(CLI::App& command, std::string& cache);
std::filesystem::path cache_folder(const std::string& given);  // empty: the user's own

struct DataArguments {
  std::string where = "synthetic";
  std::string cache = {};
  int images = 0, test_images = 0;  // 0: all
  bool skip_bad = false;
};
void add_data(CLI::App& command, DataArguments& data);
// With a progress line; notes and unreadable pictures are said. 0: the data's own size.
Dataset load(const DataArguments& data, int height, int width);

// Takes n training pictures away to judge by: the same ones for the same data and n.
Images set_aside(Dataset& data, int n);
// The same for a trained network, which should not have learned from them, and says so. 0: 1,000,
// or a fifth of few.
Images judging_pictures(Dataset& data, int n);

struct NetworkArguments {
  std::string name = {};  // of the zoo, or a model file
  double width = 1;
  std::string input = {};  // "32,32,3"
  int classes = 0;         // 0: the network's own
};
void add_network(CLI::App& command, NetworkArguments& network);

bool is_model_file(const std::string& name);
// Throws UsageError with the nearest name.
void check_network(const std::string& name);
Shape parse_input(const std::string& text);  // "H,W,C"

// A network of the zoo with fresh weights, for these classes; or the model in a file.
Graph open_network(const NetworkArguments& network, uint64_t seed);

// "macs=0.5" -> {macs, 0.5}. Throws UsageError when it is not name=ratio with 0 < ratio <= 1.
std::pair<std::string, double> parse_ratio(const std::string& option, const std::string& text);
// "90s", "30m", "1.5h" -> seconds. Throws UsageError on anything else, and unless it is above 0.
double parse_duration(const std::string& option, const std::string& text);
// Throws UsageError with the nearest of the values.
void require_one_of(const std::string& option, const std::string& value,
                    const std::vector<std::string>& known);

}  // namespace bonsai::app
