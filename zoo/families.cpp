#include "zoo/families.h"

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

constexpr std::string_view vgg_paper = "Simonyan and Zisserman 2014, arXiv:1409.1556";
constexpr std::string_view resnet_paper = "He et al. 2015, arXiv:1512.03385";
constexpr std::string_view preact_paper = "He et al. 2016, arXiv:1603.05027";
constexpr std::string_view page_post = "Page 2018, How to Train Your ResNet";
constexpr std::string_view jordan_paper = "Jordan 2024, arXiv:2404.00498";
constexpr std::string_view igc_paper = "Zhang et al. 2017, arXiv:1707.02725";
constexpr std::string_view igcv3_paper = "Sun et al. 2018, arXiv:1806.00178";
constexpr std::string_view densenet_paper = "Huang et al. 2016, arXiv:1608.06993";
constexpr std::string_view li_paper = "Li et al. 2017, arXiv:1608.08710";
constexpr std::string_view mobilenet_paper = "Howard et al. 2017, arXiv:1704.04861";
constexpr std::string_view mobilenet_v2_paper = "Sandler et al. 2018, arXiv:1801.04381";
constexpr std::string_view shufflenet_paper = "Zhang et al. 2017, arXiv:1707.01083";
constexpr std::string_view shufflenet_v2_paper = "Ma et al. 2018, arXiv:1807.11164";

const Data cifar = {{32, 32, 3}, 10}, imagenet = {{224, 224, 3}, 1000};

// What is listed of a family without numbers, and of one that others speak for.
const std::vector<Numbers> itself = {{}}, none = {};

// A family of one network, without numbers.
Build one(std::unique_ptr<Layer> (*build)(const Spec&)) {
  return [build](const Spec& s, const Numbers&) { return build(s); };
}

// A family by its depth alone.
Build deep(std::unique_ptr<Layer> (*build)(const Spec&, int)) {
  return [build](const Spec& s, const Numbers& n) { return build(s, n[0]); };
}

std::vector<Family> vgg_families() {
  return {
      {"vgg_small", vgg_paper, cifar, itself, one(vgg_small)},
      {"vgg#", vgg_paper, cifar, {{11}, {13}, {16}, {19}}, deep(vgg)},
      {"vgg#_chenyaofo", vgg_paper, cifar, none, deep(vgg_chenyaofo)},
      {"vgg16_li", li_paper, cifar, itself, one(vgg16_li)},
      {"vgg#_224", vgg_paper, imagenet, {{11}, {13}, {16}, {19}}, deep(vgg_224)},
  };
}

std::vector<Family> resnet_families() {
  const std::vector<Numbers> depths = {{20}, {32}, {44}, {56}, {110}}, large = {{18}, {34}, {50}};
  return {
      {"resnet#", resnet_paper, cifar, depths, deep(resnet_a)},
      {"resnet#_b", resnet_paper, cifar, depths, deep(resnet_b)},
      {"resnet#_kuangliu", resnet_paper, cifar, none, deep(resnet_kuangliu)},
      {"resnet164", preact_paper, cifar, itself,
       [](const Spec& s, const Numbers&) { return preact_resnet(s, 164); }},
      {"preact_resnet#", preact_paper, cifar, none, deep(preact_resnet)},
      {"resnet9", page_post, cifar, itself, one(resnet9)},
      {"airbench93", jordan_paper, cifar, itself,
       [](const Spec& s, const Numbers&) { return airbench(s, 128); }},
      {"airbench94", jordan_paper, cifar, itself,
       [](const Spec& s, const Numbers&) { return airbench(s, 256); }},
      {"resnet#_224", resnet_paper, imagenet, large,
       [](const Spec& s, const Numbers& n) { return resnet_224(s, n[0]); }},
      {"resnet50_v1.5_224", resnet_paper, imagenet, itself,
       [](const Spec& s, const Numbers&) { return resnet_224(s, 50, Halving::spatial); }},
  };
}

