// oneDNN beside our rows, by the quickest of its layouts and algorithms for each layer and
// direction. Copies from and to another layout are not counted, as in a network that keeps to
// oneDNN's.
#include "apps/bench/conv_layers.h"

#ifdef BONSAI_ONEDNN
#include <dnnl.hpp>

#include <algorithm>
#include <chrono>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "engine/error.h"
#include "engine/kernels/conv_plan.h"

namespace bonsai {
namespace {

using dnnl::memory;
using Layout = memory::format_tag;

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

// Versions 2 and 3 differ in whether the options of a primitive are a type of their own.
template <class Primitive, class... Hint, class... Option>
typename Primitive::primitive_desc describe(const std::tuple<Hint...>& hint,
                                            const Option&... option) {
  return std::apply(
      [&](const Hint&... forward) {
#if DNNL_VERSION_MAJOR < 3
        return typename Primitive::primitive_desc(typename Primitive::desc(option...), engine(),
                                                  forward...);
#else
        return typename Primitive::primitive_desc(engine(), option..., forward...);
#endif
      },
      hint);
}

memory ones(const memory::desc& layout) {
  const memory m(layout, engine());
  std::fill_n(static_cast<float*>(m.get_data_handle()), layout.get_size() / sizeof(float), 1.0F);
  return m;
}

class OneDnnConv {
 public:
  // Throws dnnl::error where oneDNN has none of this kind.
  OneDnnConv(ConvTable table, const ConvShape& s, Layout layout, dnnl::algorithm algorithm) {
    const auto type = memory::data_type::f32;
    const memory::desc x({s.n, s.in, s.h, s.w}, type, layout);
    const memory::desc y({s.n, s.out, s.out_h, s.out_w}, type, layout);
    memory::dims weights = {s.group_out(), s.group_in(), s.kh, s.kw};
    if (s.groups > 1) weights.insert(weights.begin(), s.groups);
    const memory::desc w(weights, type, Layout::any);
    const memory::dims strides = {s.stride, s.stride}, before = {s.padding, s.padding};
    const memory::dims after = {(s.out_h - 1) * s.stride + s.kh - s.h - s.padding,
                                (s.out_w - 1) * s.stride + s.kw - s.w - s.padding};
    const auto forward =
        describe<dnnl::convolution_forward>(std::tuple<>(), dnnl::prop_kind::forward_training,
                                            algorithm, x, w, y, strides, before, after);
    if (table == ConvTable::forward) {
      take(dnnl::convolution_forward(forward), forward.impl_info_str(),
           {{DNNL_ARG_SRC, forward.src_desc()},
            {DNNL_ARG_WEIGHTS, forward.weights_desc()},
            {DNNL_ARG_DST, forward.dst_desc()}});
    } else if (table == ConvTable::backward_data) {
      const auto back = describe<dnnl::convolution_backward_data>(std::tuple(forward), algorithm, x,
                                                                  w, y, strides, before, after);
      take(dnnl::convolution_backward_data(back), back.impl_info_str(),
           {{DNNL_ARG_DIFF_SRC, back.diff_src_desc()},
            {DNNL_ARG_WEIGHTS, back.weights_desc()},
            {DNNL_ARG_DIFF_DST, back.diff_dst_desc()}});
    } else {
      const auto back = describe<dnnl::convolution_backward_weights>(
          std::tuple(forward), algorithm, x, w, y, strides, before, after);
      take(dnnl::convolution_backward_weights(back), back.impl_info_str(),
           {{DNNL_ARG_SRC, back.src_desc()},
            {DNNL_ARG_DIFF_WEIGHTS, back.diff_weights_desc()},
            {DNNL_ARG_DIFF_DST, back.diff_dst_desc()}});
    }
  }

  const std::string& implementation() const { return implementation_; }

  void run() {
    primitive_.execute(stream_, arguments_);
    stream_.wait();
  }

 private:
  void take(const dnnl::primitive& primitive, const char* implementation,
            std::initializer_list<std::pair<int, memory::desc>> operands) {
    primitive_ = primitive;
    implementation_ = implementation;
    for (const auto& [argument, layout] : operands) arguments_.emplace(argument, ones(layout));
  }

  dnnl::primitive primitive_;
  std::string implementation_;
  std::unordered_map<int, memory> arguments_;
  dnnl::stream stream_{engine()};
};

double seconds_of(OneDnnConv& conv) {
  using Clock = std::chrono::steady_clock;
  conv.run();
  double least = 1e9;
  for (int round = 0; round < 5; ++round) {
    const auto begin = Clock::now();
    conv.run();
    least = std::min(least, std::chrono::duration<double>(Clock::now() - begin).count());
  }
  return least;
}

struct Kind {
  Layout layout;
  dnnl::algorithm algorithm;
};

// Of those that there are for the shape; none: oneDNN has no such convolution.
std::optional<Kind> quickest(ConvTable table, const ConvShape& s) {
  std::optional<Kind> best;
  double least = 0;
  for (const Kind& kind : {Kind{Layout::any, dnnl::algorithm::convolution_direct},
                           Kind{Layout::any, dnnl::algorithm::convolution_auto},
                           Kind{Layout::nhwc, dnnl::algorithm::convolution_direct}}) {
    try {
      OneDnnConv conv(table, s, kind.layout, kind.algorithm);
      const double seconds = seconds_of(conv);
      if (best && seconds >= least) continue;
      best = kind;
      least = seconds;
    } catch (const dnnl::error&) {
      continue;  // it has not every kind for every shape
    }
  }
  return best;
}

// Chosen once, however often the benchmark is repeated.
void run(benchmark::State& state, ConvTable table, const ConvShape& s, std::optional<Kind>& kind) {
  if (!kind) kind = quickest(table, s);
  if (!kind) return state.SkipWithError("oneDNN has no such convolution");
  OneDnnConv conv(table, s, kind->layout, kind->algorithm);
  state.SetLabel(conv.implementation());
  conv.run();  // memory that is met first takes longer
  measure(state, s, [&] { conv.run(); });
}

}  // namespace

void add_onednn(const ConvLayer& layer) {
  for (const ConvTable table :
       {ConvTable::forward, ConvTable::backward_data, ConvTable::backward_weights}) {
    benchmark::RegisterBenchmark(
        join(name_of(table), "/onednn/", layer.name).c_str(),
        [table, s = layer.shape, kind = std::make_shared<std::optional<Kind>>()](
            benchmark::State& state) { run(state, table, s, *kind); })
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
  }
}

}  // namespace bonsai

#else

namespace bonsai {

void add_onednn(const ConvLayer&) {}

}  // namespace bonsai
#endif
