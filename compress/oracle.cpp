#include "compress/oracle.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "engine/error.h"
#include "engine/random.h"

namespace bonsai {
namespace {

// The sum over the pictures of -log softmax of their class.
double sum_of_losses(const Tensor& logits, const Tensor& labels) {
  const size_t classes = static_cast<size_t>(logits.dim(-1));
  double sum = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    const Scalar* row = logits.data() + i * classes;
    const double top = double{*std::max_element(row, row + classes)};
    double total = 0;
    for (size_t k = 0; k < classes; ++k) total += std::exp(double{row[k]} - top);
    sum += std::log(total) + top - double{row[static_cast<size_t>(labels[i])]};
  }
  return sum;
}

// One batch's values in the whole network, and what becomes of the loss without a unit.
class Rerun {
 public:
  Rerun(const Graph& graph, const Batch& batch)
      : graph_(graph), labels_(batch.labels), whole_(graph.values.size()) {
    for (size_t v = 0; v < graph.values.size(); ++v) {
      if (graph.values[v].parameter) whole_[v] = graph.values[v].parameter->value;
    }
    whole_[static_cast<size_t>(graph.input)] = batch.images;
    for (const Node& node : graph.nodes) {
      whole_[static_cast<size_t>(node.out)] = computed(node, [&](int v) { return at(whole_, v); });
    }
  }

  double loss() const { return sum_of_losses(at(whole_, graph_.output), labels_); }

  double loss_without(const Unit& unit) const {
    std::map<int, std::vector<int>> channels;  // the unit's, by activation
    for (const Channel& channel : unit.channels) {
      if (graph_.values[static_cast<size_t>(channel.axis.value)].parameter) continue;
      channels[channel.axis.value].push_back(channel.index);
    }
    std::vector<Tensor> changed(whole_.size());
    for (const Node& node : graph_.nodes) {
      const bool reached = std::any_of(node.in.begin(), node.in.end(),
                                       [&](int v) { return at(changed, v).defined(); });
      const auto own = channels.find(node.out);
      if (!reached && own == channels.end()) continue;
      Tensor& out = changed[static_cast<size_t>(node.out)];
      out = reached ? computed(node,
                               [&](int v) {
                                 return at(changed, v).defined() ? at(changed, v) : at(whole_, v);
                               })
                    : at(whole_, node.out).clone();
      if (own != channels.end()) switch_off(out, own->second);
    }
    const Tensor& logits = at(changed, graph_.output);
    return logits.defined() ? sum_of_losses(logits, labels_) : loss();
  }

 private:
  static const Tensor& at(const std::vector<Tensor>& values, int v) {
    return values[static_cast<size_t>(v)];
  }

  template <class ValueOf>
  static Tensor computed(const Node& node, const ValueOf& value_of) {
    std::vector<Tensor> in;
    std::vector<Shape> shapes;
    for (const int v : node.in) {
      in.push_back(value_of(v));
      shapes.push_back(in.back().shape());
    }
    Tensor out = Tensor::uninitialized(node.op->infer(shapes));
    node.op->forward(in, out, {});
    return out;
  }

  static void switch_off(const Tensor& x, const std::vector<int>& channels) {
    const size_t width = static_cast<size_t>(x.dim(-1));
    for (const int c : channels) {
      for (size_t i = static_cast<size_t>(c); i < x.size(); i += width) x[i] = 0;
    }
  }

  const Graph& graph_;
  Tensor labels_;
  std::vector<Tensor> whole_;
};

}  // namespace

std::vector<double> loss_increase(const Graph& graph, const Coupling& coupling,
                                  std::span<const int> units, std::span<const Batch> pictures,
                                  const OracleOptions& options) {
  require(!pictures.empty(), "oracle: there are no pictures");
  std::vector<double> increase(units.size());
  const int total = static_cast<int>(units.size() * pictures.size());
  int done = 0;
  double images = 0;
  for (size_t b = 0; b < pictures.size(); ++b) {
    const auto of_batch = measured(
        options.kept, join("oracle, batch ", b), [&]() -> std::optional<Measurements::Figures> {
          const Rerun rerun(graph, pictures[b]);
          const double whole = rerun.loss();
          Measurements::Figures figures;
          for (const int unit : units) {
            if (options.stop != nullptr && *options.stop) return std::nullopt;
            figures.push_back(rerun.loss_without(coupling.units[static_cast<size_t>(unit)]) -
                              whole);
            if (options.progress) options.progress(done + static_cast<int>(figures.size()), total);
          }
          return figures;
        });
    if (!of_batch) return {};
    require(of_batch->size() == units.size(), "oracle: ", of_batch->size(), " figures for ",
            units.size(), " units");
    for (size_t i = 0; i < units.size(); ++i) increase[i] += (*of_batch)[i];
    done += static_cast<int>(units.size());
    images += pictures[b].images.dim(0);
  }
  for (double& x : increase) x /= images;
  return increase;
}

std::vector<int> sample_units(const Coupling& coupling, int most, uint64_t seed) {
  std::vector<int> units;
  for (size_t g = 0; g < coupling.groups.size(); ++g) {
    const std::vector<int>& all = coupling.groups[g].units;
    const int n = static_cast<int>(all.size());
    std::vector<int> order = permutation(n, Random(seed, Purpose::choice, g, 3));
    if (most > 0) order.resize(static_cast<size_t>(std::min(n, most)));
    for (const int i : order) units.push_back(all[static_cast<size_t>(i)]);
  }
  std::sort(units.begin(), units.end());
  return units;
}

}  // namespace bonsai
