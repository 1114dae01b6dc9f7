#include "compress/decompose.h"

#include <algorithm>
#include <map>
#include <utility>

#include "compress/choose.h"
#include "compress/collect.h"
#include "compress/effective_rank.h"
#include "compress/solution.h"
#include "compress/split_layer.h"
#include "engine/cost.h"
#include "engine/error.h"

namespace bonsai {
namespace {

constexpr int covariance_pictures = 1000;          // with all positions of each, these are plenty
constexpr size_t sample_bytes = size_t{32} << 20;  // of a layer's rows

const Shape& weights(const Graph& graph, int node) {
  const int w = graph.nodes[static_cast<size_t>(node)].in[1];
  return graph.values[static_cast<size_t>(w)].shape;
}

// Of its form alone: numbers do not matter for time and cost.
Factors empty_spatial(const Shape& w, int rank) {
  return {Tensor({rank, w[1], 1, w[3]}), Tensor({w[0], 1, w[2], rank})};
}
Factors empty_channel(const Shape& w, int rank) {
  return {Tensor({rank, w[1], w[2], w[3]}), Tensor({w[0], 1, 1, rank})};
}

// A layer by itself in one of its forms.
struct Form {
  int spatial = 0, channel = 0;
  Graph graph = {};
};

class Decomposer {
 public:
  Decomposer(const Graph& original, const Pictures& pictures, const DecomposeOptions& options)
      : original_(original), pictures_(pictures), options_(options), mixers_(mixers(original)) {}

  std::optional<Decomposition> run() {
    for (const Mixer& mixer : mixers_) {
      if (can_split_channels(original_, mixer.node)) layers_.push_back(plan(mixer));
      if (is_stopped()) return std::nullopt;
    }
    const std::map<int, Covariance> responses = covariances();
    result_.graph = original_;
    // From the end, so that earlier nodes keep their numbers.
    for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer) split(*layer, responses);
    if (!fit_all()) return std::nullopt;
    for (Layer& layer : layers_) result_.layers.push_back(std::move(layer.row));
    return std::move(result_);
  }

 private:
  struct Layer {
    Mixer mixer;  // of the original
    DecomposedLayer row;
  };

  bool is_stopped() const { return options_.stop != nullptr && *options_.stop; }

  int rounded(double rank, int full) const {
    const int step = rounding(full, options_.round_to);
    return std::max(static_cast<int>(rank) / step * step, step);
  }

  // The form that is left with no more than the wanted part of the work, if there is one.
  Form spatial_form(const Graph& alone) const {
    const Shape w = weights(alone, 0);
    const auto with = [&](int rank) {
      Form form{.spatial = rank, .channel = 0, .graph = alone};
      split_spatially(form.graph, 0, empty_spatial(w, rank));
      return form;
    };
    const double each = static_cast<double>(total_cost(with(1).graph).macs);
    const double wanted = options_.part * static_cast<double>(total_cost(alone).macs);
    return with(std::min(rounded(wanted / each, full_spatial_rank(w)), full_spatial_rank(w)));
  }

  // Splits the last convolution of the form.
  Form channel_form(const Form& form, int rank) const {
    Form next{.spatial = form.spatial, .channel = rank, .graph = form.graph};
    const int last = static_cast<int>(form.graph.nodes.size()) - 1;
    split_channels(next.graph, last, empty_channel(weights(form.graph, last), rank));
    return next;
  }

  Form channel_form(const Graph& alone) const {
    const Form plain{.spatial = 0, .channel = 0, .graph = alone};
    const double each = static_cast<double>(total_cost(channel_form(plain, 1).graph).macs);
    const double wanted = options_.part * static_cast<double>(total_cost(alone).macs);
    return channel_form(plain, rounded(wanted / each, weights(alone, 0)[0]));
  }

  static bool saves(const Form& form, const Graph& alone) {
    return total_cost(form.graph).macs < total_cost(alone).macs;
  }

  // The quickest of those forms that save work; the layer as it is unless one of them is quicker.
  Layer plan(const Mixer& mixer) const {
    const Graph alone = layer_alone(original_, mixer.node);
    Layer layer{.mixer = mixer,
                .row = {.name = original_.node_name(static_cast<size_t>(mixer.node)),
                        .outputs = mixer.out}};
    std::vector<Form> forms;
    if (can_split_spatially(alone, 0)) {
      forms.push_back(spatial_form(alone));
      if (forms[0].spatial < mixer.out) forms.push_back(channel_form(forms[0], forms[0].spatial));
    }
    forms.push_back(channel_form(alone));
    std::erase_if(forms, [&](const Form& form) { return !saves(form, alone); });
    std::vector<const Graph*> graphs = {&alone};
    for (const Form& form : forms) graphs.push_back(&form.graph);
    const std::vector<double> ms = options_.timer(graphs);
    layer.row.ms = layer.row.decomposed_ms = ms[0];
    if (forms.empty()) return layer;
    const auto best = std::min_element(ms.begin() + 1, ms.end());
    layer.row.decomposed_ms = *best;
    if (!is_quicker(*best, ms[0])) return layer;
    const Form& form = forms[static_cast<size_t>(best - ms.begin()) - 1];
    layer.row.spatial = form.spatial;
    layer.row.channel = form.channel;
    return layer;
  }

