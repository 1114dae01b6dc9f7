// Which row of its table runs a convolution, where that is not the first row that fits: decided
// once before a run, by measuring (engine/measured_plan.h) or by a file (engine/conv_plan_json.h).
// Rows add up in different orders, so that the same plan gives the same bits, and another one may
// not. A shape stands here without its number of images: a whole batch, the blocks that a step cuts
// it into and a last, smaller batch take the same row, as long as it fits them, and else one that
// reads its packed weights, if there is one.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "engine/kernels/conv.h"

namespace bonsai {

enum class ConvTable { forward, backward_data, backward_weights };
std::string_view name_of(ConvTable table);  // "forward", "backward-data", "backward-weights"

struct ConvChoice {
  ConvTable table;
  ConvShape shape;  // with a number of images that the row fits
  std::string row;
};

class ConvPlan {
 public:
  // Throws Error when the table has no such row or it does not fit, when the shape has a row
  // already, and for groups that take turns, which have one row alone.
  void add(const ConvChoice& choice);

  const std::vector<ConvChoice>& choices() const { return choices_; }

  // Null where the plan says nothing. The row may not fit this number of images.
  template <class Call>
  const ConvKernel<Call>* row(const ConvShape& shape) const {
    const auto& rows = std::get<Rows<Call>>(rows_);
    if (rows.empty() || shape.interleaved) return nullptr;
    const auto found = rows.find(key(shape));
    return found != rows.end() ? found->second : nullptr;
  }

 private:
  using Key = std::array<int, 12>;
  template <class Call>
  using Rows = std::map<Key, const ConvKernel<Call>*>;

  static Key key(const ConvShape& shape);
  template <class Call>
  void add_row(const ConvChoice& choice, std::span<const ConvKernel<Call>> table);

  std::vector<ConvChoice> choices_;
  std::tuple<Rows<ConvForward>, Rows<ConvBackwardData>, Rows<ConvBackwardWeights>> rows_;
};

// The plan of this process, as the number of threads is one of the process; at first an empty one:
// every shape takes the first row that fits. It may be replaced at any time when no convolution
// runs. Weights that were packed before, such as a session's, are read by the rows of the plan that
// they were packed by (`plan` of the calls).
const std::shared_ptr<const ConvPlan>& conv_plan();
void set_conv_plan(std::shared_ptr<const ConvPlan> plan);

// The rows that fit, the one that is taken without a plan first, by name.
std::vector<std::string> conv_rows(ConvTable table, const ConvShape& shape);

}  // namespace bonsai
