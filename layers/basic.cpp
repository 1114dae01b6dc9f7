#include "layers/basic.h"

#include <utility>
#include <vector>

#include "engine/error.h"
#include "layers/init.h"

namespace bonsai {
namespace {

Tensor conv_weight(int in, int out, int kernel, int groups, Random& init) {
  require(in >= 1 && out >= 1 && kernel >= 1, "convolution: ", in, " and ", out,
          " channels with a kernel of ", kernel, ": all should be at least 1");
  require(groups >= 1 && in % groups == 0 && out % groups == 0, "convolution: ", groups,
          " groups should divide ", in, " and ", out, " channels");
  const Tensor w = Tensor::uninitialized({out, kernel, kernel, in / groups});
  uniform_fan_in(w, fan(w, Fan::in), init);
  return w;
}

Tensor linear_weight(int in, int out, Random& init) {
  require(in >= 1 && out >= 1, "linear: ", in, " inputs to ", out,
          " outputs: both should be at least 1");
  const Tensor w = Tensor::uninitialized({out, in});
  uniform_fan_in(w, in, init);
  return w;
}

ConvOptions without_bias(ConvOptions options) {
  options.bias = false;
  return options;
}

// `out` numbers, drawn as the weights beside them.
Tensor bias_of(int out, const Tensor& weight, Random& init) {
  const Tensor b = Tensor::uninitialized({out});
  uniform_fan_in(b, fan(weight, Fan::in), init);
  return b;
}

}  // namespace

Conv2d::Conv2d(int in, int out, int kernel, const ConvOptions& o, Random& init)
    : options_{.stride = o.stride,
               .padding = o.padding,
               .dilation = o.dilation,
               .groups = o.groups},
      weight_(param("weight", conv_weight(in, out, kernel, o.groups, init))) {
  if (o.bias) bias_ = &param("bias", bias_of(out, weight_.value, init));
}

Var Conv2d::forward(Var x) {
  require(static_cast<bool>(x), "convolution ", weight_.name, ": the input is none");
  Tape& tape = x.tape();
  return conv2d(x, tape.use(weight_), bias_ != nullptr ? tape.use(*bias_) : Var(), options_);
}

// The weights are those of the convolution that goes from `out` to `in` channels. As in PyTorch,
// so is the fan: its number of outputs per group.
ConvTranspose2d::ConvTranspose2d(int in, int out, int kernel, const ConvTransposeOptions& o,
                                 Random& init)
    : options_{.stride = o.stride,
               .padding = o.padding,
               .output_padding = o.output_padding,
               .dilation = o.dilation,
               .groups = o.groups},
      weight_(param("weight", conv_weight(out, in, kernel, o.groups, init))) {
  if (o.bias) bias_ = &param("bias", bias_of(out, weight_.value, init));
}

Var ConvTranspose2d::forward(Var x) {
  require(static_cast<bool>(x), "transposed convolution ", weight_.name, ": the input is none");
  Tape& tape = x.tape();
  return conv_transpose2d(x, tape.use(weight_), bias_ != nullptr ? tape.use(*bias_) : Var(),
                          options_);
}

Linear::Linear(int in, int out, Random& init, bool bias)
    : weight_(param("weight", linear_weight(in, out, init))) {
  if (bias) bias_ = &param("bias", bias_of(out, weight_.value, init));
}

Var Linear::forward(Var x) {
  require(static_cast<bool>(x), "linear ", weight_.name, ": the input is none");
  Tape& tape = x.tape();
  return linear(x, tape.use(weight_), bias_ != nullptr ? tape.use(*bias_) : Var());
}

BatchNorm::BatchNorm(int channels, const BatchNormOptions& options)
    : options_(options),
      gamma_(param("weight", Tensor({channels}, 1))),
      beta_(param("bias", Tensor({channels}))),
      mean_(buffer("running_mean", Tensor({channels}))),
      var_(buffer("running_var", Tensor({channels}, 1))) {}

Var BatchNorm::forward(Var x) {
  require(static_cast<bool>(x), "batch norm ", gamma_.name, ": the input is none");
  Tape& t = x.tape();
  return batch_norm(x, t.use(gamma_), t.use(beta_), t.use(mean_), t.use(var_), options_);
}

Var channel_shuffle(Var x, int groups) {
  require(static_cast<bool>(x), "channel_shuffle: the input is none");
  const int channels = x.shape().back();
  require(groups >= 1 && channels % groups == 0, "channel_shuffle: ", groups,
          " groups should divide the ", channels, " channels of ", x.shape());
  if (groups == 1 || groups == channels) return x;
  std::vector<int> index;
  for (int j = 0; j < channels / groups; ++j) {
    for (int i = 0; i < groups; ++i) index.push_back(i * (channels / groups) + j);
  }
  return select(x, std::move(index));
}

ConvBnRelu::ConvBnRelu(int in, int out, int kernel, const ConvOptions& options, Random& init)
    : conv_(child<Conv2d>("conv", in, out, kernel, without_bias(options), init)),
      bn_(child<BatchNorm>("bn", out)) {}

Var ConvBnRelu::forward(Var x) { return relu(bn_.forward(conv_.forward(x))); }

SqueezeExcite::SqueezeExcite(int channels, int squeezed, Random& init)
    : fc1_(child<Linear>("fc1", channels, squeezed, init)),
      fc2_(child<Linear>("fc2", squeezed, channels, init)) {}

Var SqueezeExcite::forward(Var x) {
  require(static_cast<bool>(x), "squeeze and excitation: the input is none");
  const Var squeezed = relu(fc1_.forward(global_average_pool(x)));
  return channel_scale(x, sigmoid(fc2_.forward(squeezed)));
}

Layer& Sequential::append(const std::string& name, std::unique_ptr<Layer> layer) {
  Layer& added = adopt(name, std::move(layer));
  layers_.push_back(&added);
  return added;
}

Var Sequential::forward(Var x) {
  for (Layer* layer : layers_) x = layer->forward(x);
  return x;
}

}  // namespace bonsai
