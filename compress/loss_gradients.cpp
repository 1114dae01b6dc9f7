#include "compress/loss_gradients.h"

#include <algorithm>
#include <utility>

#include "compress/sites.h"
#include "engine/error.h"
#include "engine/ops.h"

namespace bonsai {
namespace {

class Collector {
 public:
  Collector(Graph& graph, const Coupling& coupling, std::span<const Batch> pictures)
      : graph_(graph) {
    const std::vector<Site> all = sites(graph, coupling);
    int images = 0;
    for (const Batch& batch : pictures) images += batch.images.dim(0);
    result_.gates.resize(coupling.producers.size());
    for (const Group& group : coupling.groups) {
      for (const int p : group.producers) {
        const int value = all[static_cast<size_t>(p)].value;
        const int width = graph.values[static_cast<size_t>(value)].shape.back();
        producer_at_[value] = static_cast<size_t>(p);
        result_.gates[static_cast<size_t>(p)] = Tensor({images, width});
        for (const Axis& axis : coupling.producers[static_cast<size_t>(p)].parameters) {
          const Tensor& w = parameter(axis.value);
          if (axis.axis != 0 || w.rank() < 2) continue;  // a bias
          result_.filters[axis.value] = Tensor({static_cast<int>(pictures.size()), w.dim(0)});
        }
      }
    }
  }

  void add(const Batch& batch) {
    const int n = batch.images.dim(0);
    std::map<int, Var> gates;
    Tape tape(Mode::frozen);
    const auto gated = [&](int value, Var result) {
      if (producer_at_.count(value) == 0) return result;
      const Var gate = tape.variable(Tensor({n, result.shape().back()}, 1));
      gates.emplace(value, gate);
      return channel_scale(result, gate);
    };
    const Var logits =
        replay(graph_, tape.constant(batch.images), gated)[static_cast<size_t>(graph_.output)];
    tape.backward(cross_entropy(logits, tape.constant(batch.labels)));
    for (const auto& [value, gate] : gates) {
      const Tensor& all = result_.gates[producer_at_.at(value)];
      const size_t width = static_cast<size_t>(all.dim(1));
      Scalar* to = all.data() + static_cast<size_t>(images_) * width;
      // The loss is the mean over the batch, so each picture's own is n times its part.
      for (size_t i = 0; i < gate.grad().size(); ++i)
        to[i] = static_cast<Scalar>(n) * gate.grad()[i];
    }
    for (const auto& [value, products] : result_.filters) add_products(value, products);
    clear_gradients(graph_.parameters());
    images_ += n;
    ++batches_;
  }

  LossGradients take() { return std::move(result_); }

 private:
  const Tensor& parameter(int value) const {
    return graph_.values[static_cast<size_t>(value)].parameter->value;
  }

  void add_products(int value, const Tensor& products) {
    const Tensor& w = parameter(value);
    const Tensor& gradient = graph_.values[static_cast<size_t>(value)].parameter->grad;
    const size_t filters = static_cast<size_t>(w.dim(0)), length = w.size() / filters;
    Scalar* to = products.data() + static_cast<size_t>(batches_) * filters;
    for (size_t f = 0; f < filters; ++f) {
      double sum = 0;
      for (size_t i = f * length; i < (f + 1) * length; ++i) {
        sum += double{w[i]} * double{gradient[i]};
      }
      to[f] = static_cast<Scalar>(sum);
    }
  }

  Graph& graph_;
  std::map<int, size_t> producer_at_;  // by the value of its site
  LossGradients result_;
  int images_ = 0, batches_ = 0;  // done
};

}  // namespace

LossGradients loss_gradients(const Graph& graph, const Coupling& coupling,
                             std::span<const Batch> pictures) {
  Graph copy = graph;
  // A buffer among the weights would get no gradient, and nothing depends on who trains what.
  for (Parameter* p : copy.parameters()) p->trainable = p->trainable || p->value.rank() > 1;
  Collector collector(copy, coupling, pictures);
  for (const Batch& batch : pictures) collector.add(batch);
  return collector.take();
}

}  // namespace bonsai
