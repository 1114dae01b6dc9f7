// Every row of the convolution tables against the plain loop, over random shapes, strides,
// paddings, dilations, groups and odd widths.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/kernels/conv.h"
#include "engine/kernels/tile.h"
#include "engine/parallel.h"
#include "engine/random.h"
#include "tests/catch.h"

using namespace bonsai;

namespace {

Tensor random_tensor(Shape shape, Random& random) {
  Tensor t = Tensor::uninitialized(std::move(shape));
  for (size_t i = 0; i < t.size(); ++i) t[i] = random.normal();
  return t;
}

// Small and awkward: every combination of kernel, stride, padding, dilation and groups turns up.
ConvShape random_shape(Random& random) {
  for (;;) {
    ConvShape s{};
    s.n = random.between(1, 5);
    s.h = random.between(1, 11);
    s.w = random.between(1, 11);
    s.groups = random.chance(0.5F) ? 1 : random.between(2, 5);
    const bool depthwise = s.groups > 1 && random.chance(0.5F);
    s.in = s.groups * (depthwise ? 1 : random.between(1, 9));
    s.out = s.groups * (depthwise && random.chance(0.7F) ? 1 : random.between(1, 9));
    s.kh = random.between(1, 4);
    s.kw = random.chance(0.7F) ? s.kh : random.between(1, 4);
    s.stride = random.between(1, 3);
    s.padding = random.between(0, 3);
    s.dilation = random.between(1, 3);
    const int out_h = s.h + 2 * s.padding - s.dilation * (s.kh - 1) - 1;
    const int out_w = s.w + 2 * s.padding - s.dilation * (s.kw - 1) - 1;
    if (out_h < 0 || out_w < 0) continue;
    s.out_h = out_h / s.stride + 1;
    s.out_w = out_w / s.stride + 1;
    // A transposed convolution can have a row more than its input reaches.
    if (s.out_h > 1 && random.chance(0.2F)) --s.out_h;
    return s;
  }
}

// Large enough for several blocks and chunks.
const std::vector<ConvShape> large_shapes = {
    {3, 33, 31, 3, 33, 31, 16, 3, 3, 1, 1, 1, 1},
    {2, 24, 24, 33, 24, 24, 31, 3, 3, 1, 1, 1, 1},
    // So many weights for few pixels that threads share Winograd's outputs, not its tiles.
    {9, 7, 7, 90, 7, 7, 100, 3, 3, 1, 1, 1, 1},
    {2, 24, 24, 40, 12, 12, 72, 3, 3, 2, 1, 1, 2},
    {33, 21, 20, 66, 11, 10, 70, 1, 1, 2, 0, 1, 1},
    {70, 2, 2, 130, 2, 2, 250, 3, 3, 1, 1, 1, 1},
    {9, 26, 26, 20, 26, 26, 24, 3, 3, 1, 1, 1, 1},
    {3, 20, 20, 64, 20, 20, 96, 1, 1, 1, 0, 1, 4},
    {2, 21, 21, 37, 11, 11, 37, 3, 3, 2, 1, 1, 37},
    {1, 40, 40, 8, 36, 36, 24, 3, 3, 1, 0, 2, 1},
    {4, 14, 14, 34, 14, 14, 34, 3, 3, 1, 1, 1, 17},
    // Groups of 2, 4, 8 and 1 channels, in numbers that do and do not fill vectors; then 2 to 4, 3
    // to 5 and 1 to 2 channels, dilated, with wide padding.
    {2, 13, 12, 48, 13, 12, 48, 3, 3, 1, 1, 1, 24},
    {2, 9, 11, 92, 9, 11, 92, 3, 3, 1, 1, 1, 23},
    {3, 8, 9, 104, 8, 9, 104, 3, 3, 1, 1, 1, 13},
    {2, 7, 31, 61, 4, 16, 61, 3, 3, 2, 1, 1, 61},
    {17, 12, 12, 22, 6, 6, 44, 3, 3, 2, 1, 1, 11},
    {2, 11, 9, 21, 8, 7, 35, 3, 3, 2, 4, 2, 7},
    {2, 10, 13, 19, 4, 5, 38, 4, 4, 3, 2, 1, 19},
    {2, 5, 5, 40, 5, 5, 40, 1, 1, 1, 0, 1, 10},
    {7, 13, 12, 69, 13, 12, 60, 1, 1, 1, 0, 1, 3},
    // Small groups: several images at a time, several lots of lines that end with an odd one, such
    // lots copied, a last line that images reach beyond, and kernels taken apart.
    {9, 4, 4, 64, 4, 4, 64, 3, 3, 1, 1, 1, 64},
    {6, 2, 2, 160, 1, 1, 160, 3, 3, 2, 1, 1, 160},
    {1, 33, 37, 64, 17, 19, 64, 3, 3, 2, 1, 1, 64},
    {1, 35, 33, 48, 35, 33, 48, 3, 3, 1, 1, 1, 24},
    {1, 39, 41, 44, 20, 21, 88, 3, 3, 2, 1, 1, 22},
    {2, 4, 4, 5, 1, 1, 5, 3, 3, 2, 0, 1, 5},
    {3, 9, 9, 40, 9, 9, 40, 5, 5, 1, 2, 1, 40},
};

std::string describe(const char* kernel, const ConvShape& s) {
  return join(kernel, ": x [", s.n, ",", s.h, ",", s.w, ",", s.in, "] out ", s.out, " kernel ",
              s.kh, "x", s.kw, " stride ", s.stride, " padding ", s.padding, " dilation ",
              s.dilation, " groups ", s.groups);
}

// A sum of `terms` products of unit normals, in another order: off by about sqrt(terms) roundings,
// the plain loop's as well, and by a few more where Winograd's transforms add and cancel.
double tolerance(int64_t terms) { return 1e-6 * (4 + std::sqrt(static_cast<double>(terms)) * 16); }

struct Operands {
  Tensor x, w, b, y, dy, dx, dw;
  explicit Operands(const ConvShape& s, Random& random)
      : x(random_tensor({s.n, s.h, s.w, s.in}, random)),
        w(random_tensor({s.out, s.kh, s.kw, s.group_in()}, random)),
        b(random_tensor({s.out}, random)),
        y(random_tensor({s.n, s.out_h, s.out_w, s.out}, random)),
        dy(random_tensor(y.shape(), random)),
        dx(random_tensor(x.shape(), random)),
        dw(random_tensor(w.shape(), random)) {}
};

// w as the row reads it, so that half of the calls have weights that are packed already.
template <class Call>
Tensor packed_if(bool wanted, const ConvKernel<Call>& kernel, const ConvShape& s, const Tensor& w) {
  return wanted && kernel.pack != nullptr ? kernel.pack(s, w.data()) : Tensor();
}

void check_forward(const ConvShape& s, Random& random) {
  const Operands o(s, random);
  for (const bool add : {false, true}) {
    const Activation activation{add ? Activation::none : Activation::relu, 0};
    const ConvForward call{.shape = s,
                           .x = o.x.data(),
                           .w = o.w.data(),
                           .b = add ? nullptr : o.b.data(),
                           .y = nullptr,
                           .add = add,
                           .activation = activation};
    const Tensor expected = o.y.clone();
    ConvForward reference = call;
    reference.y = expected.data();
    conv_forward_plain(reference);
    for (const auto& kernel : conv_forward_kernels()) {
      if (!kernel.fits(s)) continue;
      const Tensor y = o.y.clone(), packed = packed_if(add, kernel, s, o.w);
      ConvForward c = call;
      c.y = y.data();
      c.packed = packed.data();
      kernel.run(c);
      INFO(describe(kernel.name, s) << (add ? ", add" : ""));
      CHECK(max_abs_difference(y, expected) < tolerance(s.depth()));
    }
  }
}

void check_backward_data(const ConvShape& s, Random& random) {
  const Operands o(s, random);
  for (const bool add : {false, true}) {
    const Tensor expected = o.dx.clone();
    conv_backward_data_plain({s, o.dy.data(), o.w.data(), expected.data(), add});
    for (const auto& kernel : conv_backward_data_kernels()) {
      if (!kernel.fits(s)) continue;
      const Tensor dx = o.dx.clone(), packed = packed_if(add, kernel, s, o.w);
      kernel.run({s, o.dy.data(), o.w.data(), dx.data(), add, packed.data()});
      INFO(describe(kernel.name, s) << (add ? ", add" : ""));
      CHECK(max_abs_difference(dx, expected) < tolerance(int64_t{s.taps()} * s.group_out()));
    }
  }
}

void check_backward_weights(const ConvShape& s, Random& random) {
  const Operands o(s, random);
  for (const bool add : {false, true}) {
    const Tensor expected = o.dw.clone();
    conv_backward_weights_plain({s, o.x.data(), o.dy.data(), expected.data(), add});
    for (const auto& kernel : conv_backward_weights_kernels()) {
      if (!kernel.fits(s)) continue;
      const Tensor dw = o.dw.clone();
      kernel.run({s, o.x.data(), o.dy.data(), dw.data(), add});
      INFO(describe(kernel.name, s) << (add ? ", add" : ""));
      CHECK(max_abs_difference(dw, expected) < tolerance(s.pixels()));
    }
  }
}

// Both derivatives in one call, dx where x is, and where it has been before.
void check_backward(const ConvShape& s, Random& random) {
  const Operands o(s, random);
  for (const bool add : {false, true}) {
    const Tensor plain_dx = o.dx.clone(), plain_dw = o.dw.clone(), dw = o.dw.clone();
    conv_backward_data_plain({s, o.dy.data(), o.w.data(), plain_dx.data(), add});
    conv_backward_weights_plain({s, o.x.data(), o.dy.data(), plain_dw.data(), add});
    const Tensor x = o.x.clone(), dx = add ? o.dx.clone() : x;
    const Tensor packed = add ? conv_pack_backward_data(s, o.w.data()) : Tensor();
    conv_backward({.shape = s,
                   .dy = o.dy.data(),
                   .w = o.w.data(),
                   .dx = dx.data(),
                   .add = add,
                   .packed = packed.data()},
                  {.shape = s, .x = x.data(), .dy = o.dy.data(), .dw = dw.data(), .add = add});
    INFO(describe("both derivatives", s) << (add ? ", add" : ""));
    CHECK(max_abs_difference(dx, plain_dx) < tolerance(int64_t{s.taps()} * s.group_out()));
    CHECK(max_abs_difference(dw, plain_dw) < tolerance(s.pixels()));
    CHECK((!add || max_abs_difference(x, o.x) == 0));
    // Each alone gives the same bits.
    const Tensor dx_alone = o.dx.clone(), dw_alone = o.dw.clone();
    conv_backward_data({s, o.dy.data(), o.w.data(), dx_alone.data(), add});
    conv_backward_weights({s, o.x.data(), o.dy.data(), dw_alone.data(), add});
    CHECK(max_abs_difference(dx, dx_alone) == 0);
    CHECK(max_abs_difference(dw, dw_alone) == 0);
  }
}

void check_all(const ConvShape& s, Random& random) {
  check_forward(s, random);
  check_backward_data(s, random);
  check_backward_weights(s, random);
  check_backward(s, random);
}

}  // namespace

