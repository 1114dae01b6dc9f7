// Evidence: what a criterion may look at. The network and its units always; how the network
// behaves on pictures when the caller gave some. What is costly is measured when a criterion first
// asks for it, and once: criteria that are compared share it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "compress/activity.h"
#include "compress/couple.h"
#include "compress/loss_gradients.h"
#include "data/loader.h"

namespace bonsai {

class Evidence {
 public:
  // Graph and coupling stay the caller's and must outlive the evidence. Not for several threads
  // at a time.
  Evidence(const Graph& graph, const Coupling& coupling, std::span<const Batch> pictures = {},
           uint64_t seed = 1)
      : graph_(graph),
        coupling_(coupling),
        pictures_(pictures.begin(), pictures.end()),
        seed_(seed) {}

  const Graph& graph() const { return graph_; }
  const Coupling& coupling() const { return coupling_; }
  uint64_t seed() const { return seed_; }  // of criteria that draw

  // These throw Error when there are no pictures.
  // Of all sites and gates (compress/sites.h) and all results of activations, by value number.
  const std::map<int, Activity>& activity() const;
  const LossGradients& gradients() const;

 private:
  void require_pictures() const;

  const Graph& graph_;
  const Coupling& coupling_;
  std::vector<Batch> pictures_;
  uint64_t seed_;
  mutable std::optional<std::map<int, Activity>> activity_;
  mutable std::optional<LossGradients> gradients_;
};

}  // namespace bonsai
