// batch_norm (Ioffe and Szegedy 2015), per channel:
//   y = (x - mean) / sqrt(var + eps) * gamma + beta
// Training takes mean and the biased variance from the batch and moves the running ones towards
// them, the variance by its unbiased estimate. Otherwise, also when gradients are wanted (frozen),
// the running ones are used and are constants. With z = (x - mean) / sqrt(var + eps), n rows:
//   dgamma = sum(dy z), dbeta = sum(dy)
//   dx = gamma / sqrt(var + eps) * (dy - dbeta / n - z dgamma / n)    the last two: training only
// On a tape an addition and an activation that follow are computed in the same passes:
//   y = f(batch_norm(x) + r)
#include "engine/ops/batch_norm.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "engine/ops/activation.h"
#include "engine/ops/conv_with_norms.h"
#include "engine/ops/norm_pool.h"
#include "engine/ops/norm_select.h"
#include "engine/ops/operands.h"
#include "engine/ops/registry.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

constexpr int64_t grain = 1 << 15;
constexpr std::string_view vector_names[] = {"x", "gamma", "beta", "the mean", "the variance"};
enum Rest : size_t { gamma, beta, running_mean, running_variance, added };  // inputs after x

void move(Scalar& running, double keep, double batch) {
  running = static_cast<Scalar>(keep * running + (1 - keep) * batch);
}

void give_number(const Gradient& gradient, int i, double sum) {
  if (!gradient.wanted()) return;
  Scalar& d = gradient.data()[i];
  d = static_cast<Scalar>(gradient.fresh ? sum : double{d} + sum);
}

}  // namespace

BatchNormOp::BatchNormOp(const BatchNormOptions& options, bool adds, const Activation& activation)
    : options_(options), adds_(adds), activation_(activation) {
  require(options.eps > 0, "batch_norm: eps is ", options.eps, ", should be above 0");
  require(options.momentum >= 0 && options.momentum <= 1, "batch_norm: momentum is ",
          options.momentum, ", should be 0 to 1");
}

Shape BatchNormOp::infer(std::span<const Shape> in) const {
  require_inputs("batch_norm", in, 1 + rest());
  require(in[0].size() >= 2 && channels(in[0]) > 0, "batch_norm: the input has shape ", in[0],
          ", should be [N, ..., C]");
  for (size_t i = 1; i < 5; ++i) {
    require_vector("batch_norm", vector_names[i], in[i], channels(in[0]));
  }
  return in[0];
}

void BatchNormOp::forward(std::span<const Tensor> in, Tensor& out, const Pass& pass) const {
  const Rows x = all_rows(in[0]);
  const auto rest = in.subspan(1);
  Scalar* memory = thread_scratch<Scalar>(1, static_cast<size_t>(x.channels) * 2);
  normalize(of_pass(in[0], rest, pass, memory), rest, x, 0, out.data());
  if (pass.training && pass.save != nullptr) {
    *pass.save = {Tensor::view(memory, {2, x.channels}).clone()};
  }
}

void BatchNormOp::backward(std::span<const Tensor> in, const Tensor& out,
                           std::span<const Tensor> saved, const Tensor& grad_out,
                           std::span<const Gradient> grad) const {
  const Rows x = all_rows(in[0]);
  const auto rest = in.subspan(1);
  const bool training = !saved.empty();
  const Tensor memory = training ? saved[0] : Tensor::uninitialized({2, x.channels});
  const Statistics known = kept(training, rest, memory);
  Sums sums(*this, known, x, rest, out, grad_out);
  sums.begin(1);
  sums.read(0, 0, x.count);
  const Slopes by_x = slopes(training, known, rest, sums, grad.subspan(1));
  if (grad[0].wanted()) by_x.apply(x, 0, grad[0].data(), !grad[0].fresh);
  give(by_x, grad.subspan(1));
}

// With something added, the mask of the activation is taken from the result.
bool BatchNormOp::backward_reads(size_t which) const { return which < 5; }
bool BatchNormOp::backward_reads_result() const {
  return adds_ && activation_.kind != Activation::none;
}

