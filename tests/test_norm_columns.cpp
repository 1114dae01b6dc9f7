// Passes of batch norm over a joined matrix against those over one that holds the same numbers.
#include <vector>

#include "engine/kernels/columns.h"
#include "engine/kernels/norm.h"
#include "engine/random.h"
#include "tests/catch.h"
#include "tests/random_network.h"

using namespace bonsai;

namespace {

// A copy in one piece.
Tensor whole(const Tensor& joined) {
  const Tensor all = Tensor::uninitialized(joined.shape());
  const int rows = joined.dim(0), channels = joined.dim(1);
  Scalar* to = all.data();
  for (const Tensor& part : joined.parts()) {
    copy_columns(part.data(), part.dim(1), to, channels, rows, part.dim(1), false);
    to += part.dim(1);
  }
  return all;
}

struct Case {
  Tensor x, dx, dy;  // x and dx are joined
  Tensor mean, scale, shift;
  Normalisation f;

  explicit Case(uint32_t which) {
    Random random(31, Purpose::test, which);
    uint64_t seed = 100 * which;
    const auto normal = [&](Shape shape) { return random_tensor(std::move(shape), seed++); };
    const int rows = random.between(1, 700);
    std::vector<Tensor> xs, dxs;
    for (int parts = random.between(2, 6); parts > 0; --parts) {
      const int channels = random.chance(0.5F) ? random.between(1, 14) : random.between(15, 70);
      xs.push_back(normal({rows, channels}));
      dxs.push_back(normal({rows, channels}));
    }
    x = Tensor::joined(xs);
    dx = Tensor::joined(dxs);
    dy = normal(x.shape());
    const int channels = x.dim(1);
    mean = normal({channels});
    scale = normal({channels});
    shift = normal({channels});
    constexpr Activation activations[] = {{Activation::none},
                                          {Activation::relu},
                                          {Activation::relu6},
                                          {Activation::leaky_relu, 0.1F},
                                          {Activation::hard_swish}};
    f = {mean.data(), scale.data(), shift.data(), activations[which % 5]};
  }
};

double worst(const std::vector<double>& a, const std::vector<double>& b) {
  double far = 0, largest = 1;
  for (size_t i = 0; i < a.size(); ++i) {
    far = std::max(far, std::abs(a[i] - b[i]));
    largest = std::max(largest, std::abs(b[i]));
  }
  return far / largest;
}

}  // namespace

TEST_CASE("passes of batch norm give the same over parts as over the whole") {
  for (uint32_t which = 0; which < 60; ++which) {
    const Case c(which);
    const Tensor x = whole(c.x);
    const int rows = x.dim(0), channels = x.dim(1);
    INFO(rows << " rows of " << channels << " channels in " << c.x.parts().size() << " parts");
    const JoinedRows parts(c.x);

    const Tensor y(x.shape()), expected_y(x.shape());
    normalize_rows(parts, c.f, y.data());
    normalize_rows(all_rows(x), c.f, nullptr, expected_y.data());
    CHECK(max_abs_difference(y, expected_y) < 1e-5);
    CHECK(max_abs_difference(y, Tensor(y.shape())) > 0);

    const auto n = static_cast<size_t>(channels);
    std::vector<double> sums(2 * n, -1), expected(2 * n, -1);
    gradient_sums(parts, c.f, c.dy.data(), sums.data(), sums.data() + n);
    gradient_sums(all_rows(x), c.f, c.dy.data(), expected.data(), expected.data() + n);
    CHECK(worst(sums, expected) < 1e-5);

    for (const bool add : {false, true}) {
      const Tensor expected_dx = whole(c.dx);
      std::vector<double> again(2 * n, -1);
      scaled_gradient_sums(parts, c.f, c.dy.data(), again.data(), again.data() + n,
                           JoinedRows(c.dx), add);
      scaled_gradient_sums(JoinedRows(x), c.f, c.dy.data(), expected.data(), expected.data() + n,
                           JoinedRows(expected_dx), add);
      CHECK(again == sums);
      CHECK(max_abs_difference(whole(c.dx), expected_dx) < 1e-5);
    }
  }
}

TEST_CASE("rows of a joined matrix are those of its parts") {
  const std::vector<Tensor> parts{random_tensor({9, 2}, 1), random_tensor({9, 3}, 2)};
  const Tensor joined = Tensor::joined(parts);
  CHECK(joined.shape() == Shape{9, 5});
  CHECK(joined.is_joined());
  CHECK(joined.defined());
  const Tensor nested[] = {joined, random_tensor({9, 1}, 3)};
  CHECK(Tensor::joined(nested).parts().size() == 3);
  CHECK(parts[0].parts().size() == 1);
  const JoinedRows some = rows_from(JoinedRows(joined), 4, 2);
  CHECK(some.count == 2);
  CHECK(some.channels == 5);
  CHECK(some.parts[0].data == parts[0].data() + 8);
  CHECK(some.parts[1].data == parts[1].data() + 12);
  const Tensor other[] = {parts[0], random_tensor({8, 3}, 4)};
  CHECK_THROWS_WITH(Tensor::joined(other),
                    "joined: shapes [9, 2] and [8, 3] should differ in the last axis alone");
  CHECK_THROWS_WITH(all_rows(joined), "rows: [9, 5] is joined of several tensors");
  CHECK_THROWS_WITH(joined.clone(), "clone: [9, 5] is joined of several tensors");
}
