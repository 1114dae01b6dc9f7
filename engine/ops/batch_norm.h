// batch_norm and the parts of its work between the passes over memory, for a convolution that has
// it before or behind it (engine/ops/conv_with_norms.cpp).
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "engine/kernels/norm.h"
#include "engine/op.h"
#include "engine/ops.h"
#include "engine/ops/block_sums.h"

namespace bonsai {

class BatchNormOp : public Op {
 public:
  // With `adds`, input 5 is added to the result before the activation.
  explicit BatchNormOp(const BatchNormOptions& options, bool adds = false,
                       const Activation& activation = {});

  std::string_view name() const override { return "batch_norm"; }
  Shape infer(std::span<const Shape> in) const override;
  void forward(std::span<const Tensor> in, Tensor& out, const Pass& pass) const override;
  void backward(std::span<const Tensor> in, const Tensor& out, std::span<const Tensor> saved,
                const Tensor& grad_out, std::span<const Gradient> grad) const override;
  bool backward_reads(size_t which) const override;
  bool backward_reads_result() const override;
  bool takes_moments() const override { return true; }
  bool adds() const { return adds_; }
  OpPtr followed_by(const Op& reader, size_t which) const override;
  void ties(const Node& node, std::span<const Shape> shapes, Channels& channels) const override;
  Attributes attributes() const override;

  // In the following, `rest` are the inputs after x: gamma, beta, the running mean and variance,
  // and what is added. Their number:
  size_t rest() const { return adds_ ? 5 : 4; }

  // Per channel, inverse being 1 / sqrt(var + eps); in memory [2, C] of the caller.
  struct Statistics {
    const Scalar *mean, *inverse;
  };
  static Statistics statistics(const Scalar* memory, int channels) {
    return {.mean = memory, .inverse = memory + channels};
  }
  Statistics running(std::span<const Tensor> rest, Scalar* memory) const;
  // The batch's, of an input of shape x with these moments [2, C]; moves the running ones.
  Statistics of_batch(const Shape& x, std::span<const Tensor> rest, const Tensor& moments,
                      Scalar* memory) const;

  // Of x on the way forth: by the pass, which may know its moments. And on the way back, `memory`
  // [2, C] being what of_pass() wrote, if that was in training.
  Statistics of_pass(const Tensor& x, std::span<const Tensor> rest, const Pass& pass,
                     Scalar* memory) const;
  Statistics kept(bool training, std::span<const Tensor> rest, const Tensor& memory) const;

  // y, as many rows as x, of which the first is number `first` of what is added.
  void normalize(const Statistics& statistics, std::span<const Tensor> rest, const Rows& x,
                 int64_t first, Scalar* y) const;
  // What normalize() computes; the scale is written to [C] of the caller.
  Normalisation normalisation(const Statistics& statistics, std::span<const Tensor> rest,
                              Scalar* scale) const;

  // Of the sums over a batch of `count` rows (gradient_sums()): the part of the derivative by x
  // that is linear in it (ChannelLine); zero by the running statistics.
  static void line(bool training, const Statistics& statistics, std::span<const Tensor> rest,
                   int64_t count, const double* plain, const double* centred, Scalar* slope,
                   Scalar* offset);
  // Of the same sums: gives the derivatives by gamma and beta.
  static void give_sums(const Statistics& statistics, int channels, const double* plain,
                        const double* centred, std::span<const Gradient> grad);

  // The sums over a batch that the derivatives need, taken of grad_out, which becomes the
  // derivative by what the activation took where something is added before that. Reads all it is
  // given.
  class Sums : public GradientReader {
   public:
    Sums(const BatchNormOp& norm, const Statistics& statistics, const Rows& x,
         std::span<const Tensor> rest, const Tensor& out, const Tensor& grad_out);
    void begin(int blocks) override;
    void read(int block, int64_t first, int64_t count) override;

   private:
    friend class BatchNormOp;
    Rows x_;
    Tensor scale_;  // [C]
    Normalisation f_;
    Activation later_;  // after the addition
    Tensor out_, grad_out_;
    std::optional<BlockSums> sums_{};
  };

  // The derivative by x, of any rows once the sums over all are known. Reads the statistics.
  class Slopes {
   public:
    // dx (or added to it), for the rows of x from number `first` on.
    void apply(const Rows& x, int64_t first, Scalar* dx, bool add) const;

   private:
    friend class BatchNormOp;
    Statistics statistics_{};
    std::vector<double> sums_{};  // [2, C]: plain and centred
    Tensor vectors_{};  // [3, C]: scale, and b and c of normalize_rows_back(), whose a is scale too
    Normalisation f_{};
    // The derivative by what the activation took, where something is added, else by y.
    Tensor dz_{};
  };

  // Of a batch, or by the running statistics; `sums` are of all rows. `grad` says what give() will
  // be asked for.
  Slopes slopes(bool training, const Statistics& statistics, std::span<const Tensor> rest,
                const Sums& sums, std::span<const Gradient> grad) const;
  // Gives the derivatives by gamma, beta and what is added; after those by all inputs that come
  // before them, which may be the same values.
  void give(const Slopes& slopes, std::span<const Gradient> grad) const;

 private:
  BatchNormOptions options_;
  bool adds_;
  Activation activation_;
};

}  // namespace bonsai
