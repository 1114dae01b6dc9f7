// Networks by name. A network is one paper and one header in this folder, and one line in the
// table of families.cpp. The numbers in a name are those of its paper: depth, growth, groups.
// Listed are the published ones; a name with others, as "resnet26" or "densenet_bc40_k36", is made
// as well.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/layer.h"
#include "zoo/spec.h"

namespace bonsai::zoo {

struct Options {
  std::optional<int> classes = {};  // not given: the network's own (10, or 1000 for 224x224)
  uint64_t seed = 1;                // of the initial weights
  float width = 1;                  // multiplies the number of channels everywhere
  Shape input = {};                 // [H, W, C]; empty: the network's own
  bool weights = true;              // false: left undefined, which is quick, for counting
};

struct Entry {
  std::string name;
  std::string source;  // the paper
  Shape input;         // [H, W, C]
  int classes;
  std::function<std::unique_ptr<Layer>(const Spec&)> build;
};

// The listed networks.
const std::vector<Entry>& entries();
std::vector<std::string> names();

// Whether there is such a network, listed or with other numbers, which may be none that it can
// have.
bool is_network(std::string_view name);

// Throws Error on an unknown name, suggesting the nearest one.
Entry find(std::string_view name);

// Throws Error when the network cannot have such numbers, input, width or number of classes.
std::unique_ptr<Layer> make(std::string_view name, const Options& options = {});

}  // namespace bonsai::zoo
