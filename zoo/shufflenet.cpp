#include "zoo/shufflenet.h"

#include <map>
#include <string>

#include "engine/error.h"
#include "layers/basic.h"
#include "zoo/conv_bn.h"

namespace bonsai::zoo {
namespace {

// Table 1: the channels of stage 2 by the number of groups, which keep the work alike. Stages 3 and
// 4 have twice and four times as many.
const std::map<int, int> stage2 = {{1, 144}, {2, 200}, {3, 240}, {4, 272}, {8, 384}};
constexpr int units[] = {4, 8, 4};

int stem_width(const Spec& spec, int groups) {
  return spec.width == 1.5F ? 24 : spec.scaled(24, "conv1", groups);
}

// Figure 2, b and c. With stride 2, what the pooled input lacks of `out` channels is computed.
class Unit : public Sequential {
 public:
  Unit(int in, int out, int stride, int groups_in, int groups, Random& init) : stride_(stride) {
    const int middle = out / 4;
    add_conv_bn(*this, 1, in, middle, 1, {.groups = groups_in}, init);
    add_named<Relu>("relu");
    add_named<Stateless>("shuffle", [groups](Var x) { return channel_shuffle(x, groups); });
    add_conv_bn(*this, 2, middle, middle, 3, {.stride = stride, .groups = middle}, init);
    add_conv_bn(*this, 3, middle, stride == 1 ? out : out - in, 1, {.groups = groups}, init);
  }

  Var forward(Var x) override {
    const Var y = Sequential::forward(x);
    if (stride_ == 1) return relu(bonsai::add(x, y));
    return relu(concat({average_pool(x, {.kernel = 3, .stride = 2, .padding = 1}), y}));
  }

 private:
  int stride_;
};

std::unique_ptr<Layer> make_network(const Spec& spec, int groups, int stem_stride) {
  const auto published = stage2.find(groups);
  require(published != stage2.end(), spec.name, ": there are no ", groups,
          " groups, only 1, 2, 3, 4 and 8");
  auto net = std::make_unique<Sequential>();
  int in = stem_width(spec, groups);
  add_conv_bn(*net, 1, spec.input[2], in, 3, {.stride = stem_stride}, spec.init);
  net->add_named<Relu>("relu");
  if (stem_stride == 2) {
    net->add_named<MaxPool>("maxpool", PoolOptions{.kernel = 3, .stride = 2, .padding = 1});
  }
  int out = spec.scaled(published->second, "stage2", 4 * groups);
  for (int s = 0; s < 3; ++s, out *= 2) {
    auto stage = std::make_unique<Sequential>();
    for (int u = 0; u < units[s]; ++u) {
      // The input of the very first unit is too narrow for groups (section 3.2).
      const int groups_in = s == 0 && u == 0 ? 1 : groups;
      stage->add<Unit>(in, out, u == 0 ? 2 : 1, groups_in, groups, spec.init);
      in = out;
    }
    net->append(join("stage", s + 2), std::move(stage));
  }
  net->add_named<GlobalAveragePool>("pool");
  net->add_named<Linear>("fc", in, spec.classes, spec.init);
  return net;
}

}  // namespace

std::unique_ptr<Layer> shufflenet(const Spec& spec, int groups) {
  spec.require_size(8);
  return make_network(spec, groups, 1);
}

std::unique_ptr<Layer> shufflenet_224(const Spec& spec, int groups) {
  spec.require_size(32);
  return make_network(spec, groups, 2);
}

}  // namespace bonsai::zoo
