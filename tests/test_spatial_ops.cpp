// Transposed convolution and pixel shuffle against their definitions, against each other, and
// against PyTorch's results (tests/fixtures/spatial.py), gradients included.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/graph.h"
#include "layers/basic.h"
#include "tests/catch.h"
#include "tests/compare_graphs.h"
#include "tests/layer_fixture.h"
#include "tests/random_network.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

struct Case {
  Shape x, w;
  ConvTranspose2dOptions options;
};

// Small and awkward: every combination of the settings turns up.
Case random_case(Random& random) {
  for (;;) {
    Case c;
    c.options.groups = random.chance(0.5F) ? 1 : random.between(2, 4);
    const int in = c.options.groups * random.between(1, 4), kernel = random.between(1, 4);
    c.options.stride = random.between(1, 3);
    c.options.padding = random.between(0, 3);
    c.options.dilation = random.between(1, 3);
    c.options.output_padding =
        random.between(0, std::max(c.options.stride, c.options.dilation) - 1);
    c.x = {random.between(1, 3), random.between(1, 7), random.between(1, 7), in};
    c.w = {in, kernel, random.chance(0.7F) ? kernel : random.between(1, 4), random.between(1, 5)};
    const auto size = [&](size_t axis) {
      return (c.x[axis] - 1) * c.options.stride - 2 * c.options.padding +
             c.options.dilation * (c.w[axis] - 1) + c.options.output_padding + 1;
    };
    if (size(1) >= 1 && size(2) >= 1) return c;
  }
}

// The definition: every input pixel adds a kernel, scaled by its value, to the result.
Tensor scattered(const Tensor& x, const Tensor& w, const Tensor& b, const Shape& out,
                 const ConvTranspose2dOptions& o) {
  const Tensor y(out);
  for (size_t i = 0; i < y.size(); ++i) y[i] = b[i % b.size()];
  const int group_in = x.dim(3) / o.groups, group_out = w.dim(3);
  size_t from = 0;
  for (int n = 0; n < x.dim(0); ++n)
    for (int h = 0; h < x.dim(1); ++h)
      for (int v = 0; v < x.dim(2); ++v)
        for (int i = 0; i < x.dim(3); ++i, ++from) {
          size_t weight = static_cast<size_t>(i * w.dim(1) * w.dim(2) * group_out);
          for (int kh = 0; kh < w.dim(1); ++kh)
            for (int kw = 0; kw < w.dim(2); ++kw)
              for (int c = 0; c < group_out; ++c, ++weight) {
                const int oh = h * o.stride - o.padding + kh * o.dilation;
                const int ow = v * o.stride - o.padding + kw * o.dilation;
                if (oh < 0 || ow < 0 || oh >= out[1] || ow >= out[2]) continue;
                const int channel = i / group_in * group_out + c;
                const int pixel = (n * out[1] + oh) * out[2] + ow;
                y[static_cast<size_t>(pixel * out[3] + channel)] += x[from] * w[weight];
              }
        }
  return y;
}

Tensor transposed(const Tensor& x, const Tensor& w, const Tensor& b,
                  const ConvTranspose2dOptions& options) {
  Tape t(Mode::inference);
  const Var bias = b.defined() ? t.constant(b) : Var();
  return conv_transpose2d(t.constant(x), t.constant(w), bias, options).value().clone();
}

double dot(const Tensor& a, const Tensor& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * double{b[i]};
  return sum;
}

}  // namespace

