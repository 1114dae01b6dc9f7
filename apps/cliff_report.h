// What is shown of how much may go at once (compress/cliff.h): a curve, a table, JSON.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "apps/report/data.h"
#include "compress/cliff.h"

namespace bonsai::app {

// `what` goes: "channels", "residual blocks".
report::Chart cliff_chart(const std::vector<CliffPoint>& cliff, const std::string& what);
std::string cliff_text(const std::vector<CliffPoint>& cliff, const std::string& what);
nlohmann::ordered_json cliff_json(const std::vector<CliffPoint>& cliff);

}  // namespace bonsai::app
