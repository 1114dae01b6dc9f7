#include "zoo/espcn.h"

#include <vector>

#include "engine/error.h"
#include "layers/basic.h"
#include "layers/init.h"

namespace bonsai::zoo {
namespace {

class Espcn : public Module {
 public:
  Espcn(const EspcnOptions& options, Random init)
      : scale_(options.scale),
        conv1_(child<Conv2d>("conv1", options.channels, 16, 5, ConvOptions{.padding = 2}, init)),
        conv2_(child<Conv2d>("conv2", 16, 8, 3, ConvOptions{.padding = 1}, init)),
        conv3_(child<Conv2d>("conv3", 8, options.channels * scale_ * scale_, 3,
                             ConvOptions{.padding = 1}, init)) {
    // All biases and the last layer begin at 0, so that the first result is the enlarged picture.
    for (Parameter* p : parameters()) {
      if (p->value.rank() == 4 && !p->name.starts_with("conv3")) {
        kaiming_normal(p->value, Fan::in, init);
      } else {
        constant(p->value, 0);
      }
    }
    for (int c = 0; c < options.channels; ++c)
      repeated_.insert(repeated_.end(), scale_ * scale_, c);
  }

  // Shuffled, equal channels are the nearest-pixel enlargement, so the sum is taken before.
  Var forward(Var x) override {
    const Var missing = conv3_.forward(relu(conv2_.forward(relu(conv1_.forward(x)))));
    return pixel_shuffle(add(missing, select(x, repeated_)), scale_);
  }

 private:
  int scale_;
  Conv2d &conv1_, &conv2_, &conv3_;
  std::vector<int> repeated_;  // every channel of the picture scale^2 times
};

}  // namespace

std::unique_ptr<Layer> espcn(const EspcnOptions& options) {
  require(options.scale >= 1 && options.scale <= 16, "espcn: scale is ", options.scale,
          ", should be 1 to 16");
  require(options.channels >= 1, "espcn: pictures have ", options.channels,
          " channels, should be at least 1");
  return std::make_unique<Espcn>(options, Random(options.seed, Purpose::init));
}

}  // namespace bonsai::zoo
