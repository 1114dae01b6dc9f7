#include "compress/criterion.h"

#include "engine/error.h"
#include "engine/nearest.h"

namespace bonsai {

const std::vector<Criterion>& criteria() {
  static const std::vector<Criterion> table = {
      {"l1", "Li et al. 2017, Pruning Filters for Efficient ConvNets", l1_norm},
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
