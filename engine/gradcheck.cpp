#include "engine/gradcheck.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "engine/error.h"
#include "engine/random.h"

namespace bonsai {
namespace {

Tensor random_like(const Shape& shape, Random random) {
  Tensor t = Tensor::uninitialized(shape);
  for (size_t i = 0; i < t.size(); ++i) t[i] = random.uniform(-1, 1);
  return t;
}

class Check {
 public:
  Check(const Op& op, const std::vector<Tensor>& in, const std::vector<bool>& wanted,
        const GradcheckOptions& options)
      : op_(op), wanted_(wanted), options_(options) {
    require(in.size() == wanted.size(), "gradcheck: ", in.size(), " inputs, ", wanted.size(),
            " flags");
    std::vector<Shape> shapes;
    for (const Tensor& t : in) {
      in_.push_back(t.clone());
      shapes.push_back(t.shape());
    }
    out_ = Tensor::uninitialized(op.infer(shapes));
    weights_ = random_like(out_.shape(), Random(options.seed, Purpose::test, 1));
  }

  void run() {
    const double not_a_number = std::numeric_limits<double>::quiet_NaN();
    forward(in_, out_, &saved_);
    const std::vector<Tensor> fresh = backward(true, not_a_number);
    compare_bits(fresh, backward(true, not_a_number));
    const std::vector<Tensor> added = backward(false, 1);
    for (size_t i = 0; i < in_.size(); ++i) {
      if (!wanted_[i]) continue;
      compare_added(i, fresh[i], added[i]);
      compare_numeric(i, fresh[i]);
    }
  }

 private:
  // Works on copies: an operation may move the running statistics among its inputs.
  void forward(const std::vector<Tensor>& in, Tensor& out, std::vector<Tensor>* saved) const {
    std::vector<Tensor> copies;
    for (const Tensor& t : in) copies.push_back(t.clone());
    op_.forward(copies, out, {.training = options_.training, .save = saved, .seed = options_.seed});
  }

  std::vector<Tensor> backward(bool fresh, double initial) const {
    std::vector<Tensor> gradients;
    for (const Tensor& t : in_) gradients.emplace_back(t.shape(), static_cast<Scalar>(initial));
    std::vector<Gradient> targets;
    for (size_t i = 0; i < in_.size(); ++i) {
      targets.push_back({.tensor = wanted_[i] ? &gradients[i] : nullptr, .fresh = fresh});
    }
    op_.backward(in_, out_, saved_, weights_.clone(), targets);  // which it may overwrite
    return gradients;
  }

  double loss(const std::vector<Tensor>& in) const {
    Tensor out = Tensor::uninitialized(out_.shape());
    std::vector<Tensor> saved;
    forward(in, out, &saved);
    double sum = 0;
    for (size_t i = 0; i < out.size(); ++i) sum += double{out[i]} * double{weights_[i]};
    return sum;
  }

  void compare_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b) const {
    for (size_t i = 0; i < a.size(); ++i) {
      const size_t bytes = a[i].size() * sizeof(Scalar);
      require(!wanted_[i] || std::memcmp(a[i].data(), b[i].data(), bytes) == 0,
              "gradcheck: ", op_.name(), ": two backward passes differ in input ", i);
    }
  }

  void compare_added(size_t input, const Tensor& fresh, const Tensor& added) const {
    for (size_t e = 0; e < fresh.size(); ++e) {
      const double expected = 1 + double{fresh[e]};
      const double limit = options_.absolute + options_.relative * std::abs(expected);
      require(std::abs(added[e] - expected) <= limit, "gradcheck: ", op_.name(), ": input ", input,
              " ", fresh.shape(), " element ", e, ": 1 with the gradient added is ", added[e],
              ", should be ", expected);
    }
  }

  void compare_numeric(size_t input, const Tensor& gradient) const {
    Random random(options_.seed, Purpose::test, 2, static_cast<uint32_t>(input));
    std::vector<int> elements = permutation(static_cast<int>(gradient.size()), random);
    if (static_cast<int>(elements.size()) > options_.elements) elements.resize(options_.elements);
    for (const int element : elements) {
      const auto e = static_cast<size_t>(element);
      const double numeric = slope(input, e);
      const double limit = options_.absolute + options_.relative * std::abs(numeric);
      require(std::abs(gradient[e] - numeric) <= limit, "gradcheck: ", op_.name(), ": input ",
              input, " ", gradient.shape(), " element ", e, ": backward gives ", gradient[e],
              ", differences give ", numeric);
    }
  }

  double slope(size_t input, size_t element) const {
    std::vector<Tensor> moved = in_;
    moved[input] = in_[input].clone();
    Scalar& x = moved[input][element];
    const Scalar middle = x;
    x = static_cast<Scalar>(middle + options_.eps);
    const double above = loss(moved), high = x;
    x = static_cast<Scalar>(middle - options_.eps);
    const double below = loss(moved), low = x;
    return (above - below) / (high - low);
  }

  const Op& op_;
  const std::vector<bool>& wanted_;
  const GradcheckOptions& options_;
  std::vector<Tensor> in_, saved_;
  Tensor out_, weights_;
};

}  // namespace

void gradcheck(const Op& op, const std::vector<Tensor>& in, const std::vector<bool>& wanted,
               const GradcheckOptions& options) {
  Check(op, in, wanted, options).run();
}

}  // namespace bonsai
