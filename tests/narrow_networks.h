// Every network of the zoo, such that it is quick to try: few channels, and small pictures where it
// takes them.
#pragma once

#include <map>
#include <string>

#include "zoo/zoo.h"

namespace bonsai::testing {

inline zoo::Options narrow(const std::string& name) {
  // Where a network needs other widths than most, so that at least two groups are left.
  static const std::map<std::string, float> widths = {
      {"vgg_small", 0.5F},        {"igc_l4m4_ident_released", 1}, {"resnet164", 0.25F},
      {"igc_l4m8", 0.5F},         {"igc_l4m32_224", 0.5F},        {"igc_l16m32_ident", 0.125F},
      {"igc_l16m16_224", 0.125F}, {"igc_l32m26_ident", 0.0625F},  {"igc_l450m2_ident", 0.0625F},
      {"igc_l100m2_224", 0.04F},
  };
  const bool is_quick = name == "resnet9" || name.starts_with("airbench");
  const bool is_vgg = name.starts_with("vgg"), is_large = zoo::find(name).input[0] > 32;
  const bool is_wide = is_vgg || is_quick || (is_large && name.starts_with("resnet"));
  const auto own = widths.find(name);
  zoo::Options options{.classes = 10,
                       .width = own != widths.end() ? own->second
                                : is_wide           ? 0.125F
                                                    : 0.25F};
  const bool needs_32 = is_vgg || is_large || is_quick;
  options.input = needs_32 ? Shape{32, 32, 3} : Shape{16, 16, 3};
  if (name.ends_with("_ident")) options.input = {8, 8, 3};
  return options;
}

}  // namespace bonsai::testing
