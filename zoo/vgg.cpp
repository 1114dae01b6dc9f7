#include "zoo/vgg.h"

#include <vector>

#include "engine/error.h"
#include "layers/basic.h"
#include "layers/init.h"

namespace bonsai::zoo {
namespace {

// The widths of the convolutions between one halving and the next.
using Stages = std::vector<std::vector<int>>;

Stages stages_of(const Spec& spec, int depth) {
  const int deep = depth == 19 ? 4 : depth == 16 ? 3 : depth == 13 || depth == 11 ? 2 : 0;
  require(deep != 0, spec.name, ": there is no depth ", depth, ", only 11, 13, 16 and 19");
  const auto early = static_cast<size_t>(depth == 11 ? 1 : 2), late = static_cast<size_t>(deep);
  return {std::vector(early, 64), std::vector(early, 128), std::vector(late, 256),
          std::vector(late, 512), std::vector(late, 512)};
}

std::unique_ptr<Layer> with_classifier(std::unique_ptr<Layer> features,
                                       std::unique_ptr<Layer> classifier) {
  auto net = std::make_unique<Sequential>();
  net->append("features", std::move(features));
  net->add_named<Flatten>("flatten");
  net->append("classifier", std::move(classifier));
  return net;
}

// Positions in the sequence name the parameters, as in PyTorch's definitions.
std::unique_ptr<Sequential> make_features(const Spec& spec, const Stages& stages, bool bias,
                                          bool halve_last = true) {
  spec.require_size(1 << stages.size());
  auto features = std::make_unique<Sequential>();
  int in = spec.input[2];
  for (size_t s = 0; s < stages.size(); ++s) {
    for (const int channels : stages[s]) {
      const int out = spec.scaled(channels, join("features.", features->size()));
      features->add<Conv2d>(in, out, 3, ConvOptions{.padding = 1, .bias = bias}, spec.init);
      features->add<BatchNorm>(out);
      features->add<Relu>();
      in = out;
    }
    if (s + 1 < stages.size() || halve_last) features->add<MaxPool>();
  }
  return features;
}

// How many numbers the features leave of a picture.
int flat_size(const Spec& spec, const Stages& stages) {
  const auto halvings = stages.size();
  const int channels = spec.scaled(stages.back().back(), "the last convolution");
  return channels * (spec.input[0] >> halvings) * (spec.input[1] >> halvings);
}

void redraw(Layer& layer, float linear_deviation, Random& random) {
  for (Parameter* p : layer.parameters()) {
    if (p->value.rank() == 4) kaiming_normal(p->value, Fan::out, random);
    if (p->value.rank() == 2 && linear_deviation > 0) normal(p->value, linear_deviation, random);
  }
}

// Two hidden layers with dropout.
std::unique_ptr<Layer> with_hidden_layers(const Spec& spec, int depth, int neurons) {
  const Stages stages = stages_of(spec, depth);
  auto features = make_features(spec, stages, true);
  const int hidden = spec.scaled(neurons, "classifier.0");
  auto classifier = std::make_unique<Sequential>();
  classifier->add<Linear>(flat_size(spec, stages), hidden, spec.init);
  classifier->add<Relu>();
  classifier->add<Dropout>(0.5F);
  classifier->add<Linear>(hidden, hidden, spec.init);
  classifier->add<Relu>();
  classifier->add<Dropout>(0.5F);
  classifier->add<Linear>(hidden, spec.classes, spec.init);
  auto net = with_classifier(std::move(features), std::move(classifier));
  redraw(*net, 0.01F, spec.init);
  for (Parameter* p : net->parameters()) {  // biases start at 0
    if (p->value.rank() == 1 && p->name.ends_with(".bias")) constant(p->value, 0);
  }
  return net;
}

}  // namespace

std::unique_ptr<Layer> vgg(const Spec& spec, int depth) {
  const Stages stages = stages_of(spec, depth);
  auto features = make_features(spec, stages, true);
  return with_classifier(std::move(features), std::make_unique<Linear>(flat_size(spec, stages),
                                                                       spec.classes, spec.init));
}

std::unique_ptr<Layer> vgg16_li(const Spec& spec) {
  const Stages stages = stages_of(spec, 16);
  auto features = make_features(spec, stages, false, false);
  features->add<AveragePool>();
  for (Parameter* p : features->parameters()) {
    if (p->value.rank() == 1 && p->name.ends_with(".weight")) constant(p->value, 0.5F);
  }
  const int hidden = spec.scaled(512, "classifier.0");
  auto classifier = std::make_unique<Sequential>();
  classifier->add<Linear>(flat_size(spec, stages), hidden, spec.init);
  classifier->add<BatchNorm>(hidden);
  classifier->add<Relu>();
  classifier->add<Linear>(hidden, spec.classes, spec.init);
  auto net = with_classifier(std::move(features), std::move(classifier));
  redraw(*net, 0.01F, spec.init);
  return net;
}

std::unique_ptr<Layer> vgg_chenyaofo(const Spec& spec, int depth) {
  return with_hidden_layers(spec, depth, 512);
}

std::unique_ptr<Layer> vgg_224(const Spec& spec, int depth) {
  return with_hidden_layers(spec, depth, 4096);
}

std::unique_ptr<Layer> vgg_small(const Spec& spec) {
  const Stages stages = {{32, 32}, {64, 64}, {128, 128}};
  auto features = make_features(spec, stages, false);
  redraw(*features, 0, spec.init);
  return with_classifier(std::move(features), std::make_unique<Linear>(flat_size(spec, stages),
                                                                       spec.classes, spec.init));
}

}  // namespace bonsai::zoo
