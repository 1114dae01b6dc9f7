// GFLOP/s of every convolution kernel on the layer shapes of the zoo at batch 128, all threads:
//   build/bonsai_bench --benchmark_filter='forward/direct'
// (the label `taken` is the row's that a network gets without a plan), and of oneDNN where that is
// installed. apps/bench/layers.sh makes a table of these.
#include <benchmark/benchmark.h>

#include <string>

#include "apps/bench/conv_layers.h"
#include "engine/error.h"
#include "engine/kernels/conv_plan.h"

namespace bonsai {
namespace {

struct Operands {
  Tensor x, w, y;
  explicit Operands(const ConvShape& s)
      : x({s.n, s.h, s.w, s.in}, 1),
        w({s.out, s.kh, s.kw, s.group_in()}, 1),
        y({s.n, s.out_h, s.out_w, s.out}, 1) {}
};

// The plain loops would take minutes on these shapes.
bool worth_measuring(const std::string& kernel) { return kernel != "plain"; }

template <class Kernel, class Run>
void add(ConvTable table, const Kernel& kernel, const ConvLayer& layer, const Run& run) {
  if (!worth_measuring(kernel.name) || !kernel.fits(layer.shape)) return;
  const std::string name = join(name_of(table), "/", kernel.name, "/", layer.name);
  const bool taken = conv_rows(table, layer.shape).front() == kernel.name;
  benchmark::RegisterBenchmark(name.c_str(),
                               [=](benchmark::State& state) {
                                 if (taken) state.SetLabel("taken");
                                 const Operands o(layer.shape);
                                 measure(state, layer.shape, [&] { run(kernel, layer.shape, o); });
                               })
      ->UseRealTime()
      ->Unit(benchmark::kMillisecond);
}

void add_all() {
  for (const ConvLayer& layer : conv_layers()) {
    for (const auto& kernel : conv_forward_kernels()) {
      add(ConvTable::forward, kernel, layer,
          [](const auto& k, const ConvShape& s, const Operands& o) {
            k.run({.shape = s, .x = o.x.data(), .w = o.w.data(), .b = nullptr, .y = o.y.data()});
          });
    }
    for (const auto& kernel : conv_backward_data_kernels()) {
      add(ConvTable::backward_data, kernel, layer,
          [](const auto& k, const ConvShape& s, const Operands& o) {
            k.run({.shape = s, .dy = o.y.data(), .w = o.w.data(), .dx = o.x.data()});
          });
    }
    for (const auto& kernel : conv_backward_weights_kernels()) {
      add(ConvTable::backward_weights, kernel, layer,
          [](const auto& k, const ConvShape& s, const Operands& o) {
            k.run({.shape = s, .x = o.x.data(), .dy = o.y.data(), .dw = o.w.data()});
          });
    }
    add_onednn(layer);
  }
}

}  // namespace
}  // namespace bonsai

int main(int argc, char** argv) {
  bonsai::add_all();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
