// What operations say of inputs that do not fit: the operation, what is, what should be.
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "engine/ops.h"
#include "engine/ops/registry.h"
#include "tests/catch.h"
#include "tests/error_of.h"

using namespace bonsai;

namespace {

struct Mistake {
  std::function<void(Tape&)> make;
  const char* text;
};

Var value(Tape& tape, Shape shape) { return tape.constant(Tensor(std::move(shape), 1)); }

}  // namespace

TEST_CASE("operations name what does not fit") {
  const std::vector<Mistake> mistakes = {
      {[](Tape& t) {
         linear(value(t, {2, 3, 3, 4}), value(t, {5, 36}), {});
       },
       "linear: the input has shape [2, 3, 3, 4], should be [N, in] (flatten or pool it first)"},
      {[](Tape& t) {
         linear(value(t, {2, 4}), value(t, {5, 3}), {});
       },
       "linear: weights [5, 3] read 3 values, the input [2, 4] has 4"},
      {[](Tape& t) {
         linear(value(t, {2, 4}), value(t, {5, 4}), value(t, {4}));
       },
       "linear: the bias has shape [4], should be [5]"},
      {[](Tape& t) {
         linear(value(t, {2, 4}), value(t, {4}), {});
       },
       "linear: the weights have shape [4], should be [out, in]"},
      {[](Tape& t) {
         batch_norm(value(t, {2, 4}), value(t, {4}), value(t, {4}), value(t, {3}), value(t, {4}));
       },
       "batch_norm: the mean has shape [3], should be [4]"},
      {[](Tape& t) {
         batch_norm(value(t, {1, 4}), value(t, {4}), value(t, {4}), value(t, {4}), value(t, {4}))
             .value();
       },
       "batch_norm: the input [1, 4] has one value per channel, training needs more: use larger "
       "batches"},
      {[](Tape& t) {
         const Var v = value(t, {4});
         batch_norm(value(t, {2, 4}), v, v, v, v, {.eps = 0});
       },
       "batch_norm: eps is 0, should be above 0"},
      {[](Tape& t) {
         add(value(t, {2, 4}), value(t, {2, 3}));
       },
       "add: shapes [2, 4] and [2, 3] should be the same"},
      {[](Tape& t) {
         channel_scale(value(t, {2, 3, 3, 4}), value(t, {3}));
       },
       "channel_scale: the factors have shape [3], should be [4], [2, 4] or [2, 1, 1, 4] for the "
       "input [2, 3, 3, 4]"},
      {[](Tape&) { concat({}); }, "concat: no input given, should be one or more"},
      {[](Tape& t) {
         concat({value(t, {2, 4}), value(t, {3, 4})});
       },
       "concat: shapes [2, 4] and [3, 4] should differ in the last axis alone"},
      {[](Tape& t) {
         concat({value(t, {2, 4}), value(t, {2, 1, 4})});
       },
       "concat: shapes [2, 4] and [2, 1, 4] should differ in the last axis alone"},
      {[](Tape& t) {
         select(value(t, {2, 4}), {});
       },
       "select: the index list is empty"},
      {[](Tape& t) {
         select(value(t, {2, 4}), {0, 4});
       },
       "select: index 4 is beyond the 4 channels of the input [2, 4]"},
      {[](Tape& t) {
         select(value(t, {2, 4}), {-1});
       },
       "select: index -1 should be 0 to 16777215"},
      {[](Tape& t) {
         pad_channels(value(t, {2, 4}), -1);
       },
       "pad_channels: -1 channels of zeros, should be 0 to 16777215"},
      {[](Tape& t) {
         pad_channels(value(t, {2, 3, 3, 0}), 4);
       },
       "pad_channels: the input [2, 3, 3, 0] has no channels"},
      {[](Tape& t) {
         max_pool(value(t, {2, 2, 5, 4}), {3, 2, 0});
       },
       "max_pool: a window of 3 with padding 0 does not fit the input [2, 2, 5, 4]"},
      {[](Tape& t) {
         max_pool(value(t, {2, 5, 5, 4}), {2, 2, 2});
       },
       "max_pool: padding is 2, should be at least 0 and below the kernel's 2"},
      {[](Tape& t) {
         average_pool(value(t, {2, 5, 5, 4}), {2, 0, 0});
       },
       "average_pool: stride is 0, should be 1 to 4096"},
      {[](Tape& t) {
         average_pool(value(t, {2, 4}));
       },
       "average_pool: the input has shape [2, 4], should have 4 axes"},
      {[](Tape& t) {
         global_average_pool(value(t, {2, 0, 3, 4}));
       },
       "global_average_pool: the input [2, 0, 3, 4] is empty"},
      {[](Tape& t) {
         flatten(value(t, {2, 4}));
       },
       "flatten: the input has shape [2, 4], should have 4 axes"},
      {[](Tape& t) {
         dropout(value(t, {2, 4}), 1);
       },
       "dropout: rate is 1, should be at least 0 and below 1"},
      {[](Tape& t) {
         leaky_relu(value(t, {2, 4}), 3);
       },
       "leaky_relu: slope is 3, should be -1 to 1"},
      {[](Tape& t) {
         cross_entropy(value(t, {2, 4}), value(t, {3}));
       },
       "cross_entropy: the labels have shape [3], should be [2]"},
      {[](Tape& t) {
         cross_entropy(value(t, {2, 3, 3, 4}), value(t, {2}));
       },
       "cross_entropy: the labels have shape [2], should be [2, 3, 3]"},
      {[](Tape& t) {
         cross_entropy(value(t, {2, 4, 1}), value(t, {2}));
       },
       "cross_entropy: the logits have shape [2, 4, 1], should be [N, K] or [N, H, W, K]"},
      {[](Tape& t) {
         mean_squared_error(value(t, {2, 4}), value(t, {4, 2}));
       },
       "mean_squared_error: the result has shape [2, 4], the target [4, 2], should be the same"},
      {[](Tape& t) {
         mean_squared_error(value(t, {0, 4}), value(t, {0, 4}));
       },
       "mean_squared_error: the result [0, 4] is empty"},
      {[](Tape& t) {
         cross_entropy(value(t, {1, 4}), t.constant(Tensor({1}, 4))).value();
       },
       "cross_entropy: label 0 of the batch is 4, should be a whole number from 0 to 3"},
      {[](Tape& t) {
         cross_entropy(value(t, {1, 4}), t.constant(Tensor({1}, Scalar(0.5)))).value();
       },
       "cross_entropy: label 0 of the batch is 0.5, should be a whole number from 0 to 3"},
      {[](Tape& t) {
         cross_entropy(value(t, {1, 4}), value(t, {1}), 2);
       },
       "cross_entropy: smoothing is 2, should be 0 to 1"},
      {[](Tape& t) {
         t.backward(cross_entropy(t.variable(Tensor({1, 4})), t.variable(Tensor({1}))));
       },
       "cross_entropy: labels have no gradient, pass them as a constant"},
  };
  for (const Mistake& mistake : mistakes) {
    CHECK(error_of([&] {
            Tape tape(Mode::training);
            mistake.make(tape);
          }) == mistake.text);
  }
}

