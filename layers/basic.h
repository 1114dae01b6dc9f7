// The bricks of networks: each holds its parameters (named as in PyTorch) and applies one
// operation, or a few. Shapes: x is [N, H, W, C] unless stated.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/layer.h"
#include "engine/ops.h"
#include "engine/random.h"

namespace bonsai {

struct ConvOptions {
  int stride = 1, padding = 0, dilation = 1, groups = 1;
  bool bias = true;
};

// weight [out, kernel, kernel, in / groups], bias [out].
class Conv2d : public Module {
 public:
  Conv2d(int in, int out, int kernel, const ConvOptions& options, Random& init);
  Var forward(Var x) override;

 private:
  Conv2dOptions options_;
  Parameter& weight_;
  Parameter* bias_ = nullptr;
};

struct ConvTransposeOptions {
  int stride = 1, padding = 0, output_padding = 0, dilation = 1, groups = 1;
  bool bias = true;
};

// weight [in, kernel, kernel, out / groups], bias [out]. To double height and width evenly: kernel
// 4, stride 2, padding 1.
class ConvTranspose2d : public Module {
 public:
  ConvTranspose2d(int in, int out, int kernel, const ConvTransposeOptions& options, Random& init);
  Var forward(Var x) override;

 private:
  ConvTranspose2dOptions options_;
  Parameter& weight_;
  Parameter* bias_ = nullptr;
};

// x [N, in] -> [N, out]; weight [out, in], bias [out].
class Linear : public Module {
 public:
  Linear(int in, int out, Random& init, bool bias = true);
  Var forward(Var x) override;

 private:
  Parameter& weight_;
  Parameter* bias_ = nullptr;
};

// x of any rank with the channels last; weight (gamma) and bias (beta) [C], running_mean and
// running_var [C] are buffers.
class BatchNorm : public Module {
 public:
  explicit BatchNorm(int channels, const BatchNormOptions& options = {});
  Var forward(Var x) override;

 private:
  BatchNormOptions options_;
  Parameter &gamma_, &beta_, &mean_, &var_;
};

// A layer without parameters: a function of its input.
class Stateless : public Module {
 public:
  explicit Stateless(std::function<Var(Var)> f) : f_(std::move(f)) {}
  Var forward(Var x) override { return f_(x); }

 private:
  std::function<Var(Var)> f_;
};

struct Relu : Stateless {
  Relu() : Stateless(relu) {}
};
struct Relu6 : Stateless {
  Relu6() : Stateless(relu6) {}
};
struct LeakyRelu : Stateless {
  explicit LeakyRelu(float slope = 0.01F)
      : Stateless([slope](Var x) { return leaky_relu(x, slope); }) {}
};
struct Sigmoid : Stateless {
  Sigmoid() : Stateless(sigmoid) {}
};
struct HardSwish : Stateless {
  HardSwish() : Stateless(hard_swish) {}
};
struct MaxPool : Stateless {
  explicit MaxPool(const PoolOptions& options = {})
      : Stateless([options](Var x) { return max_pool(x, options); }) {}
};
struct AveragePool : Stateless {
  explicit AveragePool(const PoolOptions& options = {})
      : Stateless([options](Var x) { return average_pool(x, options); }) {}
};
struct GlobalAveragePool : Stateless {  // -> [N, C]
  GlobalAveragePool() : Stateless(global_average_pool) {}
};
struct PixelShuffle : Stateless {  // [N, H, W, C r^2] -> [N, H r, W r, C], r the factor
  explicit PixelShuffle(int factor)
      : Stateless([factor](Var x) { return pixel_shuffle(x, factor); }) {}
};
struct PixelUnshuffle : Stateless {
  explicit PixelUnshuffle(int factor)
      : Stateless([factor](Var x) { return pixel_unshuffle(x, factor); }) {}
};
struct Flatten : Stateless {  // -> [N, H W C]
  Flatten() : Stateless(flatten) {}
};
struct Dropout : Stateless {
  explicit Dropout(float rate) : Stateless([rate](Var x) { return dropout(x, rate); }) {}
};

// Deals out the channels of `groups` equal blocks in turn, so that every group of a convolution
// that follows reads from all of them (Zhang et al. 2017, ShuffleNet, arXiv:1707.01083,
// section 3.1):
//   y[..., j groups + i] = x[..., i C / groups + j],  i < groups.
// A shuffle of C / groups undoes it. Throws Error unless groups divides C.
Var channel_shuffle(Var x, int groups);

// conv.weight, bn.*; no bias, whatever the options say.
class ConvBnRelu : public Module {
 public:
  ConvBnRelu(int in, int out, int kernel, const ConvOptions& options, Random& init);
  Var forward(Var x) override;

 private:
  Conv2d& conv_;
  BatchNorm& bn_;
};

// Scales each channel by how much all of them together, averaged over the map, call for it (Hu et
// al. 2018, "Squeeze-and-Excitation Networks", arXiv:1709.01507):
//   y = x sigmoid(fc2(relu(fc1(mean of x)))), fc1 from C to `squeezed` numbers, fc2 back.
class SqueezeExcite : public Module {
 public:
  SqueezeExcite(int channels, int squeezed, Random& init);
  Var forward(Var x) override;

 private:
  Linear &fc1_, &fc2_;
};

// Layers one after the other, named "0", "1", ... or as the caller likes. A parent takes note of
// the parameters when it adopts a layer, so fill the sequence first:
//   auto features = std::make_unique<Sequential>();
//   features->add<Conv2d>(3, 16, 3, ConvOptions{.padding = 1}, init);
//   adopt("features", std::move(features));
class Sequential : public Module {
 public:
  template <class L, class... Args>
  L& add(Args&&... args) {
    return add_named<L>(std::to_string(layers_.size()), std::forward<Args>(args)...);
  }
  template <class L, class... Args>
  L& add_named(const std::string& name, Args&&... args) {
    L& layer = child<L>(name, std::forward<Args>(args)...);
    layers_.push_back(&layer);
    return layer;
  }
  Layer& append(const std::string& name, std::unique_ptr<Layer> layer);
  Var forward(Var x) override;
  size_t size() const { return layers_.size(); }

 private:
  std::vector<Layer*> layers_;
};

}  // namespace bonsai
