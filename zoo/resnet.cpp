#include "zoo/resnet.h"

#include <string>
#include <vector>

#include "engine/error.h"
#include "layers/basic.h"
#include "layers/init.h"
#include "zoo/conv_bn.h"
#include "zoo/residual.h"

namespace bonsai::zoo {
namespace {

// What stands beside a block that halves the map or changes the width: the paper's options A and B.
enum class Shortcut { padded, projection };

struct Plan {
  std::vector<int> blocks, widths;  // of each stage
  Shortcut shortcut = Shortcut::projection;
  int expansion = 1;  // of a bottleneck's last convolution over its width; 1: a basic block
  Halving halving = Halving::pointwise;
  bool large = false;  // pictures: the first convolution and a pooling halve them
  Fan fan = Fan::in;
};

// Every stride-th pixel, and channels of zeros after those of the input.
std::unique_ptr<Layer> padded_shortcut(int in, int out, int stride) {
  return std::make_unique<Stateless>([zeros = out - in, stride](Var x) {
    return pad_channels(average_pool(x, {.kernel = 1, .stride = stride}), zeros);
  });
}

std::unique_ptr<Layer> projection_shortcut(int in, int out, int stride, Random& init) {
  auto shortcut = std::make_unique<Sequential>();
  add_conv_bn(*shortcut, in, out, 1, {.stride = stride}, init);
  return shortcut;
}

// Figure 5.
struct Block : Residual {
  Block(const Plan& plan, int in, int width, int stride, Random& init) {
    const int out = width * plan.expansion;
    if (plan.expansion == 1) {
      add_conv_bn(*this, 1, in, width, 3, {.stride = stride}, init);
      add_named<Relu>("relu1");
      add_conv_bn(*this, 2, width, out, 3, {}, init);
    } else {
      const bool early = plan.halving == Halving::pointwise;
      add_conv_bn(*this, 1, in, width, 1, {.stride = early ? stride : 1}, init);
      add_named<Relu>("relu1");
      add_conv_bn(*this, 2, width, width, 3, {.stride = early ? 1 : stride}, init);
      add_named<Relu>("relu2");
      add_conv_bn(*this, 3, width, out, 1, {}, init);
    }
    if (stride == 1 && in == out) return;
    set_shortcut(plan.shortcut == Shortcut::padded ? padded_shortcut(in, out, stride)
                                                   : projection_shortcut(in, out, stride, init));
  }
};

std::unique_ptr<Layer> make_network(const Spec& spec, const Plan& plan) {
  auto net = std::make_unique<Sequential>();
  int in = spec.scaled(plan.widths[0], "conv1");
  add_conv_bn(*net, 1, spec.input[2], in, plan.large ? 7 : 3, {.stride = plan.large ? 2 : 1},
              spec.init);
  net->add_named<Relu>("relu");
  if (plan.large) {
    net->add_named<MaxPool>("maxpool", PoolOptions{.kernel = 3, .stride = 2, .padding = 1});
  }
  for (size_t s = 0; s < plan.blocks.size(); ++s) {
    const std::string name = join("layer", s + 1);
    const int width = spec.scaled(plan.widths[s], name);
    auto stage = std::make_unique<Sequential>();
    for (int b = 0; b < plan.blocks[s]; ++b) {
      stage->add<Block>(plan, in, width, s > 0 && b == 0 ? 2 : 1, spec.init);
      in = width * plan.expansion;
    }
    net->append(name, std::move(stage));
  }
  net->add_named<GlobalAveragePool>("avgpool");
  net->add_named<Linear>("fc", in, spec.classes, spec.init);
  for (Parameter* p : net->parameters()) {
    if (p->value.rank() == 4) kaiming_normal(p->value, plan.fan, spec.init);
  }
  return net;
}

std::unique_ptr<Layer> small_resnet(const Spec& spec, int depth, Shortcut shortcut) {
  require(depth >= 8 && depth % 6 == 2, spec.name, ": depth ", depth,
          " should be 6 n + 2, as 20 or 56");
  return make_network(
      spec,
      {.blocks = std::vector(3, (depth - 2) / 6), .widths = {16, 32, 64}, .shortcut = shortcut});
}

// Table 1.
Plan four_stages(const Spec& spec, int depth) {
  require(depth == 18 || depth == 34 || depth == 50, spec.name, ": there is no depth ", depth,
          ", only 18, 34 and 50");
  const std::vector<int> shallow = {2, 2, 2, 2}, deep = {3, 4, 6, 3};
  return {.blocks = depth == 18 ? shallow : deep,
          .widths = {64, 128, 256, 512},
          .expansion = depth == 50 ? 4 : 1,
          .fan = Fan::out};
}

}  // namespace

std::unique_ptr<Layer> resnet_a(const Spec& spec, int depth) {
  return small_resnet(spec, depth, Shortcut::padded);
}

std::unique_ptr<Layer> resnet_b(const Spec& spec, int depth) {
  return small_resnet(spec, depth, Shortcut::projection);
}

std::unique_ptr<Layer> resnet_224(const Spec& spec, int depth, Halving halving) {
  spec.require_size(32);
  Plan plan = four_stages(spec, depth);
  plan.halving = halving;
  plan.large = true;
  return make_network(spec, plan);
}

std::unique_ptr<Layer> resnet_kuangliu(const Spec& spec, int depth) {
  Plan plan = four_stages(spec, depth);
  plan.halving = Halving::spatial;
  return make_network(spec, plan);
}

}  // namespace bonsai::zoo
