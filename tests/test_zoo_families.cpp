// The functions behind the names of the zoo: any depth, growth and number of groups, and what they
// refuse.
#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/cost.h"
#include "layers/init.h"
#include "tests/catch.h"
#include "tests/error_of.h"
#include "zoo/densenet.h"
#include "zoo/igc.h"
#include "zoo/igcv3.h"
#include "zoo/preact_resnet.h"
#include "zoo/resnet.h"
#include "zoo/vgg.h"
#include "zoo/zoo.h"

using namespace bonsai;

namespace {

struct Count {
  int64_t params, macs;
};

using Build = std::function<std::unique_ptr<Layer>(const zoo::Spec&)>;

Build igc(int depth, int L, int M) {
  return [=](const zoo::Spec& s) { return zoo::igc(s, depth, L, M); };
}
Build igc_residual(int depth, int L, int M, zoo::Secondary secondary) {
  return [=](const zoo::Spec& s) { return zoo::igc_residual(s, depth, L, M, secondary); };
}
Build vgg_chenyaofo(int depth) {
  return [=](const zoo::Spec& s) { return zoo::vgg_chenyaofo(s, depth); };
}
Build densenet(int depth, int growth) {
  return [=](const zoo::Spec& s) { return zoo::densenet(s, depth, growth); };
}
Build densenet_bc(int depth, int growth) {
  return [=](const zoo::Spec& s) { return zoo::densenet_bc(s, depth, growth); };
}
Build densenet_224(int depth) {
  return [=](const zoo::Spec& s) { return zoo::densenet_224(s, depth); };
}

void check_counts(const std::vector<std::pair<Build, Count>>& rows, int size, int classes) {
  for (size_t i = 0; i < rows.size(); ++i) {
    INFO("row " << i);
    const auto& [build, count] = rows[i];
    const auto net = build({.name = "net",
                            .classes = classes,
                            .width = 1,
                            .input = {size, size, 3},
                            .init = no_weights()});
    const Cost cost = total_cost(trace(*net, {1, size, size, 3}));
    CHECK(cost.params == count.params);
    CHECK(cost.macs == count.macs);
  }
}

}  // namespace

