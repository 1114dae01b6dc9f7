// The loss of distillation in its limits, where single precision would drown what is looked for.
#include <cmath>

#include "engine/ops.h"
#include "tests/catch.h"
#include "tests/op_table.h"

using namespace bonsai;

namespace {

struct Result {
  double loss;
  Tensor gradient;
};

Result distilled(const Tensor& student, const Tensor& teacher, float temperature) {
  Tape tape(Mode::training);
  const Var s = tape.variable(student.clone());
  const Var loss = distillation_loss(s, tape.constant(teacher), temperature);
  const double value = loss.value().item();
  tape.backward(loss);
  return {value, s.grad()};
}

double norm(const Tensor& t) {
  double sum = 0;
  for (size_t i = 0; i < t.size(); ++i) sum += double{t[i]} * double{t[i]};
  return std::sqrt(sum);
}

struct Logits {
  Tensor student, teacher;
};

Logits logits(int n, int classes) {
  Random random(5, Purpose::test);
  const Tensor student = op_table_detail::normal({n, classes}, random);
  return {student, op_table_detail::normal({n, classes}, random)};
}

}  // namespace

TEST_CASE("equal answers have no distance and no gradient, at any temperature") {
  const Tensor same = logits(4, 7).student;
  for (const float temperature : {0.5F, 1.0F, 4.0F, 1000.0F}) {
    const Result result = distilled(same, same, temperature);
    CHECK(result.loss == 0);
    CHECK(norm(result.gradient) == 0);
  }
  const Tensor shifted = same.clone();  // by the same number in every class: the same answers
  for (size_t i = 0; i < 7; ++i) shifted[i] += 3;
  CHECK(std::abs(distilled(shifted, same, 4).loss) < 1e-12);
  shifted[0] += 1;
  CHECK(distilled(shifted, same, 4).loss > 1e-3);
}

TEST_CASE("at high temperatures distillation matches centred logits") {
  const int n = 4, classes = 7;
  const auto [student, teacher] = logits(n, classes);
  const Result result = distilled(student, teacher, 1e5F);
  const Tensor expected({n, classes});
  double loss = 0;
  for (int r = 0; r < n; ++r) {
    double mean = 0;
    const auto difference = [&](int k) {
      const auto i = static_cast<size_t>(r * classes + k);
      return double{student[i]} - double{teacher[i]};
    };
    for (int k = 0; k < classes; ++k) mean += difference(k) / classes;
    for (int k = 0; k < classes; ++k) {
      const double centred = difference(k) - mean;
      expected[static_cast<size_t>(r * classes + k)] = static_cast<Scalar>(centred / classes / n);
      loss += centred * centred / (2 * classes) / n;
    }
  }
  CHECK(max_abs_difference(result.gradient, expected) < 1e-4 * norm(expected));
  CHECK(result.loss == Approx(loss).epsilon(1e-4));
  CHECK(max_abs_difference(distilled(student, teacher, 2).gradient, expected) >
        1e-2 * norm(expected));
}

TEST_CASE("the factor T^2 keeps gradients as large at any high temperature") {
  const auto [student, teacher] = logits(4, 7);
  const auto size = [&, s = student, t = teacher](float temperature) {
    return norm(distilled(s, t, temperature).gradient);
  };
  const double at_100 = size(100);
  CHECK(size(50) == Approx(at_100).epsilon(0.05));
  CHECK(size(200) == Approx(at_100).epsilon(0.05));
  CHECK_FALSE(size(200) * 4 == Approx(at_100).epsilon(0.05));  // what a missing T^2 looks like
}

TEST_CASE("the mean is over pictures, not over classes") {
  const auto [student, teacher] = logits(1, 7);
  const Tensor student_twice({2, 7}), teacher_twice({2, 7});
  for (size_t i = 0; i < 14; ++i) {
    student_twice[i] = student[i % 7];
    teacher_twice[i] = teacher[i % 7];
  }
  const double once = distilled(student, teacher, 4).loss;
  CHECK(distilled(student_twice, teacher_twice, 4).loss == Approx(once));
  double by_hand = 0, sum_s = 0, sum_t = 0;
  for (size_t k = 0; k < 7; ++k) {
    sum_s += std::exp(double{student[k]} / 4);
    sum_t += std::exp(double{teacher[k]} / 4);
  }
  for (size_t k = 0; k < 7; ++k) {
    const double p = std::exp(double{student[k]} / 4) / sum_s,
                 q = std::exp(double{teacher[k]} / 4) / sum_t;
    by_hand += 16 * q * std::log(q / p);
  }
  CHECK(once == Approx(by_hand));
}
