// Criteria look at tensors, but a unit is several of them: every layer that makes its channel has
// a filter in it (all blocks of a residual stage). Here stands once how they speak for the unit:
// each gives a number, and the unit gets the mean, so that each has one vote. A sum would make the
// channels of long stages count more than others for no reason but their number.
#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "compress/axis_table.h"
#include "compress/criterion.h"

namespace bonsai {

// The weights that make one channel: a row of a convolution's or a linear layer's weights, a column
// of a transposed convolution's.
struct Filter {
  Channel channel;              // of the weights
  int producer;                 // position in Coupling::producers
  std::vector<Scalar> weights;  // [kh, kw, in / groups] or [in]; of a transposed one [in, kh, kw]
};

// Per unit, in the order of the unit's channels. Throws Error for a unit that has none.
std::vector<std::vector<Filter>> filters_of_units(const Graph& graph, const Coupling& coupling);

// The mean of `measure` over each unit's filters.
Scores mean_over_filters(const Evidence& evidence,
                         const std::function<double(const Filter&)>& measure);

// A number for each channel of some axes; no numbers at the others.
using ChannelValues = AxisTable<std::vector<double>>;

// The mean over those of a unit's channels that have a number.
std::optional<double> mean_over_channels(const Unit& unit, const ChannelValues& values);
// The same for all units. A unit without any is an Error:
// "<missing> the channels of <group><advice>".
Scores mean_over_channels(const Evidence& evidence, const ChannelValues& values,
                          std::string_view missing, std::string_view advice = {});

}  // namespace bonsai