  // Of the original responses of layers whose channels are split, by value.
  std::map<int, Covariance> covariances() const {
    std::map<int, Covariance> all;
    for (const Layer& layer : layers_) {
      if (layer.row.channel > 0) all[layer.mixer.y];
    }
    if (all.empty()) return all;
    std::vector<int> values;
    values.reserve(all.size());
    for (const auto& [value, covariance] : all) values.push_back(value);
    const int batch = rerun_batch(original_);
    Rerun run(original_, pictures_, batch, 0);
    for (int b = 0; b < run.batches() && b * batch < covariance_pictures; ++b) {
      const std::vector<Tensor> responses = run.run(b, values);
      for (size_t i = 0; i < values.size(); ++i) all[values[i]].add(responses[i]);
    }
    return all;
  }

  void split(const Layer& layer, const std::map<int, Covariance>& responses) {
    const Mixer& mixer = layer.mixer;
    const auto w = [&](int node) {
      const int value = result_.graph.nodes[static_cast<size_t>(node)].in[1];
      return result_.graph.values[static_cast<size_t>(value)].parameter->value;
    };
    int last = mixer.node;
    if (layer.row.spatial > 0) {
      split_spatially(result_.graph, last, spatial_factors(w(last), layer.row.spatial));
      ++last;
    }
    if (layer.row.channel > 0) {
      std::vector<double> scales = output_scales(original_, mixer);
      std::replace(scales.begin(), scales.end(), 0.0, 1.0);  // such outputs do not count anyway
      split_channels(
          result_.graph, last,
          channel_factors(w(last), layer.row.channel, responses.at(mixer.y).matrix(), scales));
    }
  }

  // Solves for the last factors, front to back. False when stopped.
  bool fit_all() {
    Collector collector(
        original_, result_.graph, pictures_,
        {.positions = options_.positions, .seed = options_.seed, .stop = options_.stop});
    const std::vector<Mixer> now = mixers(result_.graph);
    for (size_t i = 0; i < layers_.size(); ++i) {
      if (options_.progress) {
        options_.progress(layers_[i].row.name, static_cast<int>(i),
                          static_cast<int>(layers_.size()));
      }
      if (!layers_[i].row.is_split()) continue;
      const auto mixer = std::find_if(now.begin(), now.end(),
                                      [&](const Mixer& m) { return m.y == layers_[i].mixer.y; });
      if (!fit_last(*mixer, collector, layers_[i].row)) return false;
    }
    return true;
  }

  bool fit_last(const Mixer& mixer, Collector& collector, DecomposedLayer& row) {
    collector.settle(mixer.node);
    Collected layer{.mixer = mixer, .scales = output_scales(result_.graph, mixer)};
    const bool through_relu = relu_follows(mixer);
    if (through_relu) {
      layer.samples =
          static_cast<int>(sample_bytes / sizeof(Scalar)) / (mixer.columns() + mixer.out);
    }
    const std::vector<std::vector<Regression>> found = collector.collect({&layer, 1});
    if (found.empty()) return false;
    const Regression& regression = found[0][0];
    std::vector<int> all(static_cast<size_t>(mixer.in));
    for (int c = 0; c < mixer.in; ++c) all[static_cast<size_t>(c)] = c;
    RegressionFit solution = fit(regression, contributions(regression), all);
    row.error = solution.error;
    row.held_out = solution.held_out;
    if (through_relu) {
      row.relu = fit_through_relu(regression, output_offsets(result_.graph, mixer), solution);
    }
    write_solution(solution, mixer, 0, layer.scales, result_.graph);
    return true;
  }

  // Nothing but a ReLU reads the response, or what batch norm makes of it.
  bool relu_follows(const Mixer& mixer) const {
    const Graph& graph = result_.graph;
    const int value = mixer.norm >= 0 ? graph.nodes[static_cast<size_t>(mixer.norm)].out : mixer.y;
    const std::vector<int> readers = consumers(graph)[static_cast<size_t>(value)];
    return readers.size() == 1 && value != graph.output &&
           graph.nodes[static_cast<size_t>(readers[0])].op->name() == "relu";
  }

  const Graph& original_;
  const Pictures& pictures_;
  DecomposeOptions options_;
  std::vector<Mixer> mixers_;
  std::vector<Layer> layers_;
  Decomposition result_;
};

}  // namespace

std::optional<Decomposition> decompose(const Graph& original, const Pictures& pictures,
                                       const DecomposeOptions& options) {
  require(options.part > 0 && options.part <= 1, "decompose: part is ", options.part,
          ", should be above 0 and at most 1");
  return Decomposer(original, pictures, options).run();
}

}  // namespace bonsai
