// What a network will take, predicted from its layers: the search for widths weighs hundreds of
// networks that differ in a few layers, and timing each of them whole would take minutes and drown
// small differences in noise. So every layer is timed alone, once for its shapes, in the form in
// which a session runs it (batch norm folded, activations fused, weights packed), on one thread.
// The idea is NetAdapt's table (Yang et al. 2018, arXiv:1804.03230, section 3.3), with a layer
// that it does not hold measured when it is first met.
//
// A layer alone finds its input in the cache, so the sum is less than the whole takes. `scale` is
// what makes them agree on one network that was timed whole.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>

#include "engine/graph.h"

namespace bonsai {

struct TimeTable {
  double scale = 1;                      // of a network's time to the sum of its layers'
  std::map<std::string, double> layers;  // operation with attributes and shapes -> ms
};

class LayerTimes {
 public:
  // Milliseconds of one run of a prepared operation.
  using Timer = std::function<double(const Op& op, std::span<const Tensor> in, Tensor& out)>;

  explicit LayerTimes(Timer timer);
  LayerTimes();  // with the median of real runs

  // Of one picture, in milliseconds.
  double predict(const Graph& graph);
  // From now on predictions for this network are `ms`.
  void calibrate(const Graph& graph, double ms);

  const TimeTable& table() const { return table_; }
  void restore(const TimeTable& table);  // scale and known layers; others stay

 private:
  double of(const Graph& graph, const Node& node);

  Timer timer_;
  TimeTable table_;
};

}  // namespace bonsai
