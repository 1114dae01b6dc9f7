// bonsai bench: how quick a network is on this machine, in inference or in training.
#include <algorithm>
#include <functional>
#include <memory>
#include <numeric>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/commands/commands.h"
#include "apps/console.h"
#include "apps/machine.h"
#include "apps/options.h"
#include "apps/planning.h"
#include "apps/report/text.h"
#include "apps/step_times.h"
#include "apps/usage.h"
#include "engine/kernels/peak.h"
#include "engine/random.h"
#include "engine/session.h"
#include "engine/step_profile.h"
#include "engine/stopwatch.h"
#include "layers/step.h"

namespace bonsai::app {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  NetworkArguments network;
  Common common;
  std::string plan;
  int batch = 0;  // 0: the usual one
  double seconds = 3;
  bool train = false, layers = false;

  int images() const { return batch > 0 ? batch : train ? 128 : 1; }
};

// What is timed: a run or a step of training, told to an observer if there is one.
using Run = std::function<void(StepObserver*)>;

// Seconds that each run took, in ascending order, for about as long as asked.
std::vector<double> times_of(const Run& run, StepObserver* observer, double seconds) {
  std::vector<double> times;
  const Stopwatch all;
  do {
    const Stopwatch watch;
    run(observer);
    times.push_back(watch.seconds());
  } while (times.size() < 5 || all.seconds() < seconds);
  std::sort(times.begin(), times.end());
  return times;
}

struct Measured {
  std::vector<double> seconds;  // of the runs, in ascending order
  double flops = 0;             // of one run, convolutions counted as direct sums
  double peak = 0;              // of the machine, per second
  StepProfile profile;          // with --layers: of further runs
  std::vector<double> observed_seconds;

  double median() const { return seconds[seconds.size() / 2]; }
  StepTimes times() const {
    return {.profile = profile,
            .runs = static_cast<int>(observed_seconds.size()),
            .seconds = std::accumulate(observed_seconds.begin(), observed_seconds.end(), 0.0),
            .peak = peak};
  }
};

Measured measure(const Run& run, const Arguments& arguments) {
  constexpr int warm_up = 3;
  StepProfile counted;
  for (int i = 0; i < warm_up; ++i) run(&counted);
  Measured measured;
  measured.flops = 2 * static_cast<double>(counted.macs()) / warm_up;
  measured.seconds = times_of(run, nullptr, arguments.seconds);
  if (arguments.layers)
    measured.observed_seconds = times_of(run, &measured.profile, arguments.seconds);
  measured.peak = measured_peak();
  return measured;
}

void fill_random(Scalar* data, size_t n) {
  Random random(1, Purpose::test);
  for (size_t i = 0; i < n; ++i) data[i] = static_cast<Scalar>(random.normal());
}

// What both kinds of run are told by.
void add_speed(Json& json, const Measured& measured) {
  const double rate = measured.flops / measured.median();
  json["gflops"] = 1e-9 * rate;
  json["peak_gflops"] = 1e-9 * measured.peak;
  json["share_of_peak"] = rate / measured.peak;
  json["peak_rss_bytes"] = peak_memory_bytes();
}

Measured bench_inference(const Graph& graph, const Arguments& arguments, Json& json) {
  const int batch = arguments.images();
  Session session(graph, {.batch = batch});
  std::vector<float> x(element_count(session.input_shape()));
  std::vector<float> y(element_count(session.output_shape()));
  fill_random(x.data(), x.size());
  Measured measured = measure(
      [&](StepObserver* observer) { session.run(x.data(), y.data(), observer); }, arguments);
  json = {{"median_ms", 1000 * measured.median()},
          {"p90_ms", 1000 * measured.seconds[measured.seconds.size() * 9 / 10]},
          {"images_per_s", batch / measured.median()},
          {"arena_bytes", session.arena_bytes()}};
  return measured;
}

Measured bench_training(Graph& graph, const Arguments& arguments, Json& json) {
  const int batch = arguments.images();
  Shape shape = graph.input_shape();
  shape[0] = batch;
  Batch data{Tensor(shape), Tensor({batch})};
  fill_random(data.images.data(), data.images.size());
  const int classes = graph.output_shape().back();
  for (int i = 0; i < batch; ++i)
    data.labels[static_cast<size_t>(i)] = static_cast<Scalar>(i % classes);
  const auto optimiser = make_optimiser(graph.parameters());
  StepOptions options{.learning_rate = 1e-3F};
  Measured measured = measure(
      [&](StepObserver* observer) {
        options.observer = observer;
        train_step(graph, *optimiser, data, options);
        ++options.step;
      },
      arguments);
  json = {{"images_per_s", batch / measured.median()}, {"step_ms", 1000 * measured.median()}};
  return measured;
}

std::string text_of(const std::string& key, double value) {
  using namespace report;
  if (key.ends_with("_ms")) return milliseconds(value);
  if (key.starts_with("share_")) return percent(value);
  return key.ends_with("_bytes") ? short_bytes(value) : fixed(value, 1);
}

void run(const Arguments& arguments) {
  apply(arguments.common);
  Graph graph = open_network(arguments.network, 1);
  const std::vector<MeasuredChoice> plan = install_plan(
      arguments.plan, graph, {.batch = arguments.images(), .training = arguments.train});
  Json json;
  const Measured measured = arguments.train ? bench_training(graph, arguments, json)
                                            : bench_inference(graph, arguments, json);
  add_speed(json, measured);
  if (arguments.common.json) {
    if (arguments.layers) json["layers"] = to_json(measured.times());
    if (!arguments.plan.empty()) json["plan"] = to_json(plan);
    return print_json(json);
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& [key, value] : json.items())
    rows.push_back({key, text_of(key, value.get<double>())});
  print(join(arguments.network.name, arguments.train ? ", training" : ", inference", " on ",
             machine_description(), "\n"));
  print(table({"figure", "value"}, rows));
  if (arguments.layers) print("\n" + text(measured.times()));
  if (!arguments.plan.empty()) print("\n" + text(plan));
}

Job define(CLI::App& parser, const Invocation&) {
  auto arguments = std::make_shared<Arguments>();
  add_network(parser, arguments->network);
  parser.add_option("--batch", arguments->batch, "pictures at once; 0: 1, or 128 for --train")
      ->check(CLI::Range(0, 1 << 20));
  parser.add_option("--seconds", arguments->seconds, "how long to measure")
      ->check(CLI::PositiveNumber);
  parser.add_flag("--train", arguments->train, "measure steps of training");
  parser.add_flag("--layers", arguments->layers,
                  "show each layer's time, speed and kernel, in both directions with --train");
  add_plan(parser, arguments->plan);
  add_common(parser, arguments->common);
  return [arguments] { run(*arguments); };
}

}  // namespace

const Command bench_command = {"bench", "measure how quick a network is here",
                               "  bonsai bench vgg_small --batch 1 --threads 1\n"
                               "  bonsai bench vgg16 --train --batch 128 --json\n"
                               "  bonsai bench resnet20 --train --layers\n"
                               "  bonsai bench mobilenet --train --plan measure\n",
                               define};

}  // namespace bonsai::app