TEST_CASE("layers that enlarge pictures name what does not fit") {
  const auto transposed = [](Shape x, Shape w, const ConvTranspose2dOptions& options) {
    return error_of([&] {
      Tape tape(Mode::training);
      conv_transpose2d(value(tape, x), value(tape, w), {}, options);
    });
  };
  CHECK(transposed({2, 5, 5, 4}, {4, 3, 3, 2}, {.output_padding = 1}) ==
        "conv_transpose2d: output padding is 1, should be below the stride 1 or the dilation 1");
  CHECK(transposed({2, 5, 5, 4}, {4, 3, 3, 2}, {.stride = 2, .output_padding = 2}) ==
        "conv_transpose2d: output padding is 2, should be below the stride 2 or the dilation 1");
  CHECK(transposed({2, 5, 5, 4}, {4, 3, 3, 2}, {.output_padding = 2, .dilation = 3}).empty());
  CHECK(transposed({2, 5, 5, 4}, {4, 3, 3, 2}, {.output_padding = -1}) ==
        "conv_transpose2d: output padding is -1, should be 0 to 16384");
  CHECK(transposed({2, 5, 5, 4}, {4, 3, 3, 2}, {.stride = 0}) ==
        "conv_transpose2d: stride is 0, should be 1 to 16384");
  CHECK(transposed({2, 5, 5, 4}, {4, 3, 3, 2}, {.groups = 0}) ==
        "conv_transpose2d: groups is 0, should be at least 1");
  CHECK(transposed({2, 5, 5, 4}, {4, 3, 3, 2}, {.groups = 3}) ==
        "conv_transpose2d: 3 groups do not divide 4 input channels");
  CHECK(transposed({2, 5, 5, 4}, {2, 3, 3, 4}, {}) ==
        "conv_transpose2d: weights [2, 3, 3, 4] read 2 channels, the input [2, 5, 5, 4] has 4");
  CHECK(transposed({2, 5, 5, 4}, {4, 3, 2}, {}) ==
        "conv_transpose2d: the weights have shape [4, 3, 2], should be [in, kh, kw, out / groups]");
  CHECK(transposed({2, 0, 5, 4}, {4, 3, 3, 2}, {}) ==
        "conv_transpose2d: the input [2, 0, 5, 4] is empty");
  CHECK(transposed({2, 1, 5, 4}, {4, 3, 3, 2}, {.padding = 2}) ==
        "conv_transpose2d: a height of 1 with kernel 3, stride 1, padding 2 and dilation 1 gives "
        "-1, should be 1 to 2147483647");
  CHECK(transposed({2, 5, 1, 4}, {4, 3, 3, 2}, {.padding = 3}) ==
        "conv_transpose2d: a width of 1 with kernel 3, stride 1, padding 3 and dilation 1 gives "
        "-3, should be 1 to 2147483647");
  const auto shuffled = [](Shape x, int factor, Var (*op)(Var, int)) {
    return error_of([&] {
      Tape tape(Mode::training);
      op(value(tape, x), factor);
    });
  };
  CHECK(shuffled({2, 5, 5, 6}, 2, pixel_shuffle) ==
        "pixel_shuffle: the 6 channels of the input [2, 5, 5, 6] should be a multiple of 4, the "
        "square of the factor");
  CHECK(shuffled({2, 5, 5, 4}, 0, pixel_shuffle) ==
        "pixel_shuffle: factor is 0, should be 1 to 1024");
  CHECK(shuffled({2, 4}, 2, pixel_shuffle) ==
        "pixel_shuffle: the input has shape [2, 4], should have 4 axes");
  CHECK(shuffled({2, 4, 5, 3}, 2, pixel_unshuffle) ==
        "pixel_unshuffle: height and width of the input [2, 4, 5, 3] should be multiples of the "
        "factor 2");
}

