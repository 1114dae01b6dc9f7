// The zoo: counts to the digit, what a network refuses, and that each can learn, be saved and run.
#include "zoo/zoo.h"

#include <algorithm>
#include <map>
#include <set>

#include "data/synthetic.h"
#include "engine/cost.h"
#include "engine/error.h"
#include "engine/file.h"
#include "layers/trainer.h"
#include "tests/catch.h"
#include "tests/compare_graphs.h"
#include "tests/error_of.h"
#include "tests/narrow_networks.h"
#include "tests/random_network.h"
#include "tests/temporary_folder.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

struct Count {
  int64_t params, macs;
};

// From PyTorch's definitions of the same networks. ResNet with projections: summed from the papers'
// tables by another program; PyTorch's definitions agree to the four digits that are published.
const std::map<std::string, Count> counts = {
    {"vgg_small", {307'946, 38'653'952}},
    {"vgg11", {9'231'114, 152'769'536}},
    {"vgg13", {9'416'010, 228'267'008}},
    {"vgg16", {14'728'266, 313'201'664}},
    {"vgg19", {20'040'522, 398'136'320}},
    {"vgg16_li", {14'987'722, 313'463'808}},
    {"vgg11_224", {132'868'840, 7'609'090'048}},
    {"vgg13_224", {133'053'736, 11'308'466'176}},
    {"vgg16_224", {138'365'992, 15'470'264'320}},
    {"vgg19_224", {143'678'248, 19'632'062'464}},
    {"resnet20_b", {272'474, 40'813'184}},
    {"resnet32_b", {466'906, 69'124'736}},
    {"resnet44_b", {661'338, 97'436'288}},
    {"resnet56_b", {855'770, 125'747'840}},
    {"resnet110_b", {1'730'714, 253'149'824}},
    {"resnet18_224", {11'689'512, 1'814'073'344}},
    {"resnet34_224", {21'797'672, 3'663'761'408}},
    {"resnet50_224", {25'557'032, 3'857'973'248}},
    {"resnet50_v1.5_224", {25'557'032, 4'089'184'256}},
    {"resnet20", {269'722, 40'551'040}},
    {"resnet32", {464'154, 68'862'592}},
    {"resnet44", {658'586, 97'174'144}},
    {"resnet56", {853'018, 125'485'696}},
    {"resnet110", {1'727'962, 252'887'680}},
    {"resnet164", {1'703'258, 244'500'992}},
    {"resnet9", {6'573'120, 379'261'952}},
    {"airbench93", {568'992, 54'223'904}},
    {"airbench94", {1'971'616, 118'147'360}},
    {"igc_l24m2", {155'962, 28'755'840}},
    {"igc_l4m8", {277'546, 42'370'304}},
    {"igc_l24m2_ident", {157'498, 28'854'144}},
    {"igc_l16m32_ident", {17'697'290, 2'685'947'904}},
    {"igc_l32m26_ident", {24'055'626, 3'720'577'536}},
    {"igc_l450m2_ident", {19'055'710, 4'663'332'000}},
    {"igc_l4m32_224", {12'251'240, 1'944'641'536}},
    {"igc_l16m16_224", {13'528'296, 2'265'989'120}},
    {"igc_l100m2_224", {8'637'900, 1'264'780'800}},
    {"igcv3", {2'223'498, 93'531'648}},
    {"igcv3_224", {3'491'688, 312'970'176}},
    {"densenet40", {1'019'722, 264'812'928}},
    {"densenet_bc100", {769'162, 287'929'692}},
    {"densenet121_224", {7'978'856, 2'834'161'664}},
    {"mobilenet", {3'217'226, 46'354'432}},
    {"mobilenet_224", {4'231'976, 568'740'352}},
    {"mobilenet_v2", {2'236'682, 87'976'448}},
    {"mobilenet_v2_224", {3'504'872, 300'774'272}},
    {"shufflenet", {914'338, 42'590'592}},
    {"shufflenet_g1", {960'706, 44'546'688}},
    {"shufflenet_g2", {940'858, 43'743'552}},
    {"shufflenet_g3", {914'338, 42'590'592}},
    {"shufflenet_g4", {890'234, 41'531'008}},
    {"shufflenet_g8", {913'138, 42'703'872}},
    {"shufflenet_g1_224", {1'531'936, 143'078'976}},
    {"shufflenet_g2_224", {1'733'848, 140'836'512}},
    {"shufflenet_g3_224", {1'865'728, 137'460'672}},
    {"shufflenet_g4_224", {1'968'344, 134'339'776}},
    {"shufflenet_g8_224", {2'434'768, 138'365'952}},
    {"shufflenet_v2", {1'263'854, 45'002'112}},
    {"shufflenet_v2_224", {2'278'604, 144'907'992}},
};

Shape batch_of_one(const Shape& input) { return {1, input[0], input[1], input[2]}; }

Cost count(const std::string& name, zoo::Options options = {}) {
  options.weights = false;
  const Shape input = options.input.empty() ? zoo::find(name).input : options.input;
  return total_cost(trace(*zoo::make(name, options), batch_of_one(input)));
}

void check_count(const std::string& name) {
  INFO(name);
  REQUIRE(counts.count(name) == 1);  // a network without a count is not checked
  const Cost cost = count(name);
  CHECK(cost.params == counts.at(name).params);
  CHECK(cost.macs == counts.at(name).macs);
}

bool is_large(const std::string& name) { return zoo::find(name).input[0] > 32; }

}  // namespace

TEST_CASE("parameters and multiply-adds are those of the papers, to the digit") {
  for (const std::string& name : zoo::names()) {
    if (!is_large(name)) check_count(name);
  }
}

TEST_CASE("the networks for large pictures have the papers' counts", "[slow]") {
  for (const std::string& name : zoo::names()) {
    if (is_large(name)) check_count(name);
  }
}

// ShuffleNet at widths other than 1: published without the biases of the last layer, one for each
// of 1000 classes, which are among the parameters here. Its 0.25x for 2 and 4 groups is not
// published.
TEST_CASE("the papers' widths and resolutions have the published counts, to the digit", "[slow]") {
  const auto check = [](const std::string& name, float width, int size, const Count& expected) {
    INFO(name << ", width " << width << ", " << size << "x" << size);
    const Cost cost = count(name, {.width = width, .input = {size, size, 3}});
    CHECK(cost.params == expected.params);
    CHECK(cost.macs == expected.macs);
  };
  check("mobilenet", 0.5F, 32, {823'722, 12'167'168});
  check("mobilenet", 0.25F, 32, {215'642, 3'331'072});
  check("mobilenet_224", 0.75F, 224, {2'585'560, 325'400'448});
  check("mobilenet_224", 0.5F, 224, {1'331'592, 149'497'088});
  check("mobilenet_224", 0.25F, 224, {470'072, 41'030'272});
  check("mobilenet_224", 1, 192, {4'231'976, 418'121'728});
  check("mobilenet_224", 1, 160, {4'231'976, 290'675'200});
  check("mobilenet_224", 1, 128, {4'231'976, 186'400'768});
  check("mobilenet_v2", 1.4F, 32, {4'333'706, 170'073'344});
  check("mobilenet_v2", 0.75F, 32, {1'368'234, 59'310'080});
  check("mobilenet_v2", 0.5F, 32, {700'490, 27'969'024});
  check("mobilenet_v2_224", 1.4F, 224, {6'108'776, 582'195'824});
  check("mobilenet_v2_224", 0.75F, 224, {2'636'424, 209'069'792});
  check("mobilenet_v2_224", 0.5F, 224, {1'968'680, 97'131'840});
  check("mobilenet_v2_224", 0.35F, 224, {1'677'128, 59'285'808});
  check("shufflenet_g3_224", 2, 224, {5'450'776, 524'045'184});
  check("shufflenet_g3_224", 1.5F, 224, {3'442'168, 292'443'552});
  check("shufflenet_g3_224", 0.5F, 224, {718'324, 37'589'856});
  check("shufflenet_g8_224", 2, 224, {6'522'232, 521'942'016});
  check("shufflenet_g8_224", 1.5F, 224, {4'269'952, 290'188'800});
  check("shufflenet_g8_224", 0.5F, 224, {1'011'448, 40'469'760});
  check("shufflenet_g1_224", 0.25F, 224, {209'746, 11'003'184});
  check("shufflenet_g3_224", 0.25F, 224, {305'902, 11'009'808});
  check("shufflenet_g8_224", 0.25F, 224, {454'504, 12'426'240});
  check("shufflenet_v2", 2, 32, {5'365'486, 187'811'200});
  check("shufflenet_v2", 1.5F, 32, {2'488'874, 94'259'712});
  check("shufflenet_v2", 0.5F, 32, {352'042, 10'902'016});
  check("shufflenet_v2_224", 2, 224, {7'393'996, 583'253'464});
  check("shufflenet_v2_224", 1.5F, 224, {3'503'624, 295'759'392});
  check("shufflenet_v2_224", 0.5F, 224, {1'366'792, 40'476'448});
}

TEST_CASE("width, classes and input are the caller's choice") {
  const Cost half = count("vgg16", {.classes = 100, .width = 0.5F});
  CHECK(half.params == 3'710'084);
  CHECK(half.macs == 78'767'104);
  // 64x64 pictures: four times the convolutions, and a classifier of four times the inputs.
  const Cost small = count("vgg_small"), large = count("vgg_small", {.input = {64, 64, 3}});
  CHECK(large.macs == 4 * small.macs);
  CHECK(large.params == small.params + 3 * 20'480);
  const Graph grey =
      trace(*zoo::make("vgg_small", {.classes = 3, .input = {32, 40, 1}}), {1, 32, 40, 1});
  CHECK(grey.output_shape() == Shape{1, 3});
}

TEST_CASE("the numbers in a name may be others than the listed ones") {
  CHECK(count("resnet26").params == 366'938);
  CHECK(count("densenet_bc40_k36").params == 1'542'682);
  CHECK(count("igc_l24m2_d38").params == 317'242);
  CHECK(count("igc_l24m2_ident_d38").params == 318'778);
  CHECK(count("igc_l450m2_ident_released").params == 21'485'710);
  CHECK(count("preact_resnet164").params == counts.at("resnet164").params);
  CHECK(count("igcv3_released").params == counts.at("igcv3").params);
  const auto names = zoo::names();
  CHECK(std::set<std::string>(names.begin(), names.end()).size() == names.size());
  for (const char* name : {"vgg016", "vgg-16", "vgg", "resnet", "resnet20_", "resnet99999999999",
                           "densenet_bc40_k", "igc_l24m", "vgg#"}) {
    INFO(name);
    CHECK(!zoo::is_network(name));
    CHECK(error_of([&] { zoo::find(name); }).starts_with("zoo: there is no network '"));
  }
  CHECK(error_of([] { zoo::make("resnet21"); }) ==
        "resnet21: depth 21 should be 6 n + 2, as 20 or 56");
  CHECK(error_of([] { zoo::make("vgg12"); }) ==
        "vgg12: there is no depth 12, only 11, 13, 16 and 19");
  CHECK(error_of([] { zoo::make("shufflenet_g5"); }) ==
        "shufflenet_g5: there are no 5 groups, only 1, 2, 3, 4 and 8");
  CHECK(error_of([] { zoo::make("igc_l0m2"); }) ==
        "igc_l0m2: 0 primary groups of 2 channels, both should be at least 1");
}

TEST_CASE("the zoo refuses what a network cannot be, in one line") {
  CHECK(error_of([] { zoo::make("vgg_smal"); }) ==
        "zoo: there is no network 'vgg_smal' (did you mean 'vgg_small'?)");
  CHECK(error_of([] { zoo::make("vgg16", {.classes = 0}); }) ==
        "vgg16: 0 classes, should be at least 1");
  CHECK(error_of([] { zoo::make("vgg16", {.width = 0.001F}); }) ==
        "vgg16: width 0.001 leaves features.0 none of its 64 channels, should leave at least 1");
  CHECK(error_of([] {
          zoo::make("vgg16", {.input = {16, 16, 3}});
        }) == "vgg16: pictures of 16x16 are too small, should be at least 32x32");
  CHECK(error_of([] {
          zoo::make("vgg16", {.input = {32, 32}});
        }) == "vgg16: input [32, 32] should be [height, width, channels]");
  CHECK(error_of([] {
          zoo::make("mobilenet_224", {.input = {224, 31, 3}});
        }) == "mobilenet_224: pictures of 224x31 are too small, should be at least 32x32");
  CHECK(error_of([] {
          zoo::make("shufflenet_v2", {.input = {7, 7, 3}});
        }) == "shufflenet_v2: pictures of 7x7 are too small, should be at least 8x8");
  CHECK(error_of([] { zoo::make("shufflenet_g8", {.width = 0.1F}); }) ==
        "shufflenet_g8: width 0.1 leaves conv1 none of its 24 channels, which come in multiples "
        "of 8, should leave at least 8");
  CHECK(error_of([] { zoo::make("shufflenet_v2", {.width = 0.02F}); }) ==
        "shufflenet_v2: width 0.02 leaves conv1 none of its 24 channels, should leave at least 1");
  CHECK(error_of([] { zoo::make("mobilenet_v2", {.width = 1e9F}); }) ==
        "mobilenet_v2: width 1e+09 gives features.0 3.2e+10 channels, should be at most 1048576");
  CHECK(!error_of([] { zoo::make("mobilenet", {.width = 1e9F}); }).empty());
  CHECK(!error_of([] { zoo::make("vgg16", {.width = -1}); }).empty());
  CHECK(!error_of([] { zoo::make("vgg16", {.width = 1e9F}); }).empty());
  CHECK(!error_of([] { zoo::make("vgg16", {.input = {0, 32, 3}}); }).empty());
}

TEST_CASE("parameters are named as in PyTorch") {
  const auto net = zoo::make("vgg11");
  std::vector<std::string> names;
  for (const Parameter* p : net->parameters()) names.push_back(p->name);
  const std::vector<std::string> first(names.begin(), names.begin() + 8);
  CHECK(first == std::vector<std::string>{"features.0.weight", "features.0.bias",
                                          "features.1.weight", "features.1.bias",
                                          "features.1.running_mean", "features.1.running_var",
                                          "features.4.weight", "features.4.bias"});
  CHECK(names.back() == "classifier.bias");
}

TEST_CASE("the seed decides a network's weights") {
  auto last = [](uint64_t seed) {
    return zoo::make("vgg_small", {.seed = seed})->parameters().back()->value.clone();
  };
  CHECK(max_abs_difference(last(1), last(1)) == 0);
  CHECK(max_abs_difference(last(1), last(2)) > 0);
}

TEST_CASE("every network learns, and runs the same after trace, save and load", "[slow]") {
  const TemporaryFolder folder;
  for (const std::string& name : zoo::names()) {
    INFO(name);
    const auto net = zoo::make(name, narrow(name));
    const int size = narrow(name).input[0];
    const Dataset data =
        synthetic_dataset({.height = size, .width = size, .train_images = 32, .test_images = 16});
    const TrainResult result = fit(*net, data,
                                   {.epochs = 6,
                                    .batch = 16,
                                    .lr = 0.01F,
                                    .optimiser = {.kind = OptimiserKind::adam},
                                    .schedule = {.kind = ScheduleKind::constant, .warmup = 0},
                                    .augment = Augment::none()});
    double least = result.history.back().loss;  // batch norm over 16 numbers makes losses jump
    for (const EpochRecord& epoch : result.history) least = std::min(least, epoch.loss);
    CHECK(least < 0.95 * result.history.front().loss);

    Graph graph = trace(*net, data.input_shape());
    const std::string path = folder / (name + ".bonsai");
    save(path, graph);
    Graph loaded = load(path);
    const Tensor x = random_tensor({4, size, size, 3}, 1);
    CHECK(max_abs_difference(run(*net, x), run(loaded, x)) == 0);
    loaded.parameters()[0]->value[0] += 0.01F;  // what is not loaded is noticed
    CHECK(max_abs_difference(run(*net, x), run(loaded, x)) > 0);
  }
}
