// A batch norm and the pooling of its result, which is never written to memory as a whole: on the
// way back it is not needed, and its derivative exists for a few images at a time as well.
#include "engine/ops/norm_pool.h"

#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "engine/ceil_div.h"
#include "engine/error.h"
#include "engine/ops/blockwise_norm.h"
#include "engine/ops/image_blocks.h"
#include "engine/ops/registry.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

// A batch in runs of images that stay in the cache: their numbers in x and in the result.
class Runs {
 public:
  Runs(const Tensor& x, const Tensor& out)
      : x_(x.shape()), out_(out.shape()), images_(images_in_cache(pixels(x_) * x_[3])) {}

  int count() const { return static_cast<int>(ceil_div(x_[0], images_)); }

  struct Run {
    int64_t in_row, in_rows, out_row, out_rows;
    Shape in, out;
  };
  Run operator[](int64_t i) const {
    const int64_t first = i * images_;
    const int n = static_cast<int>(std::min(images_, x_[0] - first));
    return {.in_row = first * pixels(x_),
            .in_rows = n * pixels(x_),
            .out_row = first * pixels(out_),
            .out_rows = n * pixels(out_),
            .in = {n, x_[1], x_[2], x_[3]},
            .out = {n, out_[1], out_[2], out_[3]}};
  }

 private:
  static int64_t pixels(const Shape& s) { return int64_t{s[1]} * s[2]; }

  Shape x_, out_;
  int64_t images_;
};

// Rows of a run, in memory of this thread.
Tensor scratch(const Shape& shape) {
  return Tensor::view(thread_scratch<Scalar>(4, element_count(shape)), shape);
}

Tensor rows_of(const Tensor& whole, int64_t first, const Shape& shape) {
  return Tensor::view(whole.data() + first * shape[3], shape);
}

class NormPool : public Op {
 public:
  NormPool(const BatchNormOp& norm, const Op& pool)
      : norm_(norm), pool_(make_op(pool.name(), pool.attributes())) {}

  std::string_view name() const override { return "batch_norm + pool"; }

  Shape infer(std::span<const Shape> in) const override {
    const Shape normal = norm_.infer(in);
    return pool_->infer({&normal, 1});
  }

  // Saved: the statistics of a batch, or nothing, and what the pool keeps of each run.
  void forward(std::span<const Tensor> in, Tensor& out, const Pass& pass) const override {
    const Runs runs(in[0], out);
    const auto rest = in.subspan(1);
    const Tensor memory = Tensor::uninitialized({2, in[0].dim(-1)});
    const BlockwiseNorm norm(norm_, in[0], rest, norm_.of_pass(in[0], rest, pass, memory.data()),
                             {});
    std::vector<std::vector<Tensor>> kept(static_cast<size_t>(runs.count()));
    std::vector<int64_t> out_rows;
    for (int i = 0; i < runs.count(); ++i) out_rows.push_back(runs[i].out_rows);
    ChannelMoments moments(out_rows, out.dim(-1));
    parallel_chunks(runs.count(), [&](int64_t i) {
      const auto run = runs[i];
      const Tensor normal = scratch(run.in);
      Tensor result = rows_of(out, run.out_row, run.out);
      norm.normalize(run.in_row, run.in_rows, normal.data());
      auto* save = pass.save != nullptr ? &kept[static_cast<size_t>(i)] : nullptr;
      pool_->forward({&normal, 1}, result, {.save = save});
      if (pass.result_moments != nullptr) moments.take(static_cast<int>(i), all_rows(result));
    });
    if (pass.result_moments != nullptr) *pass.result_moments = moments.merged();
    if (pass.save == nullptr) return;
    pass.save->push_back(pass.training ? memory : Tensor());
    for (std::vector<Tensor>& of_run : kept) {
      std::move(of_run.begin(), of_run.end(), std::back_inserter(*pass.save));
    }
  }

  void backward(std::span<const Tensor> in, const Tensor& out, std::span<const Tensor> saved,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    const Runs runs(in[0], out);
    const auto count = static_cast<size_t>(runs.count());
    const bool training = saved[0].defined();
    const auto rest = in.subspan(1);
    const Tensor memory = training ? saved[0] : Tensor::uninitialized({2, in[0].dim(-1)});
    BlockwiseNorm norm(norm_, in[0], rest, norm_.kept(training, rest, memory), {});
    const auto kept = saved.subspan(1);
    const size_t each = kept.size() / count;
    norm.begin_back(runs.count());
    parallel_chunks(runs.count(), [&](int64_t i) {
      const auto run = runs[i];
      Tensor by_normal = scratch(run.in);
      const Gradient wanted{.tensor = &by_normal};
      const Tensor normal = Tensor::view(nullptr, run.in), result = Tensor::view(nullptr, run.out);
      pool_->backward({&normal, 1}, result, kept.subspan(static_cast<size_t>(i) * each, each),
                      rows_of(grad_out, run.out_row, run.out), {&wanted, 1});
      norm.back(static_cast<int>(i), run.in_row, run.in_rows, by_normal.data(), grad[0]);
    });
    norm.end_back(training, grad[0], grad.subspan(1));
  }

  bool backward_reads(size_t which) const override { return norm_.backward_reads(which); }
  bool backward_reads_result() const override { return false; }
  bool takes_parts(size_t which) const override { return which == 0; }
  bool takes_moments() const override { return true; }
  bool gives_moments() const override { return true; }

  void ties(const Node&, std::span<const Shape>, Channels&) const override {
    throw Error("batch_norm + pool: a step of a tape has no channels of its own");
  }

 private:
  BatchNormOp norm_;
  OpPtr pool_;
};

}  // namespace

OpPtr norm_pool(const BatchNormOp& norm, const Op& pool) {
  const bool pools = pool.name() == "max_pool" || pool.name() == "average_pool";
  return pools && !norm.adds() ? std::make_shared<NormPool>(norm, pool) : nullptr;
}

}  // namespace bonsai