TEST_CASE("convolution: every kernel agrees with the plain loop on random shapes") {
  for (uint32_t trial = 0; trial < 300; ++trial) {
    Random random(1, Purpose::test, trial);
    check_all(random_shape(random), random);
  }
  // A column more than windows reach, from few channels.
  Random random(2, Purpose::test);
  check_all({2, 4, 5, 9, 6, 6, 2, 3, 3, 1, 2, 1, 1}, random);
}

TEST_CASE("convolution: Winograd's rows agree with the plain loop on odd widths and borders") {
  for (uint32_t trial = 0; trial < 24; ++trial) {
    Random random(6, Purpose::test, trial);
    ConvShape s{};
    const bool slices = trial % 8 == 0;  // many inputs, one block of outputs
    s.n = random.between(4, 5);
    s.h = random.between(13, 18);
    s.w = random.between(13, 18);
    s.in = slices ? random.between(100, 150) : random.between(8, 40);
    s.out = slices ? random.between(8, 16) : random.between(8, 72);
    s.kh = s.kw = 3;
    s.stride = s.dilation = s.groups = 1;
    s.padding = random.between(0, 2);
    s.out_h = s.h + 2 * s.padding - 2;
    s.out_w = s.w + 2 * s.padding - 2;
    if (tile_kernels() != nullptr) REQUIRE(conv_winograd_fits(s));
    check_all(s, random);
  }
  // Weights of two blocks of sums, and of so many that threads take one each; such as are beyond
  // the second cache, of one block of outputs or two.
  Random random(6, Purpose::test, 24);
  check_backward_weights({32, 3, 3, 180, 3, 3, 190, 3, 3, 1, 1, 1, 1}, random);
  check_backward_weights({32, 3, 3, 257, 3, 3, 258, 3, 3, 1, 1, 1, 1}, random);
  check_forward({5, 13, 13, 240, 13, 13, 40, 3, 3, 1, 1, 1, 1}, random);
}

