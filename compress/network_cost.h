// What a network costs, in the three things that pruning may be asked to save.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace bonsai {

struct NetworkCost {
  int64_t macs = 0;    // multiply-accumulates per picture
  int64_t params = 0;  // trainable numbers
  double ms = 0;       // per picture on one thread, predicted (compress/layer_times.h)
};

enum class Resource { macs, params, latency };
inline constexpr std::array<std::string_view, 3> resource_names = {"macs", "params", "latency"};

inline double amount(const NetworkCost& cost, Resource resource) {
  switch (resource) {
    case Resource::macs:
      return static_cast<double>(cost.macs);
    case Resource::params:
      return static_cast<double>(cost.params);
    case Resource::latency:
      return cost.ms;
  }
  return 0;
}

// The part of the original's that a network should come down to.
struct Target {
  Resource resource = Resource::macs;
  double part = 0.5;  // above 0, at most 1
};

}  // namespace bonsai
