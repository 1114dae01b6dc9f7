// The report's figures, each a piece of the page; empty text when there is nothing to show.
#pragma once

#include <string>

#include "apps/report/data.h"

namespace bonsai::report {

std::string learning_curves(const ReportData& data);   // curves.cpp
std::string channel_bars(const ReportData& data);      // channels.cpp
std::string layer_error_dots(const ReportData& data);  // layer_errors.cpp
std::string confusion_matrix(const ReportData& data);  // confusion.cpp
std::string picture_strip(const ReportData& data);     // pictures.cpp

std::string heat_map(const HeatMap& map);    // heat_map.cpp
std::string chart(const Chart& chart);       // chart.cpp
std::string stacked_bars(const Bars& bars);  // bars.cpp

}  // namespace bonsai::report
