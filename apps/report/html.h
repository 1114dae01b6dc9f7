// The report as one HTML page that needs nothing else: style and figures are inside, and there
// are no scripts.
#pragma once

#include <string>

#include "apps/report/data.h"

namespace bonsai::report {

std::string render(const ReportData& data);

}  // namespace bonsai::report
