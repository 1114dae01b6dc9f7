#include "apps/bench/conv_layers.h"

#include "engine/kernels/peak.h"

namespace bonsai {
namespace {

ConvShape square(int in, int out, int size, int kernel, int stride, int groups) {
  const int padding = kernel / 2, out_size = (size + 2 * padding - kernel) / stride + 1;
  return {.n = 128,
          .h = size,
          .w = size,
          .in = in,
          .out_h = out_size,
          .out_w = out_size,
          .out = out,
          .kh = kernel,
          .kw = kernel,
          .stride = stride,
          .padding = padding,
          .dilation = 1,
          .groups = groups};
}

}  // namespace

const std::vector<ConvLayer>& conv_layers() {
  static const std::vector<ConvLayer> all = {
      {"3x3_3-16_32", square(3, 16, 32, 3, 1, 1)},
      {"3x3_3-32_32", square(3, 32, 32, 3, 1, 1)},
      {"3x3_3-64_32", square(3, 64, 32, 3, 1, 1)},
      {"3x3_16-16_32", square(16, 16, 32, 3, 1, 1)},
      {"3x3_16-32_s2_32", square(16, 32, 32, 3, 2, 1)},
      {"3x3_32-32_32", square(32, 32, 32, 3, 1, 1)},
      {"3x3_32-32_16", square(32, 32, 16, 3, 1, 1)},
      {"3x3_64-64_32", square(64, 64, 32, 3, 1, 1)},
      {"3x3_64-64_16", square(64, 64, 16, 3, 1, 1)},
      {"3x3_64-64_8", square(64, 64, 8, 3, 1, 1)},
      {"3x3_48-12_32", square(48, 12, 32, 3, 1, 1)},
      {"3x3_168-12_32", square(168, 12, 32, 3, 1, 1)},
      {"3x3_312-12_16", square(312, 12, 16, 3, 1, 1)},
      {"3x3_64-128_s2_32", square(64, 128, 32, 3, 2, 1)},
      {"3x3_128-128_16", square(128, 128, 16, 3, 1, 1)},
      {"3x3_128-128_8", square(128, 128, 8, 3, 1, 1)},
      {"3x3_256-256_8", square(256, 256, 8, 3, 1, 1)},
      {"3x3_512-512_4", square(512, 512, 4, 3, 1, 1)},
      {"3x3_512-512_2", square(512, 512, 2, 3, 1, 1)},
      {"1x1_64-128_16", square(64, 128, 16, 1, 1, 1)},
      {"1x1_64-128_s2_32", square(64, 128, 32, 1, 2, 1)},
      {"1x1_128-128_16", square(128, 128, 16, 1, 1, 1)},
      {"1x1_128-256_8", square(128, 256, 8, 1, 1, 1)},
      {"1x1_256-512_4", square(256, 512, 4, 1, 1, 1)},
      {"1x1_256-256_8", square(256, 256, 8, 1, 1, 1)},
      {"1x1_512-512_4", square(512, 512, 4, 1, 1, 1)},
      {"1x1_1024-1024_2", square(1024, 1024, 2, 1, 1, 1)},
      {"1x1_g3_240-60_16", square(240, 60, 16, 1, 1, 3)},
      {"1x1_g3_60-240_16", square(60, 240, 16, 1, 1, 3)},
      {"1x1_g2_48-48_32", square(48, 48, 32, 1, 1, 2)},
      {"1x1_g8_192-192_8", square(192, 192, 8, 1, 1, 8)},
      {"3x3_g24_48-48_32", square(48, 48, 32, 3, 1, 24)},
      {"3x3_g24_48-96_s2_32", square(48, 96, 32, 3, 2, 24)},
      {"3x3_g24_96-96_16", square(96, 96, 16, 3, 1, 24)},
      {"3x3_g24_96-192_s2_16", square(96, 192, 16, 3, 2, 24)},
      {"3x3_g24_192-192_8", square(192, 192, 8, 3, 1, 24)},
      {"dw3x3_128_16", square(128, 128, 16, 3, 1, 128)},
      {"dw3x3_32_32", square(32, 32, 32, 3, 1, 32)},
      {"dw3x3_60_16", square(60, 60, 16, 3, 1, 60)},
      {"dw3x3_64_s2_32", square(64, 64, 32, 3, 2, 64)},
      {"dw3x3_512_4", square(512, 512, 4, 3, 1, 512)},
      {"dw3x3_1024_2", square(1024, 1024, 2, 3, 1, 1024)},
  };
  return all;
}

void measure(benchmark::State& state, const ConvShape& s, const std::function<void()>& run) {
  static const double peak = measured_peak();
  for (auto _ : state) run();
  const double flops = 2 * static_cast<double>(s.macs());
  const auto rate = benchmark::Counter::kIsIterationInvariantRate;
  state.counters["GFLOP/s"] = benchmark::Counter(1e-9 * flops, rate);
  state.counters["of_peak"] = benchmark::Counter(flops / peak, rate);
}

}  // namespace bonsai
