#include "engine/kernels/conv_plan.h"

#include <algorithm>
#include <utility>

#include "engine/error.h"

namespace bonsai {
namespace {

std::shared_ptr<const ConvPlan>& installed() {
  static auto plan = std::make_shared<const ConvPlan>();
  return plan;
}

template <class Call>
std::vector<std::string> fitting(std::span<const ConvKernel<Call>> table, const ConvShape& shape) {
  std::vector<std::string> names;
  for (const ConvKernel<Call>& row : table) {
    if (row.fits(shape)) names.emplace_back(row.name);
    if (shape.interleaved) break;
  }
  return names;
}

}  // namespace

std::string_view name_of(ConvTable table) {
  constexpr std::array<std::string_view, 3> names = {"forward", "backward-data",
                                                     "backward-weights"};
  return names[static_cast<size_t>(table)];
}

ConvPlan::Key ConvPlan::key(const ConvShape& s) {
  return {s.h,  s.w,  s.in,     s.out_h,   s.out_w,    s.out,
          s.kh, s.kw, s.stride, s.padding, s.dilation, s.groups};
}

template <class Call>
void ConvPlan::add_row(const ConvChoice& choice, std::span<const ConvKernel<Call>> table) {
  const auto row = std::find_if(table.begin(), table.end(), [&](const ConvKernel<Call>& kernel) {
    return choice.row == kernel.name;
  });
  require(row != table.end(), "plan: ", name_of(choice.table), " has no row '", choice.row, "'");
  require(!choice.shape.interleaved && row->fits(choice.shape), "plan: the ", name_of(choice.table),
          " row '", choice.row, "' does not fit its convolution");
  const bool is_new = std::get<Rows<Call>>(rows_).try_emplace(key(choice.shape), &*row).second;
  require(is_new, "plan: a convolution has two ", name_of(choice.table), " rows");
}

void ConvPlan::add(const ConvChoice& choice) {
  switch (choice.table) {
    case ConvTable::forward:
      add_row(choice, conv_forward_kernels());
      break;
    case ConvTable::backward_data:
      add_row(choice, conv_backward_data_kernels());
      break;
    case ConvTable::backward_weights:
      add_row(choice, conv_backward_weights_kernels());
      break;
  }
  choices_.push_back(choice);
}

const std::shared_ptr<const ConvPlan>& conv_plan() { return installed(); }
void set_conv_plan(std::shared_ptr<const ConvPlan> plan) {
  require(plan != nullptr, "plan: there is none, should be one, if an empty one");
  installed() = std::move(plan);
}

std::vector<std::string> conv_rows(ConvTable table, const ConvShape& shape) {
  switch (table) {
    case ConvTable::forward:
      return fitting(conv_forward_kernels(), shape);
    case ConvTable::backward_data:
      return fitting(conv_backward_data_kernels(), shape);
    case ConvTable::backward_weights:
      return fitting(conv_backward_weights_kernels(), shape);
  }
  return {};
}

}  // namespace bonsai
