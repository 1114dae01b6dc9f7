#pragma once

#include <benchmark/benchmark.h>

#include <functional>
#include <vector>

#include "engine/kernels/conv.h"

namespace bonsai {

struct ConvLayer {
  const char* name;  // kernel, groups, channels, stride, size: 3x3_64-128_s2_32
  ConvShape shape;
};

// Layers of the zoo at batch 128.
const std::vector<ConvLayer>& conv_layers();

// Times `run`, which computes such a layer in one direction. Counters: GFLOP/s, 2 FLOPs per
// multiply-accumulate of the direct sum, and `of_peak`, their share of the machine's peak.
void measure(benchmark::State& state, const ConvShape& s, const std::function<void()>& run);

// Registers what oneDNN takes for a layer in each direction, where it is installed.
void add_onednn(const ConvLayer& layer);

}  // namespace bonsai
