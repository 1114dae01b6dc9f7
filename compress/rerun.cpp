#include "compress/rerun.h"

#include <algorithm>
#include <utility>

#include "data/augment.h"
#include "engine/error.h"

namespace bonsai {

Pictures sample_pictures(const Images& images, const std::array<float, 3>& mean,
                         const std::array<float, 3>& deviation, int count, uint64_t seed) {
  const int all = images.count();
  require(all > 0, "pictures: there are none");
  std::vector<int> order = permutation(all, Random(seed, Purpose::choice));
  if (count > 0 && count < all) order.resize(static_cast<size_t>(count));
  const int n = static_cast<int>(order.size());
  const auto read = [&images, order = std::move(order), normaliser = Normaliser(mean, deviation)](
                        int first, int wanted) {
    Tensor x = Tensor::uninitialized({wanted, images.height, images.width, Images::channels});
    for (int i = 0; i < wanted; ++i) {
      write_sample(images.image(order[static_cast<size_t>(first + i)]), images.height, images.width,
                   {}, Padding::mean, normaliser,
                   x.data() + static_cast<size_t>(i) * images.image_bytes());
    }
    return x;
  };
  return {.count = n, .read = read};
}

Rerun::Rerun(const Graph& graph, const Pictures& pictures, int batch, size_t bytes)
    : graph_(graph),
      pictures_(pictures),
      batch_(batch),
      bytes_(bytes),
      maker_(graph.values.size(), -1),
      last_read_(graph.values.size(), -1) {
  require(pictures.count > 0, "rerun: there are no pictures");
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    maker_[static_cast<size_t>(graph.nodes[n].out)] = static_cast<int>(n);
    for (const int v : graph.nodes[n].in) last_read_[static_cast<size_t>(v)] = static_cast<int>(n);
  }
}

// What nodes before `node` made and later ones read.
std::vector<int> Rerun::live_at(int node) const {
  std::vector<int> live;
  for (size_t v = 0; v < maker_.size(); ++v) {
    const bool is_activation = !graph_.values[v].parameter;
    if (is_activation && maker_[v] < node && last_read_[v] >= node) {
      live.push_back(static_cast<int>(v));
    }
  }
  return live;
}

size_t Rerun::bytes_at(int node) const {
  size_t bytes = 0;
  for (const int v : live_at(node)) {
    bytes += element_count(graph_.values[static_cast<size_t>(v)].shape) * sizeof(Scalar);
  }
  return bytes * static_cast<size_t>(pictures_.count);
}

void Rerun::settle(int node) {
  if (node > next_.node && bytes_at(node) <= bytes_) next_ = {.node = node};
}

Tensor Rerun::part(const Tensor& all, int batch) const {
  const int first = batch * batch_;
  Shape shape = all.shape();
  const size_t size = all.size() / static_cast<size_t>(shape[0]);
  shape[0] = std::min(batch_, pictures_.count - first);
  return Tensor::view(all.data() + static_cast<size_t>(first) * size, std::move(shape));
}

// What stands before the first node of a run.
std::vector<Tensor> Rerun::beginning(int batch) const {
  std::vector<Tensor> held(graph_.values.size());
  if (kept_.values.empty()) {
    const int first = batch * batch_;
    held[static_cast<size_t>(graph_.input)] =
        pictures_.read(first, std::min(batch_, pictures_.count - first));
  }
  for (const auto& [v, all] : kept_.values) held[static_cast<size_t>(v)] = part(all, batch);
  return held;
}

void Rerun::keep(const std::vector<Tensor>& held, int batch) {
  if (batch != next_.batches) return;
  for (const int v : live_at(next_.node)) {
    Tensor& all = next_.values[v];
    if (!all.defined()) {
      Shape shape = held[static_cast<size_t>(v)].shape();
      shape[0] = pictures_.count;
      all = Tensor::uninitialized(std::move(shape));
    }
    part(all, batch).copy_from(held[static_cast<size_t>(v)]);
  }
  ++next_.batches;
}

void Rerun::advance() {
  if (next_.node > kept_.node && next_.batches == batches()) {
    kept_ = std::exchange(next_, {.node = next_.node});
  }
}

std::vector<Tensor> Rerun::run(int batch, std::span<const int> values) {
  std::vector<Tensor> held = beginning(batch);
  std::vector<bool> is_wanted(held.size(), false);
  int end = next_.node;
  for (const int v : values) {
    is_wanted[static_cast<size_t>(v)] = true;
    end = std::max(end, maker_[static_cast<size_t>(v)] + 1);
  }
  for (int n = kept_.node; n < end; ++n) {
    if (n == next_.node && n > kept_.node) keep(held, batch);
    const Node& node = graph_.nodes[static_cast<size_t>(n)];
    std::vector<Tensor> in;
    std::vector<Shape> shapes;
    for (const int v : node.in) {
      const Parameter* p = graph_.values[static_cast<size_t>(v)].parameter.get();
      in.push_back(p != nullptr ? p->value : held[static_cast<size_t>(v)]);
      shapes.push_back(in.back().shape());
    }
    Tensor& out = held[static_cast<size_t>(node.out)];
    out = Tensor::uninitialized(node.op->infer(shapes));
    node.op->forward(in, out, Pass{});
    in.clear();
    for (const int v : node.in) {
      if (!is_wanted[static_cast<size_t>(v)] && last_read_[static_cast<size_t>(v)] <= n) {
        held[static_cast<size_t>(v)] = {};
      }
    }
  }
  std::vector<Tensor> result;
  for (const int v : values) {
    const Tensor& tensor = held[static_cast<size_t>(v)];
    require(tensor.defined(), "rerun: value ", v, " was not kept, it lies before node ",
            kept_.node);
    result.push_back(tensor);
  }
  return result;
}

int rerun_batch(const Graph& graph) {
  size_t largest = 1;
  for (const Graph::Value& value : graph.values) {
    if (!value.parameter) largest = std::max(largest, element_count(value.shape));
  }
  constexpr size_t most = size_t{16} << 20;
  return static_cast<int>(std::clamp<size_t>(most / (largest * sizeof(Scalar)), 1, 64));
}

}  // namespace bonsai
