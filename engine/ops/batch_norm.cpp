// batch_norm (Ioffe and Szegedy 2015), per channel:
//   y = (x - mean) / sqrt(var + eps) * gamma + beta
// Training takes mean and the biased variance from the batch and moves the running ones towards
// them, the variance by its unbiased estimate. Otherwise, also when gradients are wanted (frozen),
// the running ones are used and are constants. With z = (x - mean) / sqrt(var + eps), n rows:
//   dgamma = sum(dy z), dbeta = sum(dy)
//   dx = gamma / sqrt(var + eps) * (dy - dbeta / n - z dgamma / n)    the last two: training only
// On a tape an addition and an activation that follow are computed in the same passes:
//   y = f(batch_norm(x) + r)
#include <algorithm>
#include <cmath>
#include <memory>

#include "engine/kernels/norm.h"
#include "engine/ops.h"
#include "engine/ops/activation.h"
#include "engine/ops/operands.h"
#include "engine/ops/registry.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

constexpr int64_t grain = 1 << 15;
constexpr std::string_view vector_names[] = {"x", "gamma", "beta", "the mean", "the variance"};

class BatchNorm : public Op {
 public:
  // With `adds`, input 5 is added to the result before the activation.
  explicit BatchNorm(const BatchNormOptions& options, bool adds = false,
                     const Activation& activation = {})
      : options_(options), adds_(adds), activation_(activation) {
    require(options.eps > 0, "batch_norm: eps is ", options.eps, ", should be above 0");
    require(options.momentum >= 0 && options.momentum <= 1, "batch_norm: momentum is ",
            options.momentum, ", should be 0 to 1");
  }

  std::string_view name() const override { return "batch_norm"; }

  Shape infer(std::span<const Shape> in) const override {
    require_inputs("batch_norm", in, adds_ ? 6 : 5);
    require(in[0].size() >= 2 && channels(in[0]) > 0, "batch_norm: the input has shape ", in[0],
            ", should be [N, ..., C]");
    for (size_t i = 1; i < 5; ++i) {
      require_vector("batch_norm", vector_names[i], in[i], channels(in[0]));
    }
    return in[0];
  }

  void forward(std::span<const Tensor> in, Tensor& out, const Pass& pass) const override {
    const int c = channels(out.shape());
    Scalar* vectors = thread_scratch<Scalar>(3, static_cast<size_t>(c) * 3);
    Scalar *mean = vectors, *inverse = vectors + c, *scale = vectors + 2 * c;
    if (pass.training) {
      batch_statistics(in, mean, inverse);
    } else {
      std::copy_n(in[3].data(), c, mean);
      inverse_deviation(in[4].data(), c, inverse);
    }
    if (pass.training && pass.save != nullptr) {
      pass.save->push_back(Tensor::view(mean, {c}).clone());
      pass.save->push_back(Tensor::view(inverse, {c}).clone());
    }
    normalize_rows(rows_of(in[0]), normalisation(in, mean, inverse, scale),
                   adds_ ? in[5].data() : nullptr, out.data());
  }

  void backward(std::span<const Tensor> in, const Tensor& out, std::span<const Tensor> saved,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    const int c = channels(in[0].shape());
    const bool training = !saved.empty();
    Scalar* vectors = thread_scratch<Scalar>(3, static_cast<size_t>(c) * 5);
    Scalar *inverse = vectors, *scale = vectors + c, *a = vectors + 2 * c, *b = vectors + 3 * c,
           *d = vectors + 4 * c;
    const Scalar* mean = training ? saved[0].data() : in[3].data();
    if (training) {
      std::copy_n(saved[1].data(), c, inverse);
    } else {
      inverse_deviation(in[4].data(), c, inverse);
    }
    const Rows x = rows_of(in[0]);
    Normalisation f = normalisation(in, mean, inverse, scale);
    Tensor dz = grad_out;
    if (adds_) {
      dz = before_activation(out, grad_out, grad[5]);
      f.activation = {};
    }
    std::vector<double> sums(static_cast<size_t>(c) * 2);
    double *plain = sums.data(), *centred = plain + c;
    if (training || grad[1].wanted() || grad[2].wanted()) {
      gradient_sums(x, f, dz.data(), plain, centred);
    }
    const double share = training ? 1.0 / static_cast<double>(x.count) : 0.0;
    for (int i = 0; i < c; ++i) {
      const double slope = double{inverse[i]} * double{in[1].data()[i]};
      a[i] = static_cast<Scalar>(slope);
      b[i] = static_cast<Scalar>(-slope * inverse[i] * inverse[i] * centred[i] * share);
      d[i] = static_cast<Scalar>(-slope * plain[i] * share);
      centred[i] *= inverse[i];
    }
    if (grad[0].wanted()) {
      normalize_rows_back(x, f, dz.data(), a, b, d, rows_of(*grad[0].tensor), !grad[0].fresh);
    }
    if (adds_) give_sum(grad[5], dz);
    give(grad[1], centred, c);
    give(grad[2], plain, c);
  }

  // With something added, the mask of the activation is taken from the result.
  bool backward_reads(size_t which) const override { return which < 5; }
  bool backward_reads_result() const override {
    return adds_ && activation_.kind != Activation::none;
  }

