// The operation test table: one row per operation, which draws a random case of it. Every row is
// run through gradients in double precision (tests/double/test_gradcheck.cpp), through shapes, a
// model file's round trip, tracing and replay, and threads (tests/test_ops.cpp), so an operation
// that is added here is tested in all those ways.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "engine/ops/registry.h"
#include "engine/random.h"
#include "engine/tensor.h"

namespace bonsai {

struct OpCase {
  Attributes attributes{};
  std::vector<Tensor> in{};
  std::vector<bool> wanted{};  // which inputs have a derivative; empty: all
};

struct OpRow {
  const char* name;
  // Case number i: 0 has odd sizes, 1 a 1x1 map, 2 a batch of one, 3 a stride above the kernel.
  std::function<OpCase(int i, Random& random)> draw;
};

constexpr int op_cases = 8;  // per row

namespace op_table_detail {

// Elements far enough from each other, and from the activations' kinks, that a small difference
// crosses neither a tie of a maximum nor a kink.
inline Tensor distinct(Shape shape, Random& random) {
  Tensor t = Tensor::uninitialized(std::move(shape));
  const int n = static_cast<int>(t.size());
  const std::vector<int> order = permutation(n, Random(random.next(), Purpose::test));
  for (int i = 0; i < n; ++i) {
    const double step = 8.0 / std::max(n, 2);
    t[static_cast<size_t>(order[static_cast<size_t>(i)])] =
        static_cast<Scalar>(-4.0 + step * (i + 0.37));
  }
  for (size_t i = 0; i < t.size(); ++i) {
    for (const int multiple : {-1, 0, 1, 2}) {
      const auto kink = static_cast<Scalar>(3 * multiple);
      if (t[i] > kink - Scalar(0.001) && t[i] < kink + Scalar(0.001)) t[i] = kink + Scalar(0.0015);
    }
  }
  return t;
}

inline Tensor normal(Shape shape, Random& random) {
  Tensor t = Tensor::uninitialized(std::move(shape));
  for (size_t i = 0; i < t.size(); ++i) t[i] = random.normal();
  return t;
}

inline Tensor positive(Shape shape, Random& random) {
  Tensor t = Tensor::uninitialized(std::move(shape));
  for (size_t i = 0; i < t.size(); ++i) t[i] = random.uniform(0.5F, 2);
  return t;
}

inline Shape map_shape(int i, Random& random) {
  switch (i) {
    case 0:
      return {2, 3, 5, 7};
    case 1:
      return {3, 1, 1, 4};
    case 2:
      return {1, 5, 4, 3};
    case 3:
      return {2, 7, 6, 1};
    default:
      return {random.between(1, 3), random.between(2, 6), random.between(2, 6),
              random.between(1, 9)};
  }
}

inline OpRow elementwise(const char* name, Attributes attributes = {}) {
  return {name, [attributes](int i, Random& random) {
            return OpCase{attributes, {distinct(map_shape(i, random), random)}};
          }};
}

inline OpCase conv2d(int i, Random& random) {
  const int groups = i % 4 == 0 ? 3 : i % 4 == 1 ? 1 : random.between(1, 3);
  const int per_group = i == 5 ? 1 : random.between(1, 3);  // 1 is depthwise, when in groups
  const int in = groups * per_group, out = groups * random.between(1, 3);
  const int kernel = i == 1 ? 1 : i == 3 ? 2 : random.between(1, 3);
  const int stride = i == 3 ? 3 : random.between(1, 2), padding = random.between(0, 1);
  const int dilation = i == 1 ? 1 : random.between(1, 2);
  const int least = dilation * (kernel - 1) + 1;
  const int h = i == 1 ? 1 : least + random.between(0, 4), w = i == 1 ? 1 : least + 3;
  OpCase c{{{"stride", int64_t{stride}},
            {"padding", int64_t{padding}},
            {"dilation", int64_t{dilation}},
            {"groups", int64_t{groups}}},
           {normal({i == 2 ? 1 : 2, h, w, in}, random),
            normal({out, kernel, kernel, per_group}, random)}};
  if (i % 2 == 0) c.in.push_back(normal({out}, random));
  return c;
}

inline OpCase conv_transpose2d(int i, Random& random) {
  const int groups = i % 4 == 0 ? 3 : i % 4 == 1 ? 1 : random.between(1, 3);
  const int per_group = i == 5 ? 1 : random.between(1, 3);  // 1 is depthwise, when in groups
  const int in = groups * random.between(1, 3), kernel = i == 1 ? 1 : random.between(1, 4);
  const int stride = i == 3 ? kernel + 1 : random.between(1, 3), dilation = random.between(1, 3);
  const int padding = i == 6 ? kernel : random.between(0, 1);  // more than the kernel: crops
  const int output_padding = random.between(0, std::max(stride, dilation) - 1);
  const int least = 1 + 2 * padding / stride, h = least + (i == 1 ? 0 : random.between(0, 3));
  OpCase c{{{"stride", int64_t{stride}},
            {"padding", int64_t{padding}},
            {"output_padding", int64_t{output_padding}},
            {"dilation", int64_t{dilation}},
            {"groups", int64_t{groups}}},
           {normal({i == 2 ? 1 : 2, h, i == 1 ? least : h + 2, in}, random),
            normal({in, kernel, kernel, per_group}, random)}};
  if (i % 2 == 0) c.in.push_back(normal({groups * per_group}, random));
  return c;
}

inline OpCase linear(int i, Random& random) {
  const int n = i == 2 ? 1 : random.between(1, 5), in = random.between(1, 9);
  const int out = i == 1 ? 1 : random.between(1, 9);
  OpCase c{{}, {normal({n, in}, random), normal({out, in}, random)}};
  if (i % 2 == 0) c.in.push_back(normal({out}, random));
  return c;
}

inline OpCase batch_norm(int i, Random& random) {
  const Shape x = i == 4 ? Shape{5, 3} : map_shape(i, random);
  const int c = x.back();
  OpCase result{{{"eps", 0x1p-10}, {"momentum", 0.125}},
                {normal(x, random), positive({c}, random), normal({c}, random), normal({c}, random),
                 positive({c}, random)}};
  result.wanted = {true, true, true, false, false};
  return result;
}

inline OpCase add(int i, Random& random) {
  const Shape shape = map_shape(i, random);
  return {{}, {normal(shape, random), normal(shape, random)}};
}

inline OpCase channel_scale(int i, Random& random) {
  const Shape x = i == 4 ? Shape{4, 3} : map_shape(i, random);
  const int n = x[0], c = x.back();
  const Shape s = i % 3 == 0 ? Shape{c} : i % 3 == 1 ? Shape{n, c} : Shape{n, 1, 1, c};
  return {{}, {normal(x, random), normal(s, random)}};
}

inline OpCase concat(int i, Random& random) {
  Shape shape = map_shape(i, random);
  OpCase result;
  for (int k = i == 3 ? 1 : random.between(2, 4); k > 0; --k) {
    shape.back() = random.between(1, 6);
    result.in.push_back(normal(shape, random));
  }
  return result;
}

inline OpCase select(int i, Random& random) {
  const Shape shape = map_shape(i, random);
  const int c = shape.back();
  std::vector<int> index;
  if (i % 3 == 0) {  // any channels, some twice, some never
    for (int k = random.between(1, c + 2); k > 0; --k) index.push_back(random.between(0, c - 1));
  } else if (i % 3 == 1) {  // all, in another order
    index = permutation(c, Random(random.next(), Purpose::test));
  } else {  // a run
    for (int k = random.between(0, c - 1); k < c; ++k) index.push_back(k);
  }
  return {{{"index", index}}, {normal(shape, random)}};
}

inline OpCase pad_channels(int i, Random& random) {
  return {{{"zeros", int64_t{i == 2 ? 0 : random.between(1, 5)}}},
          {normal(i == 4 ? Shape{4, 3} : map_shape(i, random), random)}};
}

inline OpCase pool(int i, Random& random) {
  const int kernel = i == 1 ? 1 : i == 3 ? 2 : random.between(1, 3);
  const int stride = i == 3 ? 3 : random.between(1, 3), padding = random.between(0, kernel - 1);
  Shape x = map_shape(i, random);
  for (const size_t axis : {1, 2}) x[axis] = std::max(x[axis], kernel);
  return {{{"kernel", int64_t{kernel}}, {"stride", int64_t{stride}}, {"padding", int64_t{padding}}},
          {distinct(x, random)}};
}

inline OpCase pixel_shuffle(int i, Random& random) {
  const int factor = i == 1 ? 1 : random.between(2, 3);
  Shape x = map_shape(i, random);
  x[3] = factor * factor * random.between(1, 4);
  return {{{"factor", int64_t{factor}}}, {normal(x, random)}};
}

inline OpCase pixel_unshuffle(int i, Random& random) {
  const int factor = i == 1 ? 1 : random.between(2, 3);
  Shape x = map_shape(i, random);
  x[1] *= factor, x[2] *= factor;
  return {{{"factor", int64_t{factor}}}, {normal(x, random)}};
}

inline OpCase softmax(int i, Random& random) {
  const Shape x = i % 2 == 0 ? map_shape(i, random) : Shape{3, i + 1};
  return {{}, {normal(x, random)}};
}

inline OpCase cross_entropy(int i, Random& random) {
  const int n = i == 2 ? 1 : random.between(1, 5), k = i == 1 ? 1 : random.between(2, 9);
  const Shape pixels = i % 3 == 0 ? Shape{n, 2, 3} : Shape{n};
  Shape logits = pixels;
  logits.push_back(k);
  const Tensor labels(pixels);
  for (size_t r = 0; r < labels.size(); ++r) {
    labels[r] = static_cast<Scalar>(random.between(0, k - 1));
  }
  OpCase result{{{"smoothing", i % 2 == 0 ? 0.0 : 0.125}}, {normal(logits, random), labels}};
  result.wanted = {true, false};
  return result;
}

inline OpCase mean_squared_error(int i, Random& random) {
  const Shape shape = i == 4 ? Shape{5} : map_shape(i, random);
  return {{}, {normal(shape, random), normal(shape, random)}};
}

inline OpCase distillation_loss(int i, Random& random) {
  const int n = i == 2 ? 1 : random.between(1, 5), k = i == 1 ? 1 : random.between(2, 9);
  const Shape logits = i % 3 == 0 ? Shape{n, 2, 3, k} : Shape{n, k};
  OpCase result{{{"temperature", i % 2 == 0 ? 1.0 : 4.0}},
                {normal(logits, random), normal(logits, random)}};
  result.wanted = {true, false};
  return result;
}

inline OpCase hint_loss(int i, Random& random) {
  const Shape x = map_shape(i, random);
  const int k = i == 1 ? 1 : random.between(2, 19);
  OpCase result{{},
                {normal(x, random), normal({k, 1, 1, x[3]}, random), normal({k}, random),
                 normal({x[0], x[1], x[2], k}, random)}};
  result.wanted = {true, true, true, false};
  return result;
}

inline OpCase adaptive_average_pool(int i, Random& random) {
  const Shape x = map_shape(i, random);
  const int h = i == 3 ? x[1] + 2 : random.between(1, x[1]), w = random.between(1, x[2]);
  return {{{"height", int64_t{h}}, {"width", int64_t{w}}}, {normal(x, random)}};
}

}  // namespace op_table_detail

inline std::vector<OpRow> op_table() {
  namespace t = op_table_detail;
  return {
      {"conv2d", t::conv2d},
      {"conv_transpose2d", t::conv_transpose2d},
      {"linear", t::linear},
      {"batch_norm", t::batch_norm},
      t::elementwise("relu"),
      t::elementwise("relu6"),
      t::elementwise("leaky_relu", {{"slope", 0.125}}),
      t::elementwise("sigmoid"),
      t::elementwise("hard_swish"),
      {"add", t::add},
      t::elementwise("scale", {{"factor", -0.375}}),
      {"channel_scale", t::channel_scale},
      {"concat", t::concat},
      {"select", t::select},
      {"pad_channels", t::pad_channels},
      {"pixel_shuffle", t::pixel_shuffle},
      {"pixel_unshuffle", t::pixel_unshuffle},
      {"max_pool", t::pool},
      {"average_pool", t::pool},
      t::elementwise("global_average_pool"),
      {"adaptive_average_pool", t::adaptive_average_pool},
      t::elementwise("flatten"),
      t::elementwise("dropout", {{"rate", 0.25}}),
      {"softmax", t::softmax},
      {"cross_entropy", t::cross_entropy},
      {"mean_squared_error", t::mean_squared_error},
      {"distillation_loss", t::distillation_loss},
      {"hint_loss", t::hint_loss},
      t::elementwise("attention_map"),
  };
}

// Case i of a row, the same in every program.
inline OpCase draw_case(const OpRow& row, int i) {
  uint64_t number = 0;
  for (const char letter : std::string(row.name)) {
    number = number * 31 + static_cast<uint8_t>(letter);
  }
  Random random(7, Purpose::test, number, static_cast<uint32_t>(i));
  OpCase result = row.draw(i, random);
  if (result.wanted.empty()) result.wanted.assign(result.in.size(), true);
  return result;
}

}  // namespace bonsai