TEST_CASE("operations from files are checked") {
  CHECK(error_of([] { make_op("reul", {}); }) == "operation 'reul' is unknown to this version");
  CHECK(error_of([] { make_op("dropout", {}); }) == "dropout: attribute 'rate' is missing");
  CHECK(error_of([] {
          make_op("dropout", {{"rate", std::string("a")}});
        }) == "dropout: attribute 'rate' should be a number");
  CHECK(error_of([] {
          make_op("dropout", {{"rate", 1.0}});
        }) == "dropout: rate is 1, should be at least 0 and below 1");
  CHECK(error_of([] {
          make_op("select", {{"index", std::vector<int>{0, -2}}});
        }) == "select: index holds -2, should be 0 to 16777215");
  CHECK(error_of([] {
          make_op("max_pool",
                  {{"kernel", int64_t{2}}, {"stride", int64_t{5000}}, {"padding", int64_t{0}}});
        }) == "max_pool: stride is 5000, should be 1 to 4096");
  CHECK(error_of([] {
          make_op("add", {{"activation", std::string("swish")}});
        }) ==
        "activation 'swish' is unknown, should be relu, relu6, leaky_relu, sigmoid or hard_swish");
}

TEST_CASE("sizes that would overflow are refused, not wrapped") {
  const OpPtr concat = make_op("concat", {});
  const std::vector<Shape> wide(3, Shape{1, 1, 1, 1 << 30});
  CHECK(error_of([&] { concat->infer(wide); }) ==
        "concat: 3221225472 channels in all, should be at most 2147483647");
  const OpPtr pool = make_op(
      "max_pool", {{"kernel", int64_t{2}}, {"stride", int64_t{1}}, {"padding", int64_t{1}}});
  const std::vector<Shape> huge{{1, 2147483647, 1, 1}};
  CHECK(!error_of([&] { pool->infer(huge); }).empty());
}

TEST_CASE("a convolution of no image is refused") {
  const OpPtr conv = make_op("conv2d", {{"stride", int64_t{1}},
                                        {"padding", int64_t{0}},
                                        {"dilation", int64_t{1}},
                                        {"groups", int64_t{1}}});
  const std::vector<Shape> none{{0, 4, 4, 3}, {8, 3, 3, 3}};
  CHECK(error_of([&] { conv->infer(none); }) == "conv2d: the input [0, 4, 4, 3] holds no image");
}
