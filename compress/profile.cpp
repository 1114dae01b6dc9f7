#include "compress/profile.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "compress/activity.h"
#include "compress/effective_rank.h"
#include "compress/norms.h"
#include "compress/sites.h"
#include "engine/error.h"

namespace bonsai {
namespace {

// The slope of the least squares line through (i / (n - 1), sorted[i] / sorted[0]), turned.
double fall_of(std::vector<double> norms) {
  std::sort(norms.begin(), norms.end(), std::greater<>());
  const double n = static_cast<double>(norms.size());
  if (n < 2 || norms[0] <= 0) return 0;
  double xy = 0, xx = 0;
  for (size_t i = 0; i < norms.size(); ++i) {
    const double x = static_cast<double>(i) / (n - 1) - 0.5;
    xy += x * norms[i] / norms[0];
    xx += x * x;
  }
  return -xy / xx;
}

// Of weights [out, ...], each filter times its scale.
FilterFigures figures_of(const Tensor& w, const std::function<double(int)>& scale) {
  const int filters = w.dim(0);
  const size_t length = w.size() / static_cast<size_t>(filters);
  FilterFigures figures;
  std::vector<double> norms;
  for (int f = 0; f < filters; ++f) {
    const std::span<const Scalar> filter(w.data() + static_cast<size_t>(f) * length, length);
    const double factor = scale(f);
    norms.push_back(std::abs(factor) * mean_magnitude(filter));
    const auto [least, largest] = std::minmax_element(filter.begin(), filter.end());
    const double a = factor * double{*least}, b = factor * double{*largest};
    figures.low = f == 0 ? std::min(a, b) : std::min({figures.low, a, b});
    figures.high = f == 0 ? std::max(a, b) : std::max({figures.high, a, b});
  }
  for (size_t q = 0; q < figures.norms.size(); ++q) {
    figures.norms[q] = quantile(norms, static_cast<double>(q) / 4);
  }
  const double average = mean(norms);
  figures.spread = average > 0 ? deviation(norms) / average : 0;
  figures.fall = fall_of(norms);
  return figures;
}

std::optional<double> mean_gamma(const Graph& graph, const Site& site) {
  if (site.norm < 0) return std::nullopt;
  const int v = graph.nodes[static_cast<size_t>(site.norm)].in[1];
  return mean_magnitude({graph.values[static_cast<size_t>(v)].parameter->value.data(),
                         graph.values[static_cast<size_t>(v)].parameter->value.size()});
}

// The value where the layer's activations are looked at: behind the activation that alone reads
// its site, or the site.
struct View {
  int value;
  bool rectified;  // by a relu, which makes zeros
};

View view_of(const Graph& graph, const std::vector<std::vector<int>>& readers, const Site& site) {
  const std::vector<int>& list = readers[static_cast<size_t>(site.value)];
  if (list.size() != 1) return {site.value, false};
  const Node& reader = graph.nodes[static_cast<size_t>(list[0])];
  for (const Activation::Kind kind : feature_activations()) {
    if (reader.op->name() != activation_name(kind)) continue;
    return {reader.out, kind == Activation::relu || kind == Activation::relu6};
  }
  return {site.value, false};
}

double zero_part(const Activity& activity) {
  double zeros = 0;
  for (const int64_t n : activity.zeros) zeros += static_cast<double>(n);
  return zeros / static_cast<double>(activity.count) / static_cast<double>(activity.zeros.size());
}

// The group that a producer's channels belong to.
int group_of(const Coupling& coupling, size_t producer) {
  for (size_t g = 0; g < coupling.groups.size(); ++g) {
    const std::vector<int>& list = coupling.groups[g].producers;
    if (std::find(list.begin(), list.end(), static_cast<int>(producer)) != list.end()) {
      return static_cast<int>(g);
    }
  }
  return -1;
}

// Weights and batch norm; `views` receives where its activations are.
std::vector<LayerProfile> look_at_weights(const Graph& graph, const Coupling& coupling,
                                          std::vector<View>& views) {
  const std::vector<Site> all = sites(graph, coupling);
  const std::vector<std::vector<int>> readers = consumers(graph);
  std::vector<LayerProfile> layers;
  for (size_t p = 0; p < all.size(); ++p) {
    const Node& node = graph.nodes[static_cast<size_t>(coupling.producers[p].node)];
    if (node.in.size() < 2) continue;
    const auto& weights = graph.values[static_cast<size_t>(node.in[1])].parameter;
    if (!weights || weights->value.rank() < 2) continue;
    LayerProfile layer;
    layer.name = graph.node_name(static_cast<size_t>(coupling.producers[p].node));
    layer.depth = static_cast<int>(layers.size()) + 1;
    layer.group = group_of(coupling, p);
    layer.raw = figures_of(weights->value, [](int) { return 1.0; });
    layer.folded = figures_of(weights->value, [&](int c) { return scale_at(graph, all[p], c); });
    layer.gamma = mean_gamma(graph, all[p]);
    views.push_back(view_of(graph, readers, all[p]));
    layer.channels = graph.values[static_cast<size_t>(views.back().value)].shape.back();
    layers.push_back(std::move(layer));
  }
  return layers;
}

Correlation correlation(const std::string& figure, const std::vector<double>& x,
                        const std::vector<double>& y, uint64_t seed) {
  return {figure, static_cast<int>(x.size()), spearman(x, y), spearman_interval(x, y, seed)};
}

constexpr size_t fewest_pairs = 3;

}  // namespace

std::vector<LayerProfile> profile_layers(const Graph& graph, const Coupling& coupling,
                                         std::span<const Batch> pictures) {
  require(!pictures.empty(), "profile: there are no pictures");
  std::vector<View> views;
  std::vector<LayerProfile> layers = look_at_weights(graph, coupling, views);
  std::set<int> values;
  for (const View& view : views) values.insert(view.value);
  const std::vector<int> list(values.begin(), values.end());
  const std::map<int, Activity> activity = measure_activity(graph, pictures, list);
  std::map<int, Covariance> covariances;
  Graph copy = graph;
  for (const Batch& batch : pictures) {
    const std::vector<Tensor> taken = taps(copy, batch.images, list);
    for (size_t i = 0; i < list.size(); ++i) covariances[list[i]].add(taken[i]);
  }
  for (size_t i = 0; i < layers.size(); ++i) {
    layers[i].effective_rank = effective_rank(covariances.at(views[i].value));
    if (views[i].rectified) layers[i].zeros = zero_part(activity.at(views[i].value));
  }
  return layers;
}

const std::vector<LayerFigure>& layer_figures() {
  using L = const LayerProfile&;
  using Figure = std::optional<double>;
  static const std::vector<LayerFigure> figures = {
      {"weight range", [](L l) -> Figure { return l.raw.high - l.raw.low; }},
      {"weight range, folded", [](L l) -> Figure { return l.folded.high - l.folded.low; }},
      {"median norm", [](L l) -> Figure { return l.raw.norms[2]; }},
      {"median norm, folded", [](L l) -> Figure { return l.folded.norms[2]; }},
      {"spread of norms", [](L l) -> Figure { return l.raw.spread; }},
      {"spread of norms, folded", [](L l) -> Figure { return l.folded.spread; }},
      {"fall of norms", [](L l) -> Figure { return l.raw.fall; }},
      {"fall of norms, folded", [](L l) -> Figure { return l.folded.fall; }},
      {"gamma", [](L l) -> Figure { return l.gamma; }},
      {"zeros", [](L l) -> Figure { return l.zeros; }},
      {"rank part",
       [](L l) -> Figure {
         return static_cast<double>(l.effective_rank) / std::max(1, l.channels);
       }},
  };
  return figures;
}

std::vector<Correlation> correlate_with_depth(std::span<const LayerProfile> layers, uint64_t seed) {
  std::vector<Correlation> all;
  for (const LayerFigure& figure : layer_figures()) {
    std::vector<double> depth, value;
    for (const LayerProfile& layer : layers) {
      const std::optional<double> x = figure.of(layer);
      if (!x) continue;
      depth.push_back(layer.depth);
      value.push_back(*x);
    }
    if (depth.size() >= fewest_pairs) all.push_back(correlation(figure.name, depth, value, seed));
  }
  return all;
}

std::vector<Correlation> correlate_with_groups(std::span<const LayerProfile> layers,
                                               std::span<const std::optional<double>> of_groups,
                                               uint64_t seed) {
  std::vector<Correlation> all;
  for (const LayerFigure& figure : layer_figures()) {
    std::vector<double> of_group, value;
    for (size_t g = 0; g < of_groups.size(); ++g) {
      std::vector<double> of_layers;
      for (const LayerProfile& layer : layers) {
        const std::optional<double> x = figure.of(layer);
        if (x && layer.group == static_cast<int>(g)) of_layers.push_back(*x);
      }
      if (of_layers.empty() || !of_groups[g]) continue;
      of_group.push_back(*of_groups[g]);
      value.push_back(mean(of_layers));
    }
    if (of_group.size() >= fewest_pairs) {
      all.push_back(correlation(figure.name, of_group, value, seed));
    }
  }
  return all;
}

}  // namespace bonsai
