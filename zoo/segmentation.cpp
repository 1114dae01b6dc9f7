#include "zoo/segmentation.h"

#include "engine/error.h"
#include "layers/basic.h"

namespace bonsai::zoo {
namespace {

void check(const SegmentationOptions& options) {
  require(options.classes >= 2, "segmentation: ", options.classes,
          " classes, should be at least 2");
  require(options.channels >= 1, "segmentation: pictures have ", options.channels,
          " channels, should be at least 1");
}

std::unique_ptr<Layer> stacked(const SegmentationOptions& options, bool dilated) {
  check(options);
  Random init(options.seed, Purpose::init);
  auto net = std::make_unique<Sequential>();
  int in = options.channels;
  for (const int dilation : {1, 2, 4, 8}) {
    const int d = dilated ? dilation : 1;
    net->add<ConvBnRelu>(in, 16, 3, ConvOptions{.padding = d, .dilation = d}, init);
    in = 16;
  }
  net->add<Conv2d>(in, options.classes, 1, ConvOptions{}, init);
  return net;
}

class EncoderDecoder : public Module {
 public:
  EncoderDecoder(const SegmentationOptions& options, Random init) {
    auto encoder = std::make_unique<Sequential>();
    const ConvOptions halving{.stride = 2, .padding = 1};
    encoder->add<ConvBnRelu>(options.channels, 16, 3, halving, init);
    encoder->add<ConvBnRelu>(16, 32, 3, halving, init);
    encoder->add<ConvBnRelu>(32, 32, 3, ConvOptions{.padding = 1}, init);
    encoder_ = &adopt("encoder", std::move(encoder));
    auto decoder = std::make_unique<Sequential>();
    decoder->add<ConvTranspose2d>(
        32, 16, 3,
        ConvTransposeOptions{.stride = 2, .padding = 1, .output_padding = 1, .bias = false}, init);
    decoder->add<BatchNorm>(16);
    decoder->add<Relu>();
    decoder->add<ConvTranspose2d>(16, options.classes, 4,
                                  ConvTransposeOptions{.stride = 2, .padding = 1}, init);
    decoder_ = &adopt("decoder", std::move(decoder));
  }

  Var forward(Var x) override {
    const Shape& s = x.shape();
    require(s.size() == 4 && s[1] % 4 == 0 && s[2] % 4 == 0, "segmentation: the input has shape ",
            s, ", should be [N, H, W, C] with H and W multiples of 4");
    return decoder_->forward(encoder_->forward(x));
  }

 private:
  Layer *encoder_ = nullptr, *decoder_ = nullptr;
};

}  // namespace

std::unique_ptr<Layer> atrous_segmentation(const SegmentationOptions& options) {
  return stacked(options, true);
}

std::unique_ptr<Layer> undilated_segmentation(const SegmentationOptions& options) {
  return stacked(options, false);
}

std::unique_ptr<Layer> deconvolution_segmentation(const SegmentationOptions& options) {
  check(options);
  return std::make_unique<EncoderDecoder>(options, Random(options.seed, Purpose::init));
}

}  // namespace bonsai::zoo