TEST_CASE("convolution: both derivatives by Winograd's rows at once agree with the plain loop") {
  // One part of the tiles and several, slices of inputs, and such that it takes one by one.
  const std::vector<ConvShape> at_once = {{13, 17, 18, 19, 17, 18, 37, 3, 3, 1, 1, 1, 1},
                                          {4, 32, 31, 150, 32, 31, 12, 3, 3, 1, 1, 1, 1},
                                          {6, 14, 15, 70, 16, 17, 90, 3, 3, 1, 2, 1, 1},
                                          {7, 16, 14, 33, 14, 12, 8, 3, 3, 1, 0, 1, 1},
                                          {9, 6, 7, 16, 10, 11, 16, 3, 3, 1, 3, 1, 1}};
  const std::vector<ConvShape> apart = {{5, 13, 13, 8, 13, 13, 120, 3, 3, 1, 1, 1, 1},
                                        {5, 13, 13, 200, 13, 13, 170, 3, 3, 1, 1, 1, 1}};
  Random random(13, Purpose::test);
  for (const ConvShape& s : at_once) {
    if (tile_kernels() != nullptr) CHECK(conv_backward_winograd_fits(s));
    check_backward(s, random);
  }
  for (const ConvShape& s : apart) {
    CHECK_FALSE(conv_backward_winograd_fits(s));
    check_backward(s, random);
  }
}