TEST_CASE("transposed convolution adds a kernel for every input pixel") {
  double wrong = 0;
  for (uint64_t trial = 0; trial < 150; ++trial) {
    Random random(1, Purpose::test, trial);
    const Case c = random_case(random);
    INFO(join("x ", c.x, ", w ", c.w, ", stride ", c.options.stride, ", padding ",
              c.options.padding, ", output padding ", c.options.output_padding, ", dilation ",
              c.options.dilation, ", groups ", c.options.groups));
    const Tensor x = random_tensor(c.x, 2 * trial), w = random_tensor(c.w, 2 * trial + 1);
    const Tensor b = random_tensor({c.w[3] * c.options.groups}, trial);
    const Tensor y = transposed(x, w, b, c.options);
    CHECK(max_abs_difference(y, scattered(x, w, b, y.shape(), c.options)) < 2e-5);
    ConvTranspose2dOptions other = c.options;
    ++other.padding;
    wrong += max_abs_difference(y, scattered(x, w, b, y.shape(), other)) > 1e-3 ? 1 : 0;
  }
  CHECK(wrong > 140);  // the comparison sees a kernel that lands a pixel too early
}

TEST_CASE("transposed convolution is the adjoint of convolution: <conv x, z> = <x, conv' z>") {
  for (uint64_t trial = 0; trial < 50; ++trial) {
    Random random(2, Purpose::test, trial);
    Case c = random_case(random);
    // The size that conv2d takes back to the input's; more output padding than stride would not be.
    c.options.output_padding = std::min(c.options.output_padding, c.options.stride - 1);
    const Tensor z = random_tensor(c.x, trial), w = random_tensor(c.w, trial + 100);
    const Conv2dOptions conv{.stride = c.options.stride,
                             .padding = c.options.padding,
                             .dilation = c.options.dilation,
                             .groups = c.options.groups};
    Tape t(Mode::shapes);
    const auto make = [&] {
      return conv_transpose2d(t.placeholder(c.x), t.placeholder(c.w), {}, c.options).shape();
    };
    Shape shape;
    try {
      shape = make();
    } catch (const Error&) {
      continue;  // too small without the output padding
    }
    const Tensor x = random_tensor(shape, trial + 200);
    Tape tape(Mode::inference);
    const Tensor y = conv2d(tape.constant(x), tape.constant(w), {}, conv).value();
    CHECK(dot(y, z) == Approx(dot(x, transposed(z, w, {}, c.options))).margin(1e-3));
  }
}

TEST_CASE("what transposed convolution is known for") {
  SECTION("an uneven overlap: the checkerboard of 1, 2 and 4 kernels per pixel") {
    const Tensor y = transposed(Tensor({1, 4, 4, 1}, 1), Tensor({1, 3, 3, 1}, 1), {},
                                {.stride = 2, .padding = 1, .output_padding = 1});
    REQUIRE(y.shape() == Shape{1, 8, 8, 1});
    for (size_t h = 0; h < 7; ++h) {
      for (size_t v = 0; v < 7; ++v)
        CHECK(y[h * 8 + v] == static_cast<Scalar>((1 + h % 2) * (1 + v % 2)));
    }
    CHECK(y[7 * 8 + 7] == 1);  // output padding is computed, too
  }
  SECTION("where no kernel reaches, the bias is left") {
    const Tensor y = transposed(Tensor({1, 2, 2, 1}, 1), Tensor({1, 2, 2, 1}, 1),
                                Tensor({1}, Scalar(0.5)), {.stride = 3, .output_padding = 2});
    REQUIRE(y.shape() == Shape{1, 7, 7, 1});
    for (size_t h = 0; h < 7; ++h) {
      for (size_t v = 0; v < 7; ++v) {
        const bool reached = h % 3 < 2 && v % 3 < 2 && h < 5 && v < 5;
        CHECK(y[h * 7 + v] == (reached ? Scalar(1.5) : Scalar(0.5)));
      }
    }
  }
  SECTION("a 1x1 convolution and a pixel shuffle are one with stride = kernel") {
    const int r = 3, in = 4, out = 2;
    const Tensor x = random_tensor({2, 3, 2, in}, 1), w = random_tensor({in, r, r, out}, 2);
    const Tensor point({out * r * r, 1, 1, in});
    for (size_t i = 0; i < in; ++i) {
      for (size_t k = 0; k < r * r; ++k) {
        for (size_t c = 0; c < out; ++c) {
          point[(c * r * r + k) * in + i] = w[(i * r * r + k) * out + c];
        }
      }
    }
    Tape t(Mode::inference);
    const Var shuffled = pixel_shuffle(conv2d(t.constant(x), t.constant(point), {}), r);
    CHECK(max_abs_difference(shuffled.value(), transposed(x, w, {}, {.stride = r})) < 1e-5);
  }
}

