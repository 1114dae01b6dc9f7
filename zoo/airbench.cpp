#include "zoo/airbench.h"

#include <algorithm>
#include <string>

#include "layers/basic.h"
#include "layers/init.h"

namespace bonsai::zoo {
namespace {

// GELU is close to x sigmoid(1.702 x) (Hendrycks and Gimpel 2016, arXiv:1606.08415).
constexpr float steepness = 1.702F;

// The first filters hand on a channel each.
void begin_as_identity(const Tensor& w) {
  const int channels = std::min(w.dim(0), w.dim(3)), centre = w.dim(1) / 2;
  for (int c = 0; c < channels; ++c) {
    Scalar* filter = w.data() + static_cast<int64_t>(w.size()) / w.dim(0) * c;
    std::fill_n(filter, w.size() / static_cast<size_t>(w.dim(0)), Scalar{0});
    filter[(centre * w.dim(2) + centre) * w.dim(3) + c] = 1;
  }
}

std::unique_ptr<Sequential> group(int in, int out, Random& init) {
  constexpr ConvOptions same_size{.padding = 1, .bias = false};
  constexpr BatchNormOptions quick{.momentum = 0.4F};
  auto layers = std::make_unique<Sequential>();
  layers->add_named<Conv2d>("conv1", in, out, 3, same_size, init);
  layers->add_named<MaxPool>("pool");
  layers->add_named<BatchNorm>("norm1", out, quick);
  layers->add_named<HardSwish>("act1");
  layers->add_named<Conv2d>("conv2", out, out, 3, same_size, init);
  layers->add_named<BatchNorm>("norm2", out, quick);
  layers->add_named<HardSwish>("act2");
  return layers;
}

void begin(Layer& net, const Random& init) {
  for (Parameter* p : net.parameters()) {
    if (p->name.find(".norm") != std::string::npos && p->name.ends_with(".weight")) {
      p->value.fill(steepness);
      p->trainable = false;
    }
    if (&init != &no_weights() && p->value.rank() == 4 && p->value.dim(1) == 3)
      begin_as_identity(p->value);
  }
}

}  // namespace

std::unique_ptr<Layer> airbench(const Spec& spec, int wide) {
  spec.require_size(32);
  auto net = std::make_unique<Sequential>();
  net->add_named<Conv2d>("whiten", spec.input[2], 24, 2, ConvOptions{.bias = false}, spec.init);
  net->add_named<HardSwish>("act");
  int in = 24;
  for (int g = 1; g <= 3; ++g) {
    const std::string name = "group" + std::to_string(g);
    const int out = spec.scaled(g == 1 ? 64 : wide, name);
    net->append(name, group(in, out, spec.init));
    in = out;
  }
  net->add_named<MaxPool>("pool", PoolOptions{.kernel = 3, .stride = 3});
  net->add_named<Flatten>("flatten");
  const int flat = in * ((spec.input[0] - 1) / 8 / 3) * ((spec.input[1] - 1) / 8 / 3);
  net->add_named<Linear>("head", flat, spec.classes, spec.init, false);
  net->add_named<Stateless>("scale", [](Var x) { return scale(x, 1 / (9 * steepness)); });
  begin(*net, spec.init);
  return net;
}

}  // namespace bonsai::zoo