TEST_CASE("convolution: what is not wanted of both derivatives is left out") {
  Random random(14, Purpose::test);
  const ConvShape s{4, 13, 13, 16, 13, 13, 24, 3, 3, 1, 1, 1, 1};
  const Operands o(s, random);
  const Tensor both_dx(o.dx.shape()), both_dw(o.dw.shape());
  const auto run = [&](Scalar* dx, Scalar* dw) {
    conv_backward({.shape = s, .dy = o.dy.data(), .w = o.w.data(), .dx = dx},
                  {.shape = s, .x = o.x.data(), .dy = o.dy.data(), .dw = dw});
  };
  run(both_dx.data(), both_dw.data());
  const Tensor dx = o.dx.clone(), dw = o.dw.clone();  // other numbers, so that both must be written
  run(dx.data(), nullptr);
  run(nullptr, dw.data());
  run(nullptr, nullptr);
  CHECK(max_abs_difference(dx, both_dx) < tolerance(int64_t{s.taps()} * s.out));
  CHECK(max_abs_difference(dw, both_dw) < tolerance(s.pixels()));
}

TEST_CASE("convolution: small maps agree with the plain loop where taps meet padding") {
  const int lanes = tile_kernels() != nullptr ? tile_kernels()->lanes : 1;
  int fitting = 0, weights_fitting = 0;
  for (uint32_t trial = 0; trial < 60; ++trial) {
    Random random(9, Purpose::test, trial);
    ConvShape s{};
    s.n = trial % 20 == 0 ? random.between(129, 150) : random.between(24, 40);
    s.h = random.between(1, 3);
    s.w = random.between(1, 3);
    s.in = random.chance(0.6F) ? lanes * random.between(1, 3) : random.between(2, 40);
    s.out = random.between(2, 60);
    s.kh = random.between(2, 5);
    s.kw = random.chance(0.7F) ? s.kh : random.between(2, 5);
    s.stride = random.between(1, 2);
    s.dilation = random.between(1, 2);
    s.groups = 1;
    s.padding = random.between(1, 4);
    s.out_h = (s.h + 2 * s.padding - s.dilation * (s.kh - 1) - 1) / s.stride + 1;
    s.out_w = (s.w + 2 * s.padding - s.dilation * (s.kw - 1) - 1) / s.stride + 1;
    if (s.out_h < 1 || s.out_w < 1 || !conv_small_maps_fits(s)) continue;
    ++fitting;
    weights_fitting += conv_backward_weights_small_maps_fits(s) ? 1 : 0;
    check_all(s, random);
  }
  if (tile_kernels() == nullptr) return skip("this processor has no row for small maps");
  CHECK(fitting > 20);
  CHECK(weights_fitting > 10);
}

