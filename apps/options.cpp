#include "apps/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include <CLI/CLI.hpp>

#include "apps/console.h"
#include "apps/usage.h"
#include "data/hold_out.h"
#include "engine/file.h"
#include "engine/nearest.h"
#include "engine/parallel.h"
#include "zoo/zoo.h"

namespace bonsai::app {
namespace {

std::filesystem::path default_cache() {
  const char* base = std::getenv("XDG_CACHE_HOME");
  if (base != nullptr && *base != '\0') return std::filesystem::path(base) / "bonsai";
  const char* home = std::getenv("HOME");
  if (home != nullptr && *home != '\0') return std::filesystem::path(home) / ".cache" / "bonsai";
  return "bonsai-cache";
}

void report_skipped(const Dataset& data) {
  constexpr size_t most = 10;
  if (data.skipped.empty()) return;
  say(join("left out ", data.skipped.size(), " pictures that cannot be read:"));
  for (size_t i = 0; i < std::min(most, data.skipped.size()); ++i)
    say("  " + data.skipped[i].path + ": " + data.skipped[i].reason);
  if (data.skipped.size() > most) say(join("  and ", data.skipped.size() - most, " more"));
}

}  // namespace

void add_common(CLI::App& command, Common& common) {
  command.add_option("--threads", common.threads, "threads to use; 0: one per processor")
      ->check(CLI::Range(0, 1024));
  command.add_flag("--json", common.json, "print one JSON value on standard output");
}

void apply(const Common& common) {
  if (common.threads > 0) set_thread_count(common.threads);
}

void add_cache(CLI::App& command, std::string& cache) {
  command.add_option("--cache", cache,
                     "for downloads and decoded pictures; empty: ~/.cache/bonsai");
}

std::filesystem::path cache_folder(const std::string& given) {
  return given.empty() ? default_cache() : std::filesystem::path(given);
}

void add_data(CLI::App& command, DataArguments& data) {
  command.add_option("--data", data.where,
                     "synthetic, cifar10, or a folder or archive of pictures");
  command.add_option("--images", data.images, "use at most so many training pictures; 0: all")
      ->check(CLI::NonNegativeNumber);
  command
      .add_option("--test-images", data.test_images, "use at most so many test pictures; 0: all")
      ->check(CLI::NonNegativeNumber);
  command.add_flag("--skip-bad", data.skip_bad,
                   "leave out pictures that cannot be read (up to 1 % of all)");
  add_cache(command, data.cache);
}

Dataset load(const DataArguments& data, int height, int width) {
  StatusLine status;
  DataOptions options;
  options.height = height;
  options.width = width;
  options.cache = cache_folder(data.cache);
  options.skip_bad = data.skip_bad;
  options.train_images = data.images;
  options.test_images = data.test_images;
  options.progress = [&status](const DataProgress& p) {
    status.show(p.total > 0 ? join(p.stage, " ", 100 * p.done / p.total, " %") : join(p.stage));
  };
  Dataset dataset = load_dataset(data.where, options);
  status.clear();
  say(join("data: ", dataset.name, ", ", dataset.train.count(), " training and ",
           dataset.test.count(), " test pictures of ", dataset.train.height, " x ",
           dataset.train.width, ", ", dataset.classes.size(), " classes"));
  for (const std::string& note : dataset.notes) say("data: " + note);
  report_skipped(dataset);
  return dataset;
}

Images set_aside(Dataset& data, int n) {
  constexpr uint64_t seed = 1;  // not an option: train and sensitivity must choose alike
  return hold_out(data.train, n, seed);
}

Images judging_pictures(Dataset& data, int n) {
  constexpr int usual = 1000, largest_part = 5;
  if (n == 0) n = std::clamp(data.train.count() / largest_part, 1, usual);
  Images held = set_aside(data, n);
  say(join("judged by ", n, " training pictures that are set aside; unseen, if the network was ",
           "trained with --hold-out ", n));
  return held;
}

void add_network(CLI::App& command, NetworkArguments& network) {
  command.add_option("network", network.name, "a network's name (see bonsai zoo) or a model file")
      ->required();
  command.add_option("--width", network.width, "multiply the number of channels")
      ->check(CLI::Range(0.001, 1000.0));
  command.add_option("--input", network.input, "pictures of H,W,3 (default: the network's own)");
  command.add_option("--classes", network.classes, "how many (default: the network's own)")
      ->check(CLI::Range(1, 1 << 20));
}

bool is_model_file(const std::string& name) {
  if (std::filesystem::exists(name)) return true;
  return name.find('/') != std::string::npos || name.ends_with(".bonsai") ||
         name.ends_with(".safetensors");
}

void check_network(const std::string& name) {
  const std::string near = suggestion(name, zoo::names());
  require_usage(zoo::is_network(name), "unknown network '", name, "'",
                near.empty() ? " (bonsai zoo lists them)" : near);
}

Shape parse_input(const std::string& text) {
  if (text.empty()) return {};
  Shape shape;
  const char *at = text.data(), *end = text.data() + text.size();
  while (at < end) {
    int size = 0;
    const auto [next, error] = std::from_chars(at, end, size);
    require_usage(error == std::errc() && size > 0 && (next == end || *next == ','), "--input is '",
                  text, "', should be H,W,C such as 32,32,3");
    shape.push_back(size);
    at = next == end ? end : next + 1;
  }
  require_usage(shape.size() == 3, "--input is '", text, "', should be H,W,C such as 32,32,3");
  return shape;
}

Graph open_network(const NetworkArguments& network, uint64_t seed) {
  if (is_model_file(network.name)) return bonsai::load(network.name);
  check_network(network.name);
  zoo::Options options;
  if (network.classes > 0) options.classes = network.classes;
  options.seed = seed;
  options.width = static_cast<float>(network.width);
  options.input = parse_input(network.input);
  Shape input = options.input.empty() ? zoo::find(network.name).input : options.input;
  input.insert(input.begin(), 1);
  Graph graph = trace(*zoo::make(network.name, options), input);
  graph.info.network = network.name;
  return graph;
}

std::pair<std::string, double> parse_ratio(const std::string& option, const std::string& text) {
  const size_t equals = text.rfind('=');
  double ratio = 0;
  if (equals != std::string::npos) {
    char* end = nullptr;
    ratio = std::strtod(text.c_str() + equals + 1, &end);
    if (end == text.c_str() + equals + 1 || *end != '\0') ratio = -1;
  }
  require_usage(equals != std::string::npos && equals > 0, option, " is '", text,
                "', should be name=ratio");
  require_usage(ratio > 0 && ratio <= 1, option, " is '", text,
                "', the ratio should be above 0 and at most 1");
  return {text.substr(0, equals), ratio};
}

double parse_duration(const std::string& option, const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  const std::string unit = end;
  const double seconds = unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : 0;
  require_usage(seconds > 0 && number > 0 && std::isfinite(number), option, " is '", text,
                "', should be such as 90s, 30m or 2h");
  return number * seconds;
}

void require_one_of(const std::string& option, const std::string& value,
                    const std::vector<std::string>& known) {
  require_usage(std::find(known.begin(), known.end(), value) != known.end(), option, ": unknown '",
                value, "'", suggestion(value, known));
}

}  // namespace bonsai::app
