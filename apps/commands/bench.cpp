// bonsai bench: how quick a network is on this machine, in inference or in training.
#include <algorithm>
#include <chrono>
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/commands/commands.h"
#include "apps/console.h"
#include "apps/machine.h"
#include "apps/options.h"
#include "apps/report/text.h"
#include "apps/usage.h"
#include "engine/random.h"
#include "engine/session.h"
#include "layers/step.h"

namespace bonsai::app {
namespace {

using Clock = std::chrono::steady_clock;

struct Arguments {
  NetworkArguments network;
  Common common;
  int batch = 0;
  double seconds = 3;
  bool train = false;
};

// Sorted times of `job` for about that many seconds, after a warm-up.
template <class Job>
std::vector<double> times_ms(double seconds, const Job& job) {
  for (int i = 0; i < 3; ++i) job();
  std::vector<double> times;
  const auto begin = Clock::now();
  do {
    const auto start = Clock::now();
    job();
    times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
  } while (times.size() < 5 || Clock::now() - begin < std::chrono::duration<double>(seconds));
  std::sort(times.begin(), times.end());
  return times;
}

double median(const std::vector<double>& sorted) { return sorted[sorted.size() / 2]; }

void fill_random(Scalar* data, size_t n) {
  Random random(1, Purpose::test);
  for (size_t i = 0; i < n; ++i) data[i] = static_cast<Scalar>(random.normal());
}

nlohmann::ordered_json bench_inference(const Graph& graph, const Arguments& arguments) {
  const int batch = std::max(1, arguments.batch);
  Session session(graph, {.batch = batch});
  std::vector<float> x(element_count(session.input_shape()));
  std::vector<float> y(element_count(session.output_shape()));
  fill_random(x.data(), x.size());
  const auto times = times_ms(arguments.seconds, [&] { session.run(x.data(), y.data()); });
  return {{"median_ms", median(times)},
          {"p90_ms", times[times.size() * 9 / 10]},
          {"images_per_s", 1000.0 * batch / median(times)},
          {"arena_bytes", session.arena_bytes()},
          {"peak_rss_bytes", peak_memory_bytes()}};
}

nlohmann::ordered_json bench_training(Graph& graph, const Arguments& arguments) {
  const int batch = arguments.batch > 0 ? arguments.batch : 128;
  Shape shape = graph.input_shape();
  shape[0] = batch;
  Batch data{Tensor(shape), Tensor({batch})};
  fill_random(data.images.data(), data.images.size());
  const int classes = graph.output_shape().back();
  for (int i = 0; i < batch; ++i)
    data.labels[static_cast<size_t>(i)] = static_cast<Scalar>(i % classes);
  const auto optimiser = make_optimiser(graph.parameters());
  StepOptions options{.learning_rate = 1e-3F};
  const auto times = times_ms(arguments.seconds, [&] {
    train_step(graph, *optimiser, data, options);
    ++options.step;
  });
  return {{"images_per_s", 1000.0 * batch / median(times)},
          {"step_ms", median(times)},
          {"peak_rss_bytes", peak_memory_bytes()}};
}

std::string text_of(const std::string& key, double value) {
  using namespace report;
  if (key.ends_with("_ms")) return milliseconds(value);
  return key.ends_with("_bytes") ? short_bytes(value) : fixed(value, 1);
}

void run(const Arguments& arguments) {
  apply(arguments.common);
  Graph graph = open_network(arguments.network, 1);
  const auto result =
      arguments.train ? bench_training(graph, arguments) : bench_inference(graph, arguments);
  if (arguments.common.json) return print_json(result);
  std::vector<std::vector<std::string>> rows;
  for (const auto& [key, value] : result.items())
    rows.push_back({key, text_of(key, value.get<double>())});
  print(join(arguments.network.name, arguments.train ? ", training" : ", inference", " on ",
             machine_description(), "\n"));
  print(table({"figure", "value"}, rows));
}

Job define(CLI::App& parser, const Invocation&) {
  auto arguments = std::make_shared<Arguments>();
  add_network(parser, arguments->network);
  parser.add_option("--batch", arguments->batch, "pictures at once; 0: 1, or 128 for --train")
      ->check(CLI::Range(0, 1 << 20));
  parser.add_option("--seconds", arguments->seconds, "how long to measure")
      ->check(CLI::PositiveNumber);
  parser.add_flag("--train", arguments->train, "measure steps of training");
  add_common(parser, arguments->common);
  return [arguments] { run(*arguments); };
}

}  // namespace

const Command bench_command = {"bench", "measure how quick a network is here",
                               "  bonsai bench vgg_small --batch 1 --threads 1\n"
                               "  bonsai bench vgg16 --train --batch 128 --json\n",
                               define};

}  // namespace bonsai::app