TEST_CASE("convolution: stems agree with the plain loop on one and more vectors of outputs") {
  for (uint32_t trial = 0; trial < 24; ++trial) {
    Random random(11, Purpose::test, trial);
    ConvShape s{};
    s.n = random.between(1, 3);
    s.h = random.between(4, 24);
    s.w = random.between(6, trial % 8 == 0 ? 400 : 24);  // one line of a long one fills the cache
    s.in = random.between(1, 4);
    s.out = random.between(10, 70);
    s.kh = random.between(1, 4);
    s.kw = random.between(2, 5);
    s.stride = random.between(1, 2);
    s.padding = random.between(0, 2);
    s.dilation = s.groups = 1;
    s.out_h = (s.h + 2 * s.padding - s.kh) / s.stride + 1;
    s.out_w = (s.w + 2 * s.padding - s.kw) / s.stride + 1;
    if (tile_kernels() != nullptr) REQUIRE(conv_stem_fits(s));
    check_forward(s, random);
    check_backward_weights(s, random);
  }
}

TEST_CASE("convolution: all phases in one tile agree with the plain loop on odd sizes and groups") {
  int fitting = 0;
  for (uint32_t trial = 0; trial < 40; ++trial) {
    Random random(10, Purpose::test, trial);
    ConvShape s{};
    s.n = random.between(1, 3);
    s.h = random.between(1, 9);
    s.w = random.between(6, 17);
    s.groups = random.chance(0.7F) ? 1 : random.between(2, 3);
    s.in = s.groups * random.between(12, 34);
    s.out = s.groups * (random.chance(0.3F) ? random.between(49, 60) : random.between(1, 20));
    s.kh = s.kw = 3;
    s.stride = 2;
    s.padding = s.dilation = 1;
    s.out_h = (s.h + 1) / 2;
    s.out_w = (s.w + 1) / 2 - (random.chance(0.2F) ? 1 : 0);
    if (!conv_phases_tiles_fits(s)) continue;
    ++fitting;
    check_backward_data(s, random);
  }
  if (fitting == 0) return skip("this processor has no row for all phases");
  CHECK(fitting > 15);
}

TEST_CASE("convolution: tiles of whole pixels agree with the plain loop on odd widths and groups") {
  for (uint32_t trial = 0; trial < 24; ++trial) {
    Random random(8, Purpose::test, trial);
    ConvShape s{};
    s.n = random.between(2, 5);
    s.h = s.out_h = random.between(10, 12);
    s.w = s.out_w = random.between(10, 12);
    s.groups = random.chance(0.4F) ? 1 : random.between(2, 8);
    s.in = s.groups * random.between(2, 50);
    s.out = s.groups * random.between(2, 50);
    s.kh = s.kw = s.stride = s.dilation = 1;
    if (tile_kernels() != nullptr) REQUIRE(conv_pointwise_tiles_fits(s));
    check_all(s, random);
  }
}

// So many that slices of their sums take turns, in the order of dw and in others.
TEST_CASE("convolution: many weights of 1x1 layers agree with the plain loop") {
  struct Channels {
    int in, out, groups;
  };
  uint32_t trial = 0;
  for (const Channels& c : {Channels{384, 400, 1}, {371, 384, 1}, {395, 359, 1}, {548, 540, 2}}) {
    Random random(12, Purpose::test, trial++);
    ConvShape s{};
    s.n = 2;
    s.h = s.out_h = 17;
    s.w = s.out_w = 16;
    s.in = c.in;
    s.out = c.out;
    s.groups = c.groups;
    s.kh = s.kw = s.stride = s.dilation = 1;
    if (tile_kernels() != nullptr) REQUIRE(conv_backward_weights_pointwise_tiles_fits(s));
    check_backward_weights(s, random);
  }
}

