#include "compress/criterion.h"

#include "engine/error.h"
#include "engine/nearest.h"

namespace bonsai {

const std::vector<Criterion>& criteria() {
  static const std::vector<Criterion> table = {
      {"l1", "Li et al. 2017, Pruning Filters for Efficient ConvNets", false, l1_norm},
      {"l2", "He et al. 2018, Soft Filter Pruning", false, l2_norm},
      {"l1_folded", "Li et al. 2017, on weights with batch norm folded in", false, l1_folded},
      {"geometric_median", "He et al. 2019, Filter Pruning via Geometric Median", false,
       geometric_median},
      {"bn_scale", "Liu et al. 2017, Network Slimming", false, bn_scale},
      {"group_norm", "Fang et al. 2023, DepGraph", false, group_norm},
      {"apoz", "Hu et al. 2016, Network Trimming", true, apoz},
      {"mean_activation", "Molchanov et al. 2017, Resource Efficient Inference", true,
       mean_activation},
      {"gate", "Hu et al. 2018, Squeeze-and-Excitation Networks", true, gate},
      {"taylor", "Molchanov et al. 2019, Importance Estimation", true, taylor},
      {"taylor_weights", "Molchanov et al. 2019, Importance Estimation", true, taylor_weights},
      {"first_k", "He et al. 2017, Channel Pruning (a baseline)", false, first_k},
      {"random", "a baseline of every paper", false, random_scores},
  };
  return table;
}

const Criterion& find_criterion(std::string_view name) {
  std::vector<std::string> names;
  for (const Criterion& criterion : criteria()) {
    if (criterion.name == name) return criterion;
    names.push_back(criterion.name);
  }
  throw Error(join("unknown criterion '", name, "'", suggestion(name, names)));
}

}  // namespace bonsai
