#include "zoo/igc.h"

#include <cmath>
#include <string>

#include "engine/error.h"
#include "layers/basic.h"
#include "layers/init.h"

namespace bonsai::zoo {
namespace {

struct Groups {
  int primary, secondary;
};

// Both convolutions, the permutations around the second, and batch norm.
class Block : public Module {
 public:
  Block(int in, int out, int stride, Groups groups, Random& init)
      : groups_(groups),
        primary_(child<Conv2d>(
            "primary", in, out, 3,
            ConvOptions{.stride = stride, .padding = 1, .groups = groups.primary, .bias = false},
            init)),
        secondary_(child<Conv2d>("secondary", out, out, 1,
                                 ConvOptions{.groups = groups.secondary, .bias = false}, init)),
        norm_(child<BatchNorm>("bn", out)) {}

  Var forward(Var x) override {
    x = channel_shuffle(primary_.forward(x), groups_.primary);
    x = channel_shuffle(secondary_.forward(x), groups_.secondary);
    return norm_.forward(x);
  }

 private:
  Groups groups_;
  Conv2d &primary_, &secondary_;
  BatchNorm& norm_;
};

class Residual : public Module {
 public:
  Residual(int in, int out, int stride, int L, Secondary secondary, Random& init)
      : first_(child<Block>("block1", in, out, stride,
                            Groups{L, (secondary == Secondary::exact ? out : in) / L}, init)),
        second_(child<Block>("block2", out, out, 1, Groups{L, out / L}, init)) {
    if (stride == 1) return;
    auto shortcut = std::make_unique<Sequential>();
    shortcut->add<Conv2d>(in, out, 1, ConvOptions{.stride = stride, .groups = L, .bias = false},
                          init);
    shortcut->add<BatchNorm>(out);
    shortcut_ = &adopt("downsample", std::move(shortcut));
  }

  Var forward(Var x) override {
    const Var y = second_.forward(relu(first_.forward(x)));
    return relu(add(y, shortcut_ != nullptr ? shortcut_->forward(x) : x));
  }

 private:
  Block &first_, &second_;
  Layer* shortcut_ = nullptr;
};

int scaled_groups(const Spec& spec, int L, int M) {
  require(L >= 1 && M >= 1, spec.name, ": ", L, " primary groups of ", M,
          " channels, both should be at least 1");
  spec.scaled(L * M, "conv1");  // refuses what is far too wide
  const int groups = static_cast<int>(std::lround(static_cast<float>(L) * spec.width));
  require(groups >= 1, spec.name, ": width ", spec.width, " leaves none of the ", L,
          " primary groups");
  return groups;
}

// add_blocks(stage, in, out, stride) fills a stage that starts from `in` channels.
template <class AddBlocks>
std::unique_ptr<Layer> make_network(const Spec& spec, int width, const AddBlocks& add_blocks) {
  auto net = std::make_unique<Sequential>();
  net->add_named<ConvBnRelu>("stem", spec.input[2], width, 3, ConvOptions{.padding = 1}, spec.init);
  int in = width;
  for (int s = 0; s < 3; ++s) {
    auto stage = std::make_unique<Sequential>();
    add_blocks(*stage, in, width << s, s > 0 ? 2 : 1);
    net->append(join("layer", s + 1), std::move(stage));
    in = width << s;
  }
  net->add_named<GlobalAveragePool>("pool");
  net->add_named<Linear>("fc", in, spec.classes, spec.init);
  for (Parameter* p : net->parameters()) {
    if (p->value.rank() == 4) kaiming_normal(p->value, Fan::in, spec.init);
  }
  return net;
}

}  // namespace

std::unique_ptr<Layer> igc(const Spec& spec, int depth, int L, int M) {
  require(depth >= 5 && depth % 3 == 2, spec.name, ": depth ", depth,
          " should be 3 n + 2, as 20 or 38");
  const int groups = scaled_groups(spec, L, M);
  return make_network(spec, groups * M, [&](Sequential& stage, int in, int out, int stride) {
    for (int b = 0; b < (depth - 2) / 3; ++b) {
      stage.add<Block>(b == 0 ? in : out, out, b == 0 ? stride : 1, Groups{groups, out / groups},
                       spec.init);
      stage.add<Relu>();
    }
  });
}

std::unique_ptr<Layer> igc_residual(const Spec& spec, int depth, int L, int M,
                                    Secondary secondary) {
  require(depth >= 8 && depth % 6 == 2, spec.name, ": depth ", depth,
          " should be 6 n + 2, as 20 or 38");
  const int groups = scaled_groups(spec, L, M);
  return make_network(spec, groups * M, [&](Sequential& stage, int in, int out, int stride) {
    for (int b = 0; b < (depth - 2) / 6; ++b) {
      stage.add<Residual>(b == 0 ? in : out, out, b == 0 ? stride : 1, groups, secondary,
                          spec.init);
    }
  });
}

}  // namespace bonsai::zoo