TEST_CASE("pixel shuffle puts r^2 channels into r x r pixels, and its inverse takes them back") {
  for (const int r : {1, 2, 3}) {
    const int h = 2, w = 3, c = 2;
    const Tensor x = random_tensor({2, h, w, c * r * r}, 3);
    Tape t(Mode::inference);
    const Var y = pixel_shuffle(t.constant(x), r);
    REQUIRE(y.shape() == Shape{2, h * r, w * r, c});
    size_t to = 0;
    for (int n = 0; n < 2; ++n) {
      for (int row = 0; row < h * r; ++row) {
        for (int column = 0; column < w * r; ++column) {
          for (int k = 0; k < c; ++k, ++to) {
            const int channel = k * r * r + row % r * r + column % r;
            const int pixel = (n * h + row / r) * w + column / r;
            REQUIRE(y.value()[to] == x[static_cast<size_t>(pixel * c * r * r + channel)]);
          }
        }
      }
    }
    CHECK(max_abs_difference(pixel_unshuffle(y, r).value(), x) == 0);
  }
}

TEST_CASE("transposed convolutions count a multiply-add per weight and input pixel") {
  Random init(1, Purpose::init);
  ConvTranspose2d up(6, 4, 4, {.stride = 2, .padding = 1, .groups = 2}, init);
  const Graph graph = trace(up, {1, 5, 7, 6});
  CHECK(graph.output_shape() == Shape{1, 10, 14, 4});
  CHECK(graph.nodes[0].op->macs(std::vector<Shape>{{1, 5, 7, 6}, {6, 4, 4, 2}}, {}) ==
        5 * 7 * 6 * 4 * 4 * 2);
  CHECK_THROWS_AS(ConvTranspose2d(6, 4, 4, {.groups = 4}, init), Error);
  CHECK_THROWS_AS(ConvTranspose2d(6, 0, 4, {}, init), Error);
}

namespace {

// Walks back from y with dy as its gradient: that of the mean squared distance to y - dy n / 2.
void backward_from(Var y, const Tensor& dy) {
  const Tensor target = y.value().clone();
  for (size_t i = 0; i < target.size(); ++i) {
    target[i] -= dy[i] * static_cast<Scalar>(dy.size()) / 2;
  }
  y.tape().backward(mean_squared_error(y, y.tape().constant(target)));
}

constexpr double tolerance = 1e-5;

// Whether y and the gradients by all inputs (in the fixture: <prefix>.y, .d<input>) are PyTorch's.
void check_against(const LayerFixture& fixture, const std::string& prefix, Var y,
                   const std::vector<std::pair<std::string, Var>>& inputs) {
  INFO(prefix);
  REQUIRE(y.shape() == fixture.get(prefix + ".y").shape());
  CHECK(relative_difference(y.value(), fixture.get(prefix + ".y")) < tolerance);
  if (y.shape() == Shape{1}) {
    y.tape().backward(y);
  } else {
    backward_from(y, fixture.given(prefix + ".dy"));
  }
  for (const auto& [name, value] : inputs) {
    INFO(name);
    CHECK(relative_difference(value.grad(), fixture.get(prefix + ".d" + name)) < tolerance);
  }
}

ConvTranspose2dOptions settings_of(const LayerFixture& fixture, const std::string& prefix) {
  const Tensor& t = fixture.get(prefix + ".settings");
  const auto at = [&](size_t i) { return static_cast<int>(t[i]); };
  return {at(0), at(1), at(2), at(3), at(4)};
}

}  // namespace