// From PyTorch's definitions, which agree with the papers' tables where these have been published.
TEST_CASE("depths and growths without a name have their papers' counts", "[slow]") {
  constexpr auto exact = zoo::Secondary::exact, released = zoo::Secondary::released;
  check_counts(
      {
          {[](const zoo::Spec& s) { return zoo::preact_resnet(s, 1001); },
           {10'327'706, 1'487'849'984}},
          {igc(8, 24, 2), {48'442, 9'881'472}},
          {igc(38, 24, 2), {317'242, 57'067'392}},
          {igc(62, 24, 2), {532'282, 94'816'128}},
          {igc(38, 4, 8), {575'914, 86'213'888}},
          {igc(62, 4, 8), {973'738, 144'672'000}},
          {igc_residual(20, 24, 2, exact), {157'498, 28'854'144}},
          {igc_residual(20, 24, 2, released), {164'410, 29'738'880}},
          {igc_residual(38, 24, 2, released), {325'690, 58'050'432}},
          {igc_residual(50, 24, 2, released), {433'210, 76'924'800}},
          {igc_residual(62, 24, 2, released), {540'730, 95'799'168}},
          {igc_residual(98, 24, 2, released), {863'290, 152'422'272}},
          {igc_residual(20, 16, 32, released), {17'746'442, 2'692'239'360}},
          {igc_residual(20, 32, 26, released), {24'215'370, 3'741'024'768}},
          {igc_residual(20, 450, 2, released), {21'485'710, 4'974'372'000}},
          {[](const zoo::Spec& s) { return zoo::densenet(s, 40, 12, 24); },
           {1'059'298, 282'917'328}},
          {vgg_chenyaofo(11), {9'756'426, 153'293'824}},
          {vgg_chenyaofo(13), {9'941'322, 228'791'296}},
          {vgg_chenyaofo(16), {15'253'578, 313'725'952}},
          {vgg_chenyaofo(19), {20'565'834, 398'660'608}},
          {[](const zoo::Spec& s) { return zoo::resnet_kuangliu(s, 18); },
           {11'173'962, 555'422'720}},
          {[](const zoo::Spec& s) { return zoo::resnet_kuangliu(s, 50); },
           {23'520'842, 1'297'829'888}},
          {densenet(100, 12), {6'979'642, 1'769'516'448}},
          {densenet(100, 24), {27'249'082, 6'889'347'744}},
          {densenet_bc(250, 24), {15'324'406, 5'418'785'724}},
          {densenet_bc(190, 40), {25'624'430, 9'301'945'740}},
          {densenet_bc(40, 36), {1'542'682, 647'298'936}},
          {densenet_bc(40, 48), {2'733'130, 1'149'867'168}},
          {densenet_bc(40, 60), {4'261'690, 1'795'836'360}},
      },
      32, 10);
  check_counts(
      {
          {densenet_224(169), {14'149'480, 3'359'843'328}},
          {densenet_224(201), {20'013'928, 4'291'365'888}},
          {densenet_224(161), {28'681'000, 7'727'907'072}},
      },
      224, 1000);
}

TEST_CASE("depths, growths and groups that no network has are refused") {
  const zoo::Spec spec{
      .name = "net", .classes = 10, .width = 1, .input = {32, 32, 3}, .init = no_weights()};
  CHECK(error_of([&] { zoo::resnet_a(spec, 21); }) ==
        "net: depth 21 should be 6 n + 2, as 20 or 56");
  CHECK(error_of([&] { zoo::preact_resnet(spec, 100); }) ==
        "net: depth 100 should be 9 n + 2, as 164 or 1001");
  CHECK(error_of([&] { zoo::igc(spec, 19, 24, 2); }) ==
        "net: depth 19 should be 3 n + 2, as 20 or 38");
  CHECK(error_of([&] { zoo::igc_residual(spec, 2, 24, 2); }) ==
        "net: depth 2 should be 6 n + 2, as 20 or 38");
  CHECK(error_of([&] { zoo::igc(spec, 20, 24, 0); }) ==
        "net: 24 primary groups of 0 channels, both should be at least 1");
  CHECK(error_of([&] { zoo::densenet(spec, 41, 12); }) ==
        "net: depth 41 should be 3 n + 4, as 40 or 100");
  CHECK(error_of([&] { zoo::densenet_bc(spec, 43, 12); }) ==
        "net: depth 43 should be 6 n + 4, as 40 or 100");
  CHECK(error_of([&] { zoo::densenet_bc(spec, 40, 0); }) != "");
  CHECK(error_of([&] { zoo::densenet_224(spec, 122); }) ==
        "net: there is no depth 122, only 121, 161, 169 and 201");
}

TEST_CASE("widths and pictures that leave a layer nothing are refused by its name") {
  CHECK(
      error_of([] { zoo::make("igc_l24m2", {.width = 0.02F}); }) ==
      "igc_l24m2: width 0.02 leaves layer1 none of its 24 primary groups, should leave at least 1");
  CHECK(error_of([] { zoo::make("igcv3", {.width = 0.03F}); }) ==
        "igcv3: width 0.03 leaves layer1 none of its 16 channels, should leave at least 1");
  CHECK(error_of([] { zoo::make("densenet_bc100", {.width = 0.04F}); }) ==
        "densenet_bc100: width 0.04 leaves features.denseblock1.denselayer1 none of its 12 "
        "channels, should leave at least 1");
  CHECK(error_of([] { zoo::make("resnet164", {.width = 0.03F}); }) ==
        "resnet164: width 0.03 leaves conv1 none of its 16 channels, should leave at least 1");
  CHECK(error_of([] {
          zoo::make("resnet9", {.input = {28, 32, 3}});
        }) == "resnet9: pictures of 28x32 are too small, should be at least 32x32");
  CHECK(error_of([] {
          zoo::make("densenet40", {.input = {32, 3, 3}});
        }) == "densenet40: pictures of 32x3 are too small, should be at least 4x4");
  CHECK(error_of([] {
          zoo::make("densenet121_224", {.input = {31, 32, 3}});
        }) == "densenet121_224: pictures of 31x32 are too small, should be at least 32x32");
}

// Jordan 2024, section 3: factors of batch norm that stay as they are, and filters that begin as
// the identity of a channel each, as far as there are channels.
TEST_CASE("airbench begins with steady factors and with filters that hand on channels") {
  const auto net = zoo::make("airbench93");
  int norms = 0, convolutions = 0;
  for (const Parameter* p : net->parameters()) {
    const Tensor& w = p->value;
    if (p->name.find(".norm") != std::string::npos && p->name.ends_with(".weight")) {
      ++norms;
      CHECK_FALSE(p->trainable);
      CHECK(std::all_of(w.data(), w.data() + w.size(), [](Scalar x) { return x == 1.702F; }));
    }
    if (w.rank() != 4 || w.dim(1) != 3) continue;
    ++convolutions;
    const int out = w.dim(0), in = w.dim(3), size = 9 * in;
    for (int o = 0; o < out; ++o) {
      const Scalar* filter = w.data() + int64_t{o} * size;
      const auto zeros = std::count(filter, filter + size, Scalar{0});
      if (o < in) {
        CHECK(filter[4 * in + o] == 1);
        CHECK(zeros == size - 1);
      } else {
        CHECK(zeros < size / 2);
      }
    }
  }
  CHECK(norms == 6);
  CHECK(convolutions == 6);
}