OpPtr BatchNormOp::followed_by(const Op& reader, size_t which) const {
  if (which == 0) {
    if (OpPtr both = conv_after_norm(*this, reader)) return both;
    if (OpPtr both = norm_select(*this, reader)) return both;
    if (OpPtr both = norm_pool(*this, reader)) return both;
  }
  if (activation_.kind != Activation::none) return nullptr;
  if (reader.name() == "add" && reader.attributes().empty() && !adds_) {
    return std::make_shared<BatchNormOp>(options_, true);
  }
  const Activation* f = as_activation(reader);
  if (f == nullptr || !follows_from_input(f->kind)) return nullptr;
  if (adds_ && !follows_from_result(f->kind)) return nullptr;
  return std::make_shared<BatchNormOp>(options_, adds_, *f);
}

void BatchNormOp::ties(const Node& node, std::span<const Shape> shapes, Channels& channels) const {
  for (size_t i = 0; i < 5; ++i) tie_through(node, i, shapes, channels);
}

Attributes BatchNormOp::attributes() const {
  return {{"eps", double{options_.eps}}, {"momentum", double{options_.momentum}}};
}

BatchNormOp::Statistics BatchNormOp::running(std::span<const Tensor> rest, Scalar* memory) const {
  const int c = channels(rest[gamma].shape());
  const Scalar* variance = rest[running_variance].data();
  std::copy_n(rest[running_mean].data(), c, memory);
  for (int i = 0; i < c; ++i) {
    memory[c + i] = static_cast<Scalar>(1 / std::sqrt(double{variance[i]} + options_.eps));
  }
  return statistics(memory, c);
}

BatchNormOp::Statistics BatchNormOp::of_batch(const Shape& x, std::span<const Tensor> rest,
                                              const Tensor& moments, Scalar* memory) const {
  const int c = channels(x);
  const size_t rows = element_count(x) / static_cast<size_t>(c);
  const auto count = static_cast<double>(rows);
  require(count >= 2, "batch_norm: the input ", x,
          " has one value per channel, training needs more: use larger batches");
  const Scalar *mean = moments.data(), *squares = mean + c;
  const double keep = 1 - double{options_.momentum};
  for (int i = 0; i < c; ++i) {
    memory[i] = mean[i];
    memory[c + i] = static_cast<Scalar>(1 / std::sqrt(squares[i] / count + options_.eps));
    move(rest[running_mean].data()[i], keep, mean[i]);
    move(rest[running_variance].data()[i], keep, squares[i] / (count - 1));
  }
  return statistics(memory, c);
}

BatchNormOp::Statistics BatchNormOp::of_pass(const Tensor& x, std::span<const Tensor> rest,
                                             const Pass& pass, Scalar* memory) const {
  if (!pass.training) return running(rest, memory);
  return of_batch(x.shape(), rest,
                  pass.moments != nullptr ? *pass.moments : channel_moments(all_rows(x)), memory);
}

BatchNormOp::Statistics BatchNormOp::kept(bool training, std::span<const Tensor> rest,
                                          const Tensor& memory) const {
  return training ? statistics(memory.data(), memory.dim(1)) : running(rest, memory.data());
}

void BatchNormOp::normalize(const Statistics& statistics, std::span<const Tensor> rest,
                            const Rows& x, int64_t first, Scalar* y) const {
  Scalar* scale = thread_scratch<Scalar>(3, static_cast<size_t>(x.channels));
  normalize_rows(x, normalisation(statistics, rest, scale),
                 adds_ ? rest[added].data() + first * x.channels : nullptr, y);
}

void BatchNormOp::Slopes::apply(const Rows& x, int64_t first, Scalar* dx, bool add) const {
  const Scalar* b = vectors_.data() + x.channels;
  normalize_rows_back(x, f_, dz_.data() + first * x.channels, f_.scale, b, b + x.channels, dx, add);
}

BatchNormOp::Sums::Sums(const BatchNormOp& norm, const Statistics& statistics, const Rows& x,
                        std::span<const Tensor> rest, const Tensor& out, const Tensor& grad_out)
    : x_(x),
      scale_(Tensor::uninitialized({x.channels})),
      f_(norm.normalisation(statistics, rest, scale_.data())),
      out_(out),
      grad_out_(grad_out) {
  if (norm.adds_) later_ = std::exchange(f_.activation, {});
}