// The rows that run, since the others read the groups one after the other. Both kinds: tiles, and
// copies where a vector does not hold whole rounds of the groups or the kernel is larger.
TEST_CASE("convolution: groups that take turns agree with the plain loop") {
  for (uint32_t trial = 0; trial < 30; ++trial) {
    Random random(9, Purpose::test, trial);
    ConvShape s = random_shape(random);
    if (trial % 3 > 0) {
      s.n = random.between(3, 5);
      s.h = s.out_h = s.w = s.out_w = random.between(9, 11);
      s.groups = trial % 3 == 1 ? 2 << random.between(0, 2) : random.between(2, 7);
      s.in = s.groups * random.between(2, 26);
      s.out = s.groups * random.between(2, 26);
      s.kh = s.kw = s.stride = s.dilation = 1;
      s.padding = 0;
    }
    s.interleaved = true;
    const Operands o(s, random);
    for (const bool add : {false, true}) {
      const Activation activation{add ? Activation::none : Activation::relu, 0};
      const Scalar* b = add ? nullptr : o.b.data();
      const Tensor y = o.y.clone(), dx = o.dx.clone(), dw = o.dw.clone();
      const Tensor plain_y = y.clone(), plain_dx = dx.clone(), plain_dw = dw.clone();
      INFO(describe("interleaved", s) << (add ? ", add" : ""));
      conv_forward_plain({s, o.x.data(), o.w.data(), b, plain_y.data(), add, activation});
      conv_forward({s, o.x.data(), o.w.data(), b, y.data(), add, activation});
      CHECK(max_abs_difference(y, plain_y) < tolerance(s.depth()));
      conv_backward_data_plain({s, o.dy.data(), o.w.data(), plain_dx.data(), add});
      conv_backward_data({s, o.dy.data(), o.w.data(), dx.data(), add});
      CHECK(max_abs_difference(dx, plain_dx) < tolerance(int64_t{s.taps()} * s.group_out()));
      conv_backward_weights_plain({s, o.x.data(), o.dy.data(), plain_dw.data(), add});
      conv_backward_weights({s, o.x.data(), o.dy.data(), dw.data(), add});
      CHECK(max_abs_difference(dw, plain_dw) < tolerance(s.pixels()));
      // The same channels one group after the other are another convolution.
      if (s.groups == 1 || s.groups == s.in || add) continue;
      ConvShape in_order = s;
      in_order.interleaved = false;
      conv_forward({in_order, o.x.data(), o.w.data(), b, y.data(), add, activation});
      CHECK(max_abs_difference(y, plain_y) > tolerance(s.depth()));
    }
  }
}

// What F(4x4, 3x3) costs in accuracy, measured against sums in double precision: the terms that
// cancel in its transforms leave their rounding errors behind.
TEST_CASE("convolution: Winograd's error stays below 1e-5 of the largest output") {
  Random random(7, Purpose::test);
  const ConvShape s{8, 8, 8, 256, 8, 8, 32, 3, 3, 1, 1, 1, 1};
  if (!conv_winograd_fits(s)) return skip("this processor has no row for Winograd");
  const Operands o(s, random);
  conv_forward_winograd({s, o.x.data(), o.w.data(), nullptr, o.y.data(), false, {}});
  double worst = 0, largest = 0;
  for (int oh = 0; oh < s.out_h; ++oh) {
    for (int out = 0; out < s.out; ++out) {
      double sum = 0;
      for (int tap = 0; tap < 9; ++tap) {
        const int h = oh + tap / 3 - 1, w = 3 + tap % 3 - 1;
        if (h < 0 || h >= s.h) continue;
        for (int i = 0; i < s.in; ++i) {
          sum += static_cast<double>(o.x[static_cast<size_t>((h * s.w + w) * s.in + i)]) *
                 static_cast<double>(o.w[static_cast<size_t>((out * 9 + tap) * s.in + i)]);
        }
      }
      const double got = o.y[static_cast<size_t>((oh * s.out_w + 3) * s.out + out)];
      REQUIRE(std::isfinite(got));  // the largest of numbers passes over what is none
      worst = std::max(worst, std::abs(got - sum));
      largest = std::max(largest, std::abs(sum));
    }
  }
  CHECK(worst < 1e-5 * largest);
}