TEST_CASE("transposed convolution agrees with PyTorch's, value and gradients") {
  const LayerFixture fixture("spatial");
  int cases = 0;
  for (;; ++cases) {
    const std::string prefix = join("transposed.", cases);
    if (!fixture.holds(prefix + ".x")) break;
    Tape t(Mode::training);
    const Var x = t.variable(fixture.given(prefix + ".x")),
              w = t.variable(fixture.given(prefix + ".w"));
    const Var b = t.variable(fixture.given(prefix + ".b"));
    const Var y = conv_transpose2d(x, w, b, settings_of(fixture, prefix));
    check_against(fixture, prefix, y, {{"x", x}, {"w", w}, {"b", b}});
  }
  CHECK(cases == 12);
}

TEST_CASE("a transposed convolution that is off is noticed") {
  const LayerFixture fixture("spatial");
  const std::string prefix = "transposed.0";
  ConvTranspose2dOptions options = settings_of(fixture, prefix);
  const Tensor x = fixture.given(prefix + ".x"), b = fixture.given(prefix + ".b");
  const Tensor w = fixture.given(prefix + ".w");
  w[0] *= Scalar(1.01);
  CHECK(relative_difference(transposed(x, w, b, options), fixture.get(prefix + ".y")) > tolerance);
}

TEST_CASE("dilated convolution agrees with PyTorch's, value and gradients") {
  const LayerFixture fixture("spatial");
  int cases = 0;
  for (;; ++cases) {
    const std::string prefix = join("dilated.", cases);
    if (!fixture.holds(prefix + ".x")) break;
    INFO(prefix);
    const auto setting = [&](size_t i) {
      return static_cast<int>(fixture.get(prefix + ".settings")[i]);
    };
    Conv2dOptions options{
        .stride = setting(0), .padding = setting(1), .dilation = setting(2), .groups = setting(3)};
    Tape t(Mode::training);
    const Var x = t.variable(fixture.given(prefix + ".x")),
              w = t.variable(fixture.given(prefix + ".w")),
              b = t.variable(fixture.given(prefix + ".b"));
    const Var y = conv2d(x, w, b, options);
    check_against(fixture, prefix, y, {{"x", x}, {"w", w}, {"b", b}});
  }
  CHECK(cases == 5);
}

TEST_CASE("pixel shuffles agree with PyTorch's, value and gradient") {
  const LayerFixture fixture("spatial");
  for (const auto& [name, op] :
       {std::pair{"shuffle", &pixel_shuffle}, {"unshuffle", &pixel_unshuffle}}) {
    Tape t(Mode::training);
    const Var x = t.variable(fixture.given(join(name, ".x")));
    check_against(fixture, name, op(x, 2), {{"x", x}});
  }
}

TEST_CASE("squeeze and excitation agrees with PyTorch's, value and gradients") {
  const LayerFixture fixture("spatial");
  Random init(1, Purpose::init);
  SqueezeExcite gate(6, 4, init);
  for (Parameter* p : gate.parameters()) p->value.copy_from(fixture.given("gate." + p->name));
  Tape t(Mode::training);
  const Var x = t.variable(fixture.given("gate.x"));
  check_against(fixture, "gate", gate.forward(x), {{"x", x}});
  for (const Parameter* p : gate.parameters()) {
    INFO(p->name);
    CHECK(relative_difference(p->grad, fixture.get("gate.d" + p->name)) < tolerance);
  }
}

TEST_CASE("losses on pictures agree with PyTorch's, value and gradients") {
  const LayerFixture fixture("spatial");
  Tape t(Mode::training);
  const Var logits = t.variable(fixture.given("pixel_loss.x"));
  const Var labels = t.constant(fixture.get("pixel_loss.labels"));
  check_against(fixture, "pixel_loss", cross_entropy(logits, labels, 0.1F), {{"x", logits}});
  Tape other(Mode::training);
  const Var x = other.variable(fixture.given("square_loss.x"));
  const Var target = other.variable(fixture.given("square_loss.target"));
  check_against(fixture, "square_loss", mean_squared_error(x, target),
                {{"x", x}, {"target", target}});
}
