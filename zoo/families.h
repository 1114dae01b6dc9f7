// The table of the zoo: which networks there are, from which paper, for what pictures.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "engine/layer.h"
#include "zoo/spec.h"

namespace bonsai::zoo {

using Numbers = std::vector<int>;

struct Data {
  Shape input;  // [H, W, C]
  int classes;
};

using Build = std::function<std::unique_ptr<Layer>(const Spec&, const Numbers&)>;

// Networks of one paper whose names differ in the numbers, for which '#' stands.
struct Family {
  std::string_view name;
  std::string_view paper;
  Data data;
  std::vector<Numbers> listed;  // those that the paper, or who made its data, tells about
  Build build;
};

const std::vector<Family>& families();

}  // namespace bonsai::zoo
