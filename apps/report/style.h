// The report's style sheet: light, dark (as the reader's system says) and paper.
#pragma once

#include <string_view>

namespace bonsai::report {

std::string_view style_sheet();

}  // namespace bonsai::report
