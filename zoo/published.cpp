#include "zoo/published.h"

#include <algorithm>
#include <array>

namespace bonsai::zoo {
namespace {

constexpr std::string_view torchvision = "torchvision", chenyaofo = "chenyaofo's models",
                           kuangliu = "kuangliu's pytorch-cifar", paper = "the paper",
                           authors = "the authors' code", slim = "TensorFlow-Slim";

constexpr std::array<Published, 36> table = {{
    {"vgg16", "", "", "7.36", kuangliu},
    {"vgg11_224", "", "", "29.62", torchvision},
    {"vgg13_224", "", "", "28.45", torchvision},
    {"vgg16_224", "", "", "26.63", torchvision},
    {"vgg19_224", "", "", "25.76", torchvision},
    {"resnet20", "0.27 M", "", "8.75", paper},
    {"resnet32", "0.46 M", "", "7.51", paper},
    {"resnet44", "0.66 M", "", "7.17", paper},
    {"resnet56", "0.85 M", "", "6.97", paper},
    {"resnet110", "1.7 M", "", "6.43", paper},
    {"resnet20_b", "0.27 M", "40.8 M", "7.40", chenyaofo},
    {"resnet32_b", "0.47 M", "69.1 M", "6.47", chenyaofo},
    {"resnet44_b", "0.66 M", "97.4 M", "5.99", chenyaofo},
    {"resnet56_b", "0.86 M", "126 M", "5.63", chenyaofo},
    {"resnet164", "", "", "5.46", paper},
    {"resnet9", "6.57 M", "379 M", "5.92", "Page's median of 50 runs"},
    {"resnet18_224", "", "", "30.24", torchvision},
    {"resnet34_224", "", "", "26.70", torchvision},
    {"resnet50_224", "", "3.8 G", "", paper},
    {"resnet50_v1.5_224", "", "", "23.85", torchvision},
    {"igc_l4m32_224", "11.2 M", "1.9 G", "30.77", authors},
    {"igc_l16m16_224", "11.3 M", "2.2 G", "29.40", authors},
    {"igc_l100m2_224", "8.61 M", "1.3 G", "26.95", authors},
    {"igcv3", "2.4 M", "", "5.04", paper},
    {"igcv3_224", "3.5 M", "", "27.8", paper},
    {"densenet40", "1.0 M", "", "5.24", paper},
    {"densenet_bc100", "0.8 M", "", "4.51", paper},
    {"densenet121_224", "", "", "25.35", torchvision},
    {"mobilenet", "3.2 M", "", "", "a port to CINIC-10"},
    {"mobilenet_224", "4.24 M", "569 M", "29.1", slim},
    {"mobilenet_v2", "2.24 M", "88.0 M", "6.21", chenyaofo},
    {"mobilenet_v2_224", "3.47 M", "300 M", "28.2", slim},
    {"shufflenet_g3_224", "1.9 M", "138 M", "32.2", authors},
    {"shufflenet_g8_224", "2.4 M", "138 M", "32.0", authors},
    {"shufflenet_v2", "1.26 M", "45.0 M", "7.02", chenyaofo},
    {"shufflenet_v2_224", "2,278,604", "145 M", "30.6", authors},
}};

}  // namespace

Published published(std::string_view network) {
  const auto* found = std::find_if(
      table.begin(), table.end(), [&](const Published& entry) { return entry.network == network; });
  return found == table.end() ? Published{} : *found;
}

int published_count() { return static_cast<int>(table.size()); }

}  // namespace bonsai::zoo
