// softmax, and cross_entropy with label smoothing (Szegedy et al. 2016, "Rethinking the Inception
// Architecture"). With p = softmax(logits) and the target t[k] = (1 - s) [k = label] + s / K:
//   loss = mean over the labels of -sum_k t[k] log p[k],   dlogits = (p - t) / their number
#include <memory>

#include "engine/kernels/softmax.h"
#include "engine/ops.h"
#include "engine/ops/operands.h"
#include "engine/ops/registry.h"
#include "engine/parallel.h"
#include "engine/simd.h"

namespace bonsai {
namespace {

int64_t piece_rows(int classes) { return 1 + (1 << 12) / classes; }

// dx = y * (dy - dot), or added
BONSAI_SIMD void softmax_back(const Scalar* y, const Scalar* dy, int n, Scalar dot,
                              Scalar* __restrict dx, bool add) {
  if (add) {
    for (int k = 0; k < n; ++k) dx[k] += y[k] * (dy[k] - dot);
  } else {
    for (int k = 0; k < n; ++k) dx[k] = y[k] * (dy[k] - dot);
  }
}

class Softmax : public Op {
 public:
  std::string_view name() const override { return "softmax"; }

  Shape infer(std::span<const Shape> in) const override {
    require_inputs("softmax", in, 1);
    require(!in[0].empty() && channels(in[0]) > 0, "softmax: the input has shape ", in[0],
            ", should be [..., K]");
    return in[0];
  }

  void forward(std::span<const Tensor> in, Tensor& out, const Pass&) const override {
    const int k = channels(out.shape());
    parallel_ranges(rows(out), piece_rows(k), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        softmax_row(in[0].data() + r * k, k, out.data() + r * k);
      }
    });
  }

  void backward(std::span<const Tensor>, const Tensor& out, std::span<const Tensor>,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    if (!grad[0].wanted()) return;
    const int k = channels(out.shape());
    parallel_ranges(rows(out), piece_rows(k), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const Scalar *y = out.data() + r * k, *dy = grad_out.data() + r * k;
        double dot = 0;
        for (int i = 0; i < k; ++i) dot += y[i] * dy[i];
        softmax_back(y, dy, k, static_cast<Scalar>(dot), grad[0].data() + r * k, !grad[0].fresh);
      }
    });
  }

  bool backward_reads(size_t) const override { return false; }

  // Every output depends on every channel: none can go.
  void ties(const Node& node, std::span<const Shape> shapes, Channels& channels_) const override {
    tie_through(node, 0, shapes, channels_);
    channels_.pin(channel_axis(node.in[0], shapes),
                  channels(shapes[static_cast<size_t>(node.in[0])]));
  }
};

class CrossEntropy : public Op {
 public:
  explicit CrossEntropy(float smoothing) : smoothing_(smoothing) {
    require(smoothing >= 0 && smoothing <= 1, "cross_entropy: smoothing is ", smoothing,
            ", should be 0 to 1");
  }

  std::string_view name() const override { return "cross_entropy"; }

  Shape infer(std::span<const Shape> in) const override {
    require_inputs("cross_entropy", in, 2);
    const Shape& logits = in[0];
    require((logits.size() == 2 || logits.size() == 4) && element_count(logits) > 0,
            "cross_entropy: the logits have shape ", logits, ", should be [N, K] or [N, H, W, K]");
    const Shape expected(logits.begin(), logits.end() - 1);
    require(in[1] == expected, "cross_entropy: the labels have shape ", in[1], ", should be ",
            expected);
    return {1};
  }

  void forward(std::span<const Tensor> in, Tensor& out, const Pass& pass) const override {
    const int64_t n = rows(in[0]);
    const int k = channels(in[0].shape());
    check_labels(in[1], k);
    Scalar* probabilities = nullptr;
    if (pass.save != nullptr) {
      pass.save->push_back(Tensor::uninitialized(in[0].shape()));
      probabilities = pass.save->back().data();
    }
    double* losses = thread_scratch<double>(3, static_cast<size_t>(n));
    parallel_ranges(n, piece_rows(k), [&](int64_t begin, int64_t end) {
      Scalar* row = thread_scratch<Scalar>(2, static_cast<size_t>(k));
      for (int64_t r = begin; r < end; ++r) {
        const Scalar* z = in[0].data() + r * k;
        const double lse = softmax_row(z, k, probabilities ? probabilities + r * k : row);
        double sum = 0;
        for (int i = 0; i < k; ++i) sum += z[i];
        const auto label = static_cast<size_t>(in[1].data()[r]);
        losses[r] = lse - (1 - double{smoothing_}) * z[label] - smoothing_ * sum / k;
      }
    });
    double total = 0;
    for (int64_t r = 0; r < n; ++r) total += losses[r];
    out[0] = static_cast<Scalar>(total / static_cast<double>(n));
  }

  void backward(std::span<const Tensor> in, const Tensor&, std::span<const Tensor> saved,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    require(!grad[1].wanted(), "cross_entropy: labels have no gradient, pass them as a constant");
    if (!grad[0].wanted()) return;
    const int64_t n = rows(in[0]);
    const int k = channels(in[0].shape());
    const Scalar scale = grad_out[0] / static_cast<Scalar>(n);
    const auto others = static_cast<Scalar>(double{smoothing_} / k);
    const Scalar at_label = 1 - static_cast<Scalar>(smoothing_);
    parallel_ranges(n, piece_rows(k), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const Scalar* p = saved[0].data() + r * k;
        Scalar* d = grad[0].data() + r * k;
        for (int i = 0; i < k; ++i) {
          const Scalar share = scale * (p[i] - others);
          d[i] = grad[0].fresh ? share : d[i] + share;
        }
        d[static_cast<size_t>(in[1].data()[r])] -= scale * at_label;
      }
    });
  }

  // The labels; the probabilities were saved.
  bool backward_reads(size_t which) const override { return which == 1; }
  bool backward_reads_result() const override { return false; }

  // Logits are classes: all of them stay.
  void ties(const Node& node, std::span<const Shape> shapes, Channels& channels_) const override {
    channels_.pin(channel_axis(node.in[0], shapes),
                  channels(shapes[static_cast<size_t>(node.in[0])]));
  }

  Attributes attributes() const override { return {{"smoothing", double{smoothing_}}}; }

 private:
  static void check_labels(const Tensor& labels, int classes) {
    for (size_t i = 0; i < labels.size(); ++i) {
      const Scalar label = labels[i];
      const bool in_range = label >= 0 && label < static_cast<Scalar>(classes);
      require(in_range && label == static_cast<Scalar>(static_cast<int>(label)),
              "cross_entropy: label ", i, " of the batch is ", label,
              ", should be a whole number from 0 to ", classes - 1);
    }
  }

  float smoothing_;
};

}  // namespace

OpPtr make_softmax(AttributeReader&) { return std::make_shared<Softmax>(); }
OpPtr make_cross_entropy(AttributeReader& attributes) {
  return std::make_shared<CrossEntropy>(attributes.number("smoothing", 0, 1));
}

Var softmax(Var x) { return x.tape().apply(std::make_shared<Softmax>(), {x}); }

Var cross_entropy(Var logits, Var labels, float smoothing) {
  return logits.tape().apply(std::make_shared<CrossEntropy>(smoothing), {logits, labels});
}

}  // namespace bonsai
