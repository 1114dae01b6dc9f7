#include "zoo/zoo.h"

#include <cmath>

#include "engine/error.h"
#include "engine/nearest.h"
#include "layers/init.h"
#include "zoo/airbench.h"
#include "zoo/densenet.h"
#include "zoo/igc.h"
#include "zoo/igcv3.h"
#include "zoo/mobilenet.h"
#include "zoo/mobilenet_v2.h"
#include "zoo/preact_resnet.h"
#include "zoo/resnet.h"
#include "zoo/resnet9.h"
#include "zoo/shufflenet.h"
#include "zoo/shufflenet_v2.h"
#include "zoo/vgg.h"

namespace bonsai::zoo {
namespace {

constexpr const char* vgg_paper = "Simonyan and Zisserman 2014, arXiv:1409.1556";
constexpr const char* resnet_paper = "He et al. 2015, arXiv:1512.03385";
constexpr const char* preact_paper = "He et al. 2016, arXiv:1603.05027";
constexpr const char* page_post = "Page 2018, How to Train Your ResNet";
constexpr const char* jordan_paper = "Jordan 2024, arXiv:2404.00498";
constexpr const char* igc_paper = "Zhang et al. 2017, arXiv:1707.02725";
constexpr const char* igcv3_paper = "Sun et al. 2018, arXiv:1806.00178";
constexpr const char* densenet_paper = "Huang et al. 2016, arXiv:1608.06993";
constexpr const char* li_paper = "Li et al. 2017, arXiv:1608.08710";
constexpr const char* mobilenet_paper = "Howard et al. 2017, arXiv:1704.04861";
constexpr const char* mobilenet_v2_paper = "Sandler et al. 2018, arXiv:1801.04381";
constexpr const char* shufflenet_paper = "Zhang et al. 2017, arXiv:1707.01083";
constexpr const char* shufflenet_v2_paper = "Ma et al. 2018, arXiv:1807.11164";
const Shape cifar = {32, 32, 3};
const Shape imagenet = {224, 224, 3};

std::vector<Entry> make_entries() {
  return {
      {"vgg_small", vgg_paper, cifar, 10, vgg_small},
      {"vgg11", vgg_paper, cifar, 10, [](const Spec& s) { return vgg(s, 11); }},
      {"vgg13", vgg_paper, cifar, 10, [](const Spec& s) { return vgg(s, 13); }},
      {"vgg16", vgg_paper, cifar, 10, [](const Spec& s) { return vgg(s, 16); }},
      {"vgg19", vgg_paper, cifar, 10, [](const Spec& s) { return vgg(s, 19); }},
      {"vgg16_li", li_paper, cifar, 10, vgg16_li},
      {"vgg11_224", vgg_paper, imagenet, 1000, [](const Spec& s) { return vgg_224(s, 11); }},
      {"vgg13_224", vgg_paper, imagenet, 1000, [](const Spec& s) { return vgg_224(s, 13); }},
      {"vgg16_224", vgg_paper, imagenet, 1000, [](const Spec& s) { return vgg_224(s, 16); }},
      {"vgg19_224", vgg_paper, imagenet, 1000, [](const Spec& s) { return vgg_224(s, 19); }},
      {"resnet20", resnet_paper, cifar, 10, [](const Spec& s) { return resnet_a(s, 20); }},
      {"resnet32", resnet_paper, cifar, 10, [](const Spec& s) { return resnet_a(s, 32); }},
      {"resnet44", resnet_paper, cifar, 10, [](const Spec& s) { return resnet_a(s, 44); }},
      {"resnet56", resnet_paper, cifar, 10, [](const Spec& s) { return resnet_a(s, 56); }},
      {"resnet110", resnet_paper, cifar, 10, [](const Spec& s) { return resnet_a(s, 110); }},
      {"resnet20_b", resnet_paper, cifar, 10, [](const Spec& s) { return resnet_b(s, 20); }},
      {"resnet32_b", resnet_paper, cifar, 10, [](const Spec& s) { return resnet_b(s, 32); }},
      {"resnet44_b", resnet_paper, cifar, 10, [](const Spec& s) { return resnet_b(s, 44); }},
      {"resnet56_b", resnet_paper, cifar, 10, [](const Spec& s) { return resnet_b(s, 56); }},
      {"resnet110_b", resnet_paper, cifar, 10, [](const Spec& s) { return resnet_b(s, 110); }},
      {"resnet164", preact_paper, cifar, 10, [](const Spec& s) { return preact_resnet(s, 164); }},
      {"resnet9", page_post, cifar, 10, resnet9},
      {"airbench93", jordan_paper, cifar, 10, [](const Spec& s) { return airbench(s, 128); }},
      {"airbench94", jordan_paper, cifar, 10, [](const Spec& s) { return airbench(s, 256); }},
      {"resnet18_224", resnet_paper, imagenet, 1000,
       [](const Spec& s) { return resnet_224(s, 18); }},
      {"resnet34_224", resnet_paper, imagenet, 1000,
       [](const Spec& s) { return resnet_224(s, 34); }},
      {"resnet50_224", resnet_paper, imagenet, 1000,
       [](const Spec& s) { return resnet_224(s, 50); }},
      {"igc_l24m2", igc_paper, cifar, 10, [](const Spec& s) { return igc(s, 20, 24, 2); }},
      {"igc_l4m8", igc_paper, cifar, 10, [](const Spec& s) { return igc(s, 20, 4, 8); }},
      {"igc_l16m32", igc_paper, cifar, 10,
       [](const Spec& s) { return igc_residual(s, 20, 16, 32); }},
      {"igc_l32m26", igc_paper, cifar, 10,
       [](const Spec& s) { return igc_residual(s, 20, 32, 26); }},
      {"igc_l450m2", igc_paper, cifar, 10,
       [](const Spec& s) { return igc_residual(s, 20, 450, 2); }},
      {"igcv3", igcv3_paper, cifar, 10, [](const Spec& s) { return igcv3(s); }},
      {"igcv3_224", igcv3_paper, imagenet, 1000, igcv3_224},
      {"densenet40", densenet_paper, cifar, 10, [](const Spec& s) { return densenet(s, 40, 12); }},
      {"densenet_bc100", densenet_paper, cifar, 10,
       [](const Spec& s) { return densenet_bc(s, 100, 12); }},
      {"densenet121_224", densenet_paper, imagenet, 1000,
       [](const Spec& s) { return densenet_224(s, 121); }},
      {"mobilenet", mobilenet_paper, cifar, 10, mobilenet},
      {"mobilenet_224", mobilenet_paper, imagenet, 1000, mobilenet_224},
      {"mobilenet_v2", mobilenet_v2_paper, cifar, 10, mobilenet_v2},
      {"mobilenet_v2_224", mobilenet_v2_paper, imagenet, 1000, mobilenet_v2_224},
      {"shufflenet", shufflenet_paper, cifar, 10, [](const Spec& s) { return shufflenet(s, 3); }},
      {"shufflenet_g1", shufflenet_paper, cifar, 10,
       [](const Spec& s) { return shufflenet(s, 1); }},
      {"shufflenet_g2", shufflenet_paper, cifar, 10,
       [](const Spec& s) { return shufflenet(s, 2); }},
      {"shufflenet_g3", shufflenet_paper, cifar, 10,
       [](const Spec& s) { return shufflenet(s, 3); }},
      {"shufflenet_g4", shufflenet_paper, cifar, 10,
       [](const Spec& s) { return shufflenet(s, 4); }},
      {"shufflenet_g8", shufflenet_paper, cifar, 10,
       [](const Spec& s) { return shufflenet(s, 8); }},
      {"shufflenet_g1_224", shufflenet_paper, imagenet, 1000,
       [](const Spec& s) { return shufflenet_224(s, 1); }},
      {"shufflenet_g2_224", shufflenet_paper, imagenet, 1000,
       [](const Spec& s) { return shufflenet_224(s, 2); }},
      {"shufflenet_g3_224", shufflenet_paper, imagenet, 1000,
       [](const Spec& s) { return shufflenet_224(s, 3); }},
      {"shufflenet_g4_224", shufflenet_paper, imagenet, 1000,
       [](const Spec& s) { return shufflenet_224(s, 4); }},
      {"shufflenet_g8_224", shufflenet_paper, imagenet, 1000,
       [](const Spec& s) { return shufflenet_224(s, 8); }},
      {"shufflenet_v2", shufflenet_v2_paper, cifar, 10, shufflenet_v2},
      {"shufflenet_v2_224", shufflenet_v2_paper, imagenet, 1000, shufflenet_v2_224},
  };
}

}  // namespace

int Spec::scaled(int channels, const std::string& layer, int multiple) const {
  const double wanted = static_cast<double>(channels) * static_cast<double>(width);
  const double result = multiple * std::round(wanted / multiple);
  require(result >= 1, name, ": width ", width, " leaves ", layer, " none of its ", channels,
          " channels", multiple == 1 ? "" : join(", which come in multiples of ", multiple));
  return whole(result, layer);
}

int Spec::whole(double channels, const std::string& layer) const {
  require(channels <= 1 << 20, name, ": width ", width, " gives ", layer, " ", channels,
          " channels, should be at most ", 1 << 20);
  return static_cast<int>(channels);
}

void Spec::require_size(int least) const {
  require(input[0] >= least && input[1] >= least, name, ": pictures of ", input[0], "x", input[1],
          " are too small, should be at least ", least, "x", least);
}

const std::vector<Entry>& entries() {
  static const std::vector<Entry> all = make_entries();
  return all;
}

std::vector<std::string> names() {
  std::vector<std::string> result;
  for (const Entry& entry : entries()) result.push_back(entry.name);
  return result;
}

const Entry& find(std::string_view name) {
  for (const Entry& entry : entries()) {
    if (entry.name == name) return entry;
  }
  throw Error(join("zoo: there is no network '", name, "'", suggestion(name, names())));
}

std::unique_ptr<Layer> make(std::string_view name, const Options& options) {
  const Entry& entry = find(name);
  Random init(options.seed, Purpose::init);
  const Spec spec{.name = entry.name,
                  .classes = options.classes.value_or(entry.classes),
                  .width = options.width,
                  .input = options.input.empty() ? entry.input : options.input,
                  .init = options.weights ? init : no_weights()};
  require(spec.classes >= 1, name, ": ", spec.classes, " classes, should be at least 1");
  require(std::isfinite(spec.width) && spec.width > 0, name, ": width ", spec.width,
          " should be above 0");
  require(spec.input.size() == 3 && spec.input[0] >= 1 && spec.input[1] >= 1 && spec.input[2] >= 1,
          name, ": input ", spec.input, " should be [height, width, channels]");
  return entry.build(spec);
}

}  // namespace bonsai::zoo
