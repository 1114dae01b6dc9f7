// Matrix products against the plain triple loop.
#include "engine/kernels/gemm.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/parallel.h"
#include "engine/random.h"
#include "tests/catch.h"

using namespace bonsai;

namespace {

struct Product {
  Transpose ta, tb;
  int m, n, k, lda, ldb, ldc;
  Scalar alpha, beta;
  Tensor a, b, c;
};

Tensor random_tensor(int rows, int stride, Random& random) {
  Tensor t = Tensor::uninitialized({rows, stride});
  for (size_t i = 0; i < t.size(); ++i) t[i] = random.uniform(-1, 1);
  return t;
}

Product draw(Random& random, int largest) {
  Product p{};
  p.ta = random.chance(0.5F) ? Transpose::yes : Transpose::no;
  p.tb = random.chance(0.5F) ? Transpose::yes : Transpose::no;
  p.m = random.between(1, largest);
  p.n = random.between(1, largest);
  p.k = random.between(1, largest);
  const bool at = p.ta == Transpose::yes, bt = p.tb == Transpose::yes;
  p.lda = (at ? p.m : p.k) + random.between(0, 3);
  p.ldb = (bt ? p.k : p.n) + random.between(0, 3);
  p.ldc = p.n + random.between(0, 3);
  p.alpha = random.chance(0.5F) ? 1 : Scalar(-0.75);
  p.beta = random.chance(0.5F) ? 0 : random.chance(0.5F) ? 1 : Scalar(0.5);
  p.a = random_tensor(at ? p.k : p.m, p.lda, random);
  p.b = random_tensor(bt ? p.n : p.k, p.ldb, random);
  p.c = random_tensor(p.m, p.ldc, random);
  if (p.beta == 0) {  // must not be read
    for (int i = 0; i < p.m; ++i) {
      for (int j = 0; j < p.n; ++j) {
        p.c[static_cast<size_t>(i * p.ldc + j)] = std::numeric_limits<Scalar>::quiet_NaN();
      }
    }
  }
  return p;
}

Tensor naive(const Product& p) {
  const Tensor c = p.c.clone();
  for (int i = 0; i < p.m; ++i) {
    for (int j = 0; j < p.n; ++j) {
      double sum = 0;
      for (int l = 0; l < p.k; ++l) {
        const int ia = p.ta == Transpose::no ? i * p.lda + l : l * p.lda + i;
        const int ib = p.tb == Transpose::no ? l * p.ldb + j : j * p.ldb + l;
        sum += double{p.a[static_cast<size_t>(ia)]} * double{p.b[static_cast<size_t>(ib)]};
      }
      Scalar& out = c[static_cast<size_t>(i * p.ldc + j)];
      const double old = p.beta == 0 ? 0 : double{p.beta} * double{out};
      out = static_cast<Scalar>(double{p.alpha} * sum + old);
    }
  }
  return c;
}

template <class Gemm>
Tensor run(const Gemm& function, const Product& p) {
  const Tensor c = p.c.clone();
  function(p.ta, p.tb, p.m, p.n, p.k, p.alpha, p.a.data(), p.lda, p.b.data(), p.ldb, p.beta,
           c.data(), p.ldc);
  return c;
}

std::string describe(const Product& p) {
  return join("m ", p.m, " n ", p.n, " k ", p.k, p.ta == Transpose::yes ? " A'" : " A",
              p.tb == Transpose::yes ? " B'" : " B", " alpha ", p.alpha, " beta ", p.beta);
}

}  // namespace

TEST_CASE("gemm agrees with the plain loop") {
  Random random(1, Purpose::test);
  for (int i = 0; i < 300; ++i) {
    const Product p = draw(random, i < 200 ? 12 : 70);
    INFO(describe(p));
    const Tensor expected = naive(p);
    const double limit = 3e-7 * (4 + p.k);
    CHECK(max_abs_difference(run(gemm, p), expected) < limit);
    CHECK(max_abs_difference(run(parallel_gemm, p), expected) < limit);
  }
}

TEST_CASE("parallel_gemm has the same bits for any number of threads", "[threads]") {
  const int before = thread_count();
  Random random(2, Purpose::test);
  for (int i = 0; i < 6; ++i) {
    Product p = draw(random, 150);
    p.m = i % 2 == 0 ? 300 : 40;  // more rows, more columns
    p.n = i % 2 == 0 ? 40 : 300;
    p.lda = p.ta == Transpose::yes ? p.m : p.k;
    p.ldb = p.tb == Transpose::yes ? p.k : p.n;
    p.ldc = p.n;
    p.a = random_tensor(p.ta == Transpose::yes ? p.k : p.m, p.lda, random);
    p.b = random_tensor(p.tb == Transpose::yes ? p.n : p.k, p.ldb, random);
    p.c = random_tensor(p.m, p.n, random);
    INFO(describe(p));
    set_thread_count(1);
    const Tensor expected = run(parallel_gemm, p);
    CHECK(max_abs_difference(expected, naive(p)) < 3e-7 * (4 + p.k));
    for (const int threads : {2, 3}) {
      set_thread_count(threads);
      const Tensor c = run(parallel_gemm, p);
      CHECK(std::memcmp(c.data(), expected.data(), c.size() * sizeof(Scalar)) == 0);
    }
  }
  set_thread_count(before);
}

TEST_CASE("the matrix library is named") {
  CHECK(std::string(blas_description()).find("OpenBLAS") == 0);
}