void BatchNormOp::Sums::begin(int blocks) { sums_.emplace(blocks, x_.channels); }

void BatchNormOp::Sums::read(int block, int64_t first, int64_t count) {
  const Rows x = rows_from(x_, first, count);
  Scalar* dy = grad_out_.data() + first * x.channels;
  double *plain = sums_->plain(block), *centred = sums_->centred(block);
  if (later_.kind == Activation::none) return gradient_sums(x, f_, dy, plain, centred);
  const Scalar* y = out_.data() + first * x.channels;
  masked_gradient_sums(x, f_, later_, y, dy, dy, plain, centred);
}

BatchNormOp::Slopes BatchNormOp::slopes(bool training, const Statistics& statistics,
                                        std::span<const Tensor> rest, const Sums& sums,
                                        std::span<const Gradient> grad) const {
  const int c = sums.x_.channels;
  Slopes slopes;
  slopes.statistics_ = statistics;
  slopes.vectors_ = Tensor::uninitialized({3, c});
  Scalar *scale = slopes.vectors_.data(), *b = scale + c;
  slopes.f_ = normalisation(statistics, rest, scale);
  slopes.f_.activation = sums.f_.activation;
  slopes.dz_ = sums.grad_out_;
  if (adds_) grad[added].take(slopes.dz_);
  slopes.sums_ = sums.sums_->merged();
  line(training, statistics, rest, sums.x_.count, slopes.sums_.data(), slopes.sums_.data() + c, b,
       b + c);
  return slopes;
}

void BatchNormOp::line(bool training, const Statistics& statistics, std::span<const Tensor> rest,
                       int64_t count, const double* plain, const double* centred, Scalar* slope,
                       Scalar* offset) {
  const double share = training ? 1.0 / static_cast<double>(count) : 0.0;
  for (int i = 0; i < channels(rest[gamma].shape()); ++i) {
    const double inverse = statistics.inverse[i];
    const double scale = inverse * double{rest[gamma].data()[i]};
    slope[i] = static_cast<Scalar>(-scale * inverse * inverse * centred[i] * share);
    offset[i] = static_cast<Scalar>(-scale * plain[i] * share);
  }
}

void BatchNormOp::give_sums(const Statistics& statistics, int channels, const double* plain,
                            const double* centred, std::span<const Gradient> grad) {
  for (int i = 0; i < channels; ++i) {
    give_number(grad[gamma], i, centred[i] * double{statistics.inverse[i]});
    give_number(grad[beta], i, plain[i]);
  }
}

void BatchNormOp::give(const Slopes& slopes, std::span<const Gradient> grad) const {
  const double* plain = slopes.sums_.data();
  const int c = static_cast<int>(slopes.sums_.size() / 2);
  give_sums(slopes.statistics_, c, plain, plain + c, grad);
  if (!adds_ || !grad[added].wanted() || grad[added].data() == slopes.dz_.data()) return;
  parallel_ranges(static_cast<int64_t>(slopes.dz_.size()), grain, [&](int64_t begin, int64_t end) {
    const Scalar* share = slopes.dz_.data() + begin;
    activate_backward({}, share, share, share, grad[added].data() + begin, end - begin,
                      !grad[added].fresh);
  });
}

// `scale` is written.
Normalisation BatchNormOp::normalisation(const Statistics& statistics, std::span<const Tensor> rest,
                                         Scalar* scale) const {
  const int c = channels(rest[gamma].shape());
  for (int i = 0; i < c; ++i) scale[i] = statistics.inverse[i] * rest[gamma].data()[i];
  return {.mean = statistics.mean,
          .scale = scale,
          .shift = rest[beta].data(),
          .activation = activation_};
}

OpPtr make_batch_norm(AttributeReader& attributes) {
  const float eps = attributes.number("eps", 0, 1);
  const float momentum = attributes.number("momentum", 0, 1);
  return std::make_shared<BatchNormOp>(BatchNormOptions{.eps = eps, .momentum = momentum});
}

Var batch_norm(Var x, Var gamma, Var beta, Var mean, Var var, const BatchNormOptions& options) {
  return x.tape().apply(std::make_shared<BatchNormOp>(options), {x, gamma, beta, mean, var});
}

}  // namespace bonsai
