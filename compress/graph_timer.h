// A clock for decisions between forms of a layer that compute the same.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "engine/graph.h"

namespace bonsai {

// Milliseconds of each graph for one picture.
using GraphTimer = std::function<std::vector<double>(std::span<const Graph* const>)>;

// The median of real runs, in turns, on one thread.
std::vector<double> median_times(std::span<const Graph* const> graphs);

// Whether one form beats another by more than the noise of timing.
inline bool is_quicker(double ms, double than_ms) { return ms < 0.97 * than_ms; }

}  // namespace bonsai
