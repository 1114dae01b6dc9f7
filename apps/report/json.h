// A report's data as JSON text, kept beside the page so that it can be drawn again.
#pragma once

#include <string>

#include "apps/report/data.h"

namespace bonsai::report {

std::string to_json(const ReportData& data);
ReportData from_json(const std::string& text);  // throws Error: what is missing or wrong

}  // namespace bonsai::report
