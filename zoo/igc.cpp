#include "zoo/igc.h"

#include <cmath>
#include <string>
#include <vector>

#include "engine/error.h"
#include "layers/basic.h"
#include "layers/init.h"
#include "zoo/conv_bn.h"
#include "zoo/residual.h"

namespace bonsai::zoo {
namespace {

struct Groups {
  int primary, secondary;
};

// Both convolutions, the permutations around the second, and batch norm.
struct Block : Sequential {
  Block(int in, int out, int stride, Groups groups, Random& init) {
    add_named<Conv2d>(
        "primary", in, out, 3,
        ConvOptions{.stride = stride, .padding = 1, .groups = groups.primary, .bias = false}, init);
    add_shuffle("shuffle", groups.primary);
    add_named<Conv2d>("secondary", out, out, 1,
                      ConvOptions{.groups = groups.secondary, .bias = false}, init);
    add_shuffle("restore", groups.secondary);
    add_named<BatchNorm>("bn", out);
  }

 private:
  void add_shuffle(const std::string& name, int groups) {
    add_named<Stateless>(name, [groups](Var x) { return channel_shuffle(x, groups); });
  }
};

// Two blocks beside an identity.
struct ResidualBlock : Residual {
  ResidualBlock(int in, int out, int stride, int L, Secondary secondary, Random& init) {
    const int M = (secondary == Secondary::exact ? out : in) / L;
    add_named<Block>("block1", in, out, stride, Groups{L, M}, init);
    add_named<Relu>("relu");
    add_named<Block>("block2", out, out, 1, Groups{L, out / L}, init);
    if (in == out) return;
    auto shortcut = std::make_unique<Sequential>();
    add_conv_bn(*shortcut, in, out, 1, {.stride = stride, .groups = L}, init);
    set_shortcut(std::move(shortcut));
  }
};

struct Stage {
  int width;   // channels
  int L;       // primary groups
  int blocks;  // residual blocks, or plain ones
  int stride;  // of the first
};

struct Plan {
  int stem;  // channels of the first convolution
  std::vector<Stage> stages;
  bool residual = true;
  Secondary secondary = Secondary::exact;
  bool large = false;  // pictures: the first convolution and a pooling halve them
};

void add_stem(Sequential& net, const Spec& spec, const Plan& plan) {
  const ConvOptions same_size{.padding = 1}, halving{.stride = 2, .padding = 3};
  net.add_named<ConvBnRelu>("stem", spec.input[2], plan.stem, plan.large ? 7 : 3,
                            plan.large ? halving : same_size, spec.init);
  if (plan.large) {
    net.add_named<MaxPool>("maxpool", PoolOptions{.kernel = 3, .stride = 2, .padding = 1});
  }
}

std::unique_ptr<Layer> make_stage(const Plan& plan, const Stage& stage, int in, Random& init) {
  auto layers = std::make_unique<Sequential>();
  for (int b = 0; b < stage.blocks; ++b) {
    const int from = b == 0 ? in : stage.width, stride = b == 0 ? stage.stride : 1;
    if (plan.residual) {
      layers->add<ResidualBlock>(from, stage.width, stride, stage.L, plan.secondary, init);
    } else {
      layers->add<Block>(from, stage.width, stride, Groups{stage.L, stage.width / stage.L}, init);
      layers->add<Relu>();
    }
  }
  return layers;
}

std::unique_ptr<Layer> make_network(const Spec& spec, const Plan& plan) {
  auto net = std::make_unique<Sequential>();
  add_stem(*net, spec, plan);
  int in = plan.stem;
  for (size_t s = 0; s < plan.stages.size(); ++s) {
    net->append(join("layer", s + 1), make_stage(plan, plan.stages[s], in, spec.init));
    in = plan.stages[s].width;
  }
  net->add_named<GlobalAveragePool>("pool");
  net->add_named<Linear>("fc", in, spec.classes, spec.init);
  for (Parameter* p : net->parameters()) {
    if (p->value.rank() == 4) kaiming_normal(p->value, Fan::in, spec.init);
  }
  return net;
}

int scaled_groups(const Spec& spec, int L, int M) {
  require(L >= 1 && M >= 1, spec.name, ": ", L, " primary groups of ", M,
          " channels, both should be at least 1");
  spec.whole(double{spec.width} * L * M, "conv1");  // refuses what is far too wide
  const int groups = static_cast<int>(std::lround(static_cast<float>(L) * spec.width));
  require(groups >= 1, spec.name, ": width ", spec.width, " leaves layer1 none of its ", L,
          " primary groups, should leave at least 1");
  return groups;
}

// Three stages of a small network, of M, 2M and 4M channels in a group.
Plan three_stages(const Spec& spec, int L, int M, int blocks) {
  const int groups = scaled_groups(spec, L, M);
  Plan plan{.stem = groups * M, .stages = {}};
  for (int s = 0; s < 3; ++s) {
    plan.stages.push_back({groups * M << s, groups, blocks, s > 0 ? 2 : 1});
  }
  return plan;
}

}  // namespace

std::unique_ptr<Layer> igc(const Spec& spec, int depth, int L, int M) {
  require(depth >= 5 && depth % 3 == 2, spec.name, ": depth ", depth,
          " should be 3 n + 2, as 20 or 38");
  Plan plan = three_stages(spec, L, M, (depth - 2) / 3);
  plan.residual = false;
  return make_network(spec, plan);
}

std::unique_ptr<Layer> igc_residual(const Spec& spec, int depth, int L, int M,
                                    Secondary secondary) {
  require(depth >= 8 && depth % 6 == 2, spec.name, ": depth ", depth,
          " should be 6 n + 2, as 20 or 38");
  Plan plan = three_stages(spec, L, M, (depth - 2) / 6);
  plan.secondary = secondary;
  return make_network(spec, plan);
}

std::unique_ptr<Layer> igc_224(const Spec& spec, int L, int M, Doubling doubling) {
  spec.require_size(32);
  const int groups = scaled_groups(spec, L, M);
  const bool wider = doubling == Doubling::channels;
  Plan plan{.stem = wider ? groups * M : groups, .stages = {}, .large = true};
  for (int s = 0; s < 4; ++s) {
    plan.stages.push_back({groups * M << s, wider ? groups : groups << s, 2, s > 0 ? 2 : 1});
  }
  return make_network(spec, plan);
}

}  // namespace bonsai::zoo