TEST_CASE("convolution: every kernel agrees with the plain loop on several blocks", "[slow]") {
  Random random(2, Purpose::test);
  for (const ConvShape& s : large_shapes) check_all(s, random);
}

// Channels of a wider x, which are packed while it runs, against the same channels copied first.
TEST_CASE("convolution: chosen channels are read as if they were all there is") {
  for (uint32_t trial = 0; trial < 80; ++trial) {
    Random random(8, Purpose::test, trial);
    ConvShape s = random_shape(random);
    if (trial % 8 == 0) s = large_shapes[trial / 8];
    const Operands o(s, random);
    const int pitch = s.in + random.between(1, 9);
    const Tensor wide = random_tensor({s.n, s.h, s.w, pitch}, random), y = o.y.clone();
    std::vector<int> channels = permutation(pitch, random);
    channels.resize(static_cast<size_t>(s.in));
    if (random.chance(0.8F)) std::sort(channels.begin(), channels.end());
    for (size_t i = 0; i < o.x.size(); ++i) {
      const size_t in = static_cast<size_t>(s.in), pixel = i / in;
      o.x[i] = wide[pixel * static_cast<size_t>(pitch) + static_cast<size_t>(channels[i % in])];
    }
    ConvForward call{.shape = s,
                     .x = o.x.data(),
                     .w = o.w.data(),
                     .b = o.b.data(),
                     .y = o.y.data(),
                     .activation = {Activation::relu, 0}};
    conv_forward_plain(call);
    call.x = wide.data();
    call.y = y.data();
    call.channels = channels;
    call.pitch = pitch;
    INFO(describe(conv_forward_row(conv_sampled_part(s)).c_str(), s));
    conv_forward(call);
    CHECK(max_abs_difference(y, o.y) < tolerance(s.depth()));
    const Tensor packed = conv_pack(conv_sampled_part(s), o.w.data()), again = y.clone();
    call.packed = packed.data();
    call.y = again.data();
    conv_forward(call);
    CHECK(max_abs_difference(again, y) == 0);
    // Other channels are another result.
    if (s.in < 2 || s.groups > 1) continue;
    std::swap(channels.front(), channels.back());
    conv_forward(call);
    CHECK(max_abs_difference(again, y) > 0);
  }
}

TEST_CASE("convolution: a wrong result is noticed") {
  Random random(3, Purpose::test);
  const ConvShape s{2, 7, 6, 5, 7, 6, 4, 3, 3, 1, 1, 1, 1};
  const Operands o(s, random);
  const Tensor expected = o.y.clone(), off = o.y.clone();
  conv_forward_plain({s, o.x.data(), o.w.data(), o.b.data(), expected.data(), false, {}});
  ConvShape shifted = s;
  shifted.padding = 0;  // the window starts one pixel too late
  conv_forward_plain({shifted, o.x.data(), o.w.data(), o.b.data(), off.data(), false, {}});
  CHECK(max_abs_difference(off, expected) > 100 * tolerance(s.depth()));
}

TEST_CASE("convolution: the bits do not depend on the number of threads", "[threads]") {
  const int before = thread_count();
  Random random(4, Purpose::test);
  for (const ConvShape& s : large_shapes) {
    const Operands o(s, random);
    std::vector<Tensor> first;
    for (const int threads : {1, 2, 3}) {
      set_thread_count(threads);
      const std::vector<Tensor> results{o.y.clone(), o.dx.clone(), o.dw.clone(), o.dx.clone(),
                                        o.dw.clone()};
      conv_forward({s, o.x.data(), o.w.data(), o.b.data(), results[0].data(), false, {}});
      conv_backward_data({s, o.dy.data(), o.w.data(), results[1].data(), false});
      conv_backward_weights({s, o.x.data(), o.dy.data(), results[2].data(), false});
      conv_backward({s, o.dy.data(), o.w.data(), results[3].data()},
                    {s, o.x.data(), o.dy.data(), results[4].data()});
      if (first.empty()) first = results;
      for (size_t i = 0; i < results.size(); ++i) {
        INFO(describe("chosen", s) << ", result " << i << ", " << threads << " threads");
        CHECK(max_abs_difference(results[i], first[i]) == 0);
      }
    }
  }
  set_thread_count(before);
}