// Where the name has no depth, it is the 20 of the paper's comparisons.
std::vector<Family> igc_families() {
  const std::vector<Numbers> plain = {{24, 2}, {4, 8}},
                             residual = {{24, 2}, {16, 32}, {32, 26}, {450, 2}},
                             large = {{4, 32}, {16, 16}};
  return {
      {"igc_l#m#", igc_paper, cifar, plain,
       [](const Spec& s, const Numbers& n) { return igc(s, 20, n[0], n[1]); }},
      {"igc_l#m#_d#", igc_paper, cifar, none,
       [](const Spec& s, const Numbers& n) { return igc(s, n[2], n[0], n[1]); }},
      {"igc_l#m#_ident", igc_paper, cifar, residual,
       [](const Spec& s, const Numbers& n) { return igc_residual(s, 20, n[0], n[1]); }},
      {"igc_l#m#_ident_d#", igc_paper, cifar, none,
       [](const Spec& s, const Numbers& n) { return igc_residual(s, n[2], n[0], n[1]); }},
      {"igc_l#m#_ident_released", igc_paper, cifar, none,
       [](const Spec& s, const Numbers& n) {
         return igc_residual(s, 20, n[0], n[1], Secondary::released);
       }},
      {"igc_l#m#_224", igc_paper, imagenet, large,
       [](const Spec& s, const Numbers& n) { return igc_224(s, n[0], n[1]); }},
      {"igc_l100m2_224", igc_paper, imagenet, itself,
       [](const Spec& s, const Numbers&) { return igc_224(s, 100, 2, Doubling::groups); }},
      {"igcv3", igcv3_paper, cifar, itself, [](const Spec& s, const Numbers&) { return igcv3(s); }},
      {"igcv3_released", igcv3_paper, cifar, none,
       [](const Spec& s, const Numbers&) { return igcv3(s, 1280, Permutations::released); }},
      {"igcv3_224", igcv3_paper, imagenet, itself,
       [](const Spec& s, const Numbers&) { return igcv3_224(s); }},
  };
}

// Where the name has no growth, it is 12.
std::vector<Family> densenet_families() {
  const std::vector<Numbers> plain = {{40}}, bottlenecked = {{100}};
  return {
      {"densenet#", densenet_paper, cifar, plain,
       [](const Spec& s, const Numbers& n) { return densenet(s, n[0], 12); }},
      {"densenet#_k#", densenet_paper, cifar, none,
       [](const Spec& s, const Numbers& n) { return densenet(s, n[0], n[1]); }},
      {"densenet#_released", densenet_paper, cifar, none,
       [](const Spec& s, const Numbers& n) { return densenet(s, n[0], 12, 24); }},
      {"densenet_bc#", densenet_paper, cifar, bottlenecked,
       [](const Spec& s, const Numbers& n) { return densenet_bc(s, n[0], 12); }},
      {"densenet_bc#_k#", densenet_paper, cifar, none,
       [](const Spec& s, const Numbers& n) { return densenet_bc(s, n[0], n[1]); }},
      {"densenet#_224", densenet_paper, imagenet, {{121}}, deep(densenet_224)},
  };
}

std::vector<Family> mobile_families() {
  const std::vector<Numbers> groups = {{1}, {2}, {3}, {4}, {8}};
  return {
      {"mobilenet", mobilenet_paper, cifar, itself, one(mobilenet)},
      {"mobilenet_224", mobilenet_paper, imagenet, itself, one(mobilenet_224)},
      {"mobilenet_v2", mobilenet_v2_paper, cifar, itself,
       [](const Spec& s, const Numbers&) { return mobilenet_v2(s); }},
      {"mobilenet_v2_224", mobilenet_v2_paper, imagenet, itself, one(mobilenet_v2_224)},
      {"shufflenet", shufflenet_paper, cifar, itself,
       [](const Spec& s, const Numbers&) { return shufflenet(s, 3); }},
      {"shufflenet_g#", shufflenet_paper, cifar, groups, deep(shufflenet)},
      {"shufflenet_g#_224", shufflenet_paper, imagenet, groups, deep(shufflenet_224)},
      {"shufflenet_v2", shufflenet_v2_paper, cifar, itself, one(shufflenet_v2)},
      {"shufflenet_v2_224", shufflenet_v2_paper, imagenet, itself, one(shufflenet_v2_224)},
  };
}

}  // namespace

const std::vector<Family>& families() {
  static const std::vector<Family> all = [] {
    std::vector<Family> result;
    for (const auto& part : {vgg_families(), resnet_families(), igc_families(), densenet_families(),
                             mobile_families()}) {
      result.insert(result.end(), part.begin(), part.end());
    }
    return result;
  }();
  return all;
}

}  // namespace bonsai::zoo
