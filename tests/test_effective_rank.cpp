// Eigenvalues against numpy.linalg.eigvalsh and invariants; ranks against data made from factors.
#include "compress/effective_rank.h"

#include <cmath>

#include "engine/random.h"
#include "tests/catch.h"

using namespace bonsai;

TEST_CASE("eigenvalues agree with an independent computation") {
  const std::vector<double> a = {4, 1, -2, 2, 1, 2, 0, 1, -2, 0, 3, -2, 2, 1, -2, -1};
  const std::vector<double> of_a = {-2.19751698, 1.08436446, 2.26853141, 6.84462111};
  const std::vector<double> found = symmetric_eigenvalues(a, 4);
  for (size_t i = 0; i < 4; ++i) CHECK(found[i] == Approx(of_a[i]));

  std::vector<double> hilbert(36);
  for (size_t i = 0; i < 6; ++i) {
    for (size_t j = 0; j < 6; ++j) hilbert[6 * i + j] = 1.0 / static_cast<double>(i + j + 1);
  }
  const std::vector<double> of_hilbert = {1.08279948e-07, 1.25707571e-05, 6.15748354e-04,
                                          1.63215213e-02, 2.42360871e-01, 1.61889986e+00};
  const std::vector<double> small = symmetric_eigenvalues(hilbert, 6);
  for (size_t i = 0; i < 6; ++i) CHECK(small[i] == Approx(of_hilbert[i]).epsilon(1e-6));

  CHECK(symmetric_eigenvalues({}, 0).empty());
  CHECK(symmetric_eigenvalues({5}, 1) == std::vector<double>{5});
  CHECK(symmetric_eigenvalues(std::vector<double>(9, 0), 3) == std::vector<double>(3, 0));
  // A diagonal matrix, one of rank 1, and the trace of a larger one.
  CHECK(symmetric_eigenvalues({3, 0, 0, 0, 1, 0, 0, 0, 2}, 3) == std::vector<double>{1, 2, 3});
  CHECK(symmetric_eigenvalues(std::vector<double>(16, 1), 4).back() == Approx(4));
  Random random(3, Purpose::test);
  std::vector<double> large(40 * 40);
  double trace = 0, squares = 0;
  for (size_t i = 0; i < 40; ++i) {
    for (size_t j = 0; j <= i; ++j) large[i * 40 + j] = large[j * 40 + i] = double{random.normal()};
    trace += large[i * 41];
  }
  for (const double v : large) squares += v * v;
  for (const double v : symmetric_eigenvalues(large, 40)) {
    trace -= v;
    squares -= v * v;
  }
  CHECK(std::abs(trace) < 1e-10);
  CHECK(std::abs(squares) < 1e-8);
}

TEST_CASE("the effective rank is that of the factors, whatever the mean") {
  Random random(4, Purpose::test);
  Covariance covariance;
  std::vector<Scalar> loadings(36);
  for (Scalar& loading : loadings) loading = random.normal();
  for (int batch = 0; batch < 2; ++batch) {
    Tensor values({50, 2, 2, 12});
    for (size_t row = 0; row < 200; ++row) {
      for (size_t f = 0; f < 3; ++f) {
        const float factor = random.normal();
        for (size_t c = 0; c < 12; ++c) values[row * 12 + c] += factor * loadings[f * 12 + c];
      }
      for (size_t c = 0; c < 12; ++c) values[row * 12 + c] += 100;
    }
    covariance.add(values);
  }
  CHECK(covariance.channels() == 12);
  CHECK(effective_rank(covariance, 0.9999) == 3);
  Covariance still;
  still.add(Tensor({4, 5}, 2));
  CHECK(effective_rank(still) == 0);
}