  bool takes_columns(size_t which) const override { return which == 0; }

  OpPtr followed_by(const Op& reader, size_t) const override {
    if (activation_.kind != Activation::none) return nullptr;
    if (reader.name() == "add" && reader.attributes().empty() && !adds_) {
      return std::make_shared<BatchNorm>(options_, true);
    }
    const Activation* f = as_activation(reader);
    if (f == nullptr || !follows_from_input(f->kind)) return nullptr;
    if (adds_ && !follows_from_result(f->kind)) return nullptr;
    return std::make_shared<BatchNorm>(options_, adds_, *f);
  }

  void ties(const Node& node, std::span<const Shape> shapes, Channels& channels) const override {
    for (size_t i = 0; i < 5; ++i) tie_through(node, i, shapes, channels);
  }

  Attributes attributes() const override {
    return {{"eps", double{options_.eps}}, {"momentum", double{options_.momentum}}};
  }

 private:
  // The batch's mean and 1 / sqrt(var + eps); moves the running statistics.
  void batch_statistics(std::span<const Tensor> in, Scalar* mean, Scalar* inverse) const {
    const int c = channels(in[0].shape());
    const int64_t n = rows(in[0]);
    require(n >= 2, "batch_norm: the input ", in[0].shape(),
            " has one value per channel, training needs more: use larger batches");
    std::vector<double> moments(static_cast<size_t>(c) * 2);
    double *batch_mean = moments.data(), *squares = batch_mean + c;
    channel_moments(rows_of(in[0]), batch_mean, squares);
    const double keep = 1 - double{options_.momentum}, count = static_cast<double>(n);
    for (int i = 0; i < c; ++i) {
      mean[i] = static_cast<Scalar>(batch_mean[i]);
      inverse[i] = static_cast<Scalar>(1 / std::sqrt(squares[i] / count + options_.eps));
      move(in[3].data()[i], keep, batch_mean[i]);
      move(in[4].data()[i], keep, squares[i] / (count - 1));
    }
  }

  static Rows rows_of(const Tensor& x) {
    return {
        .data = x.data(), .count = rows(x), .channels = channels(x.shape()), .step = x.row_step()};
  }

  // The derivative by the sum that the activation took: in the memory of the added input's, if
  // that is unwritten.
  Tensor before_activation(const Tensor& out, const Tensor& grad_out, const Gradient& added) const {
    if (activation_.kind == Activation::none) return grad_out;
    const bool in_place = added.wanted() && added.fresh;
    const Tensor dz = in_place ? *added.tensor : Tensor::uninitialized(out.shape());
    parallel_ranges(static_cast<int64_t>(out.size()), grain, [&](int64_t begin, int64_t end) {
      const Scalar* y = out.data() + begin;
      activate_backward(activation_, y, y, grad_out.data() + begin, dz.data() + begin, end - begin,
                        false);
    });
    return dz;
  }

  static void give_sum(const Gradient& added, const Tensor& dz) {
    if (!added.wanted() || added.data() == dz.data()) return;
    parallel_ranges(static_cast<int64_t>(dz.size()), grain, [&](int64_t begin, int64_t end) {
      const Scalar* share = dz.data() + begin;
      activate_backward({}, share, share, share, added.data() + begin, end - begin, !added.fresh);
    });
  }

  // `scale` is written.
  Normalisation normalisation(std::span<const Tensor> in, const Scalar* mean, const Scalar* inverse,
                              Scalar* scale) const {
    for (int i = 0; i < channels(in[0].shape()); ++i) scale[i] = inverse[i] * in[1].data()[i];
    return {.mean = mean, .scale = scale, .shift = in[2].data(), .activation = activation_};
  }

  static void move(Scalar& running, double keep, double batch) {
    running = static_cast<Scalar>(keep * running + (1 - keep) * batch);
  }

  void inverse_deviation(const Scalar* var, int c, Scalar* inverse) const {
    for (int i = 0; i < c; ++i) {
      inverse[i] = static_cast<Scalar>(1 / std::sqrt(double{var[i]} + options_.eps));
    }
  }

  static void give(const Gradient& gradient, const double* sums, int c) {
    if (!gradient.wanted()) return;
    Scalar* d = gradient.data();
    for (int i = 0; i < c; ++i) {
      const auto sum = static_cast<Scalar>(sums[i]);
      d[i] = gradient.fresh ? sum : d[i] + sum;
    }
  }

  BatchNormOptions options_;
  bool adds_;
  Activation activation_;
};

}  // namespace

OpPtr make_batch_norm(AttributeReader& attributes) {
  const float eps = attributes.number("eps", 0, 1);
  const float momentum = attributes.number("momentum", 0, 1);
  return std::make_shared<BatchNorm>(BatchNormOptions{.eps = eps, .momentum = momentum});
}

Var batch_norm(Var x, Var gamma, Var beta, Var mean, Var var, const BatchNormOptions& options) {
  return x.tape().apply(std::make_shared<BatchNorm>(options), {x, gamma, beta, mean, var});
}

}  // namespace bonsai
