// select: y[..., c] = x[..., index[c]]. One operation for all that moves channels about: a split
// (a run of numbers), a channel shuffle (Zhang et al. 2018, ShuffleNet) and a channel sampler.
// Pruning rewrites the list, so that the operation stays exact whatever is removed.
#include <algorithm>
#include <memory>
#include <span>
#include <utility>

#include "engine/kernels/columns.h"
#include "engine/kernels/gather.h"
#include "engine/ops.h"
#include "engine/ops/operands.h"
#include "engine/ops/permutation.h"
#include "engine/ops/registry.h"
#include "engine/ops/select_conv.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

constexpr int largest = (1 << 24) - 1;  // channel number

// A multiple of the rows that gather_columns() takes at a time.
int64_t piece_rows(int channels) { return (16 + (1 << 14) / channels) / 16 * 16; }

void scatter_add(const Scalar* dy, int64_t rows, int channels, std::span<const int> index,
                 Scalar* dx) {
  const size_t n = index.size();
  for (int64_t r = 0; r < rows; ++r, dx += channels, dy += n) {
    for (size_t c = 0; c < n; ++c) dx[index[c]] += dy[c];
  }
}

class Select : public Op {
 public:
  explicit Select(std::vector<int> index) : index_(std::move(index)) {
    require(!index_.empty(), "select: the index list is empty");
    for (const int i : index_) {
      require(i >= 0 && i <= largest, "select: index ", i, " should be 0 to ", largest);
    }
    is_run_ = std::adjacent_find(index_.begin(), index_.end(),
                                 [](int a, int b) { return b != a + 1; }) == index_.end();
    inverse_ = Permutation::of(index_).inverse;
  }

  std::string_view name() const override { return "select"; }

  Shape infer(std::span<const Shape> in) const override {
    require_inputs("select", in, 1);
    require(!in[0].empty(), "select: the input has no axes");
    const int highest = *std::max_element(index_.begin(), index_.end());
    require(highest < channels(in[0]), "select: index ", highest, " is beyond the ",
            channels(in[0]), " channels of the input ", in[0]);
    Shape out = in[0];
    out.back() = width();
    return out;
  }

  void forward(std::span<const Tensor> in, Tensor& out, const Pass&) const override {
    const int c = channels(in[0].shape()), n = width();
    parallel_ranges(rows(out), piece_rows(n), [&](int64_t begin, int64_t end) {
      const Scalar* x = in[0].data() + begin * c;
      Scalar* y = out.data() + begin * n;
      if (is_run_) {
        copy_columns(x + index_[0], c, y, n, end - begin, n, false);
      } else {
        gather_columns(x, end - begin, c, index_, y, false);
      }
    });
  }

  void backward(std::span<const Tensor> in, const Tensor& out, std::span<const Tensor>,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    if (!grad[0].wanted()) return;
    const int c = channels(in[0].shape()), n = width();
    parallel_ranges(rows(out), piece_rows(std::max(n, c)), [&](int64_t begin, int64_t end) {
      const Scalar* dy = grad_out.data() + begin * n;
      Scalar* dx = grad[0].data() + begin * c;
      if (!inverse_.empty() && n == c) {
        gather_columns(dy, end - begin, n, inverse_, dx, !grad[0].fresh);
        return;
      }
      if (grad[0].fresh) std::fill(dx, grad[0].data() + end * c, Scalar{0});
      if (is_run_) {
        copy_columns(dy, n, dx + index_[0], c, end - begin, n, true);
      } else {
        scatter_add(dy, end - begin, c, index_, dx);
      }
    });
  }

  OpPtr followed_by(const Op& reader, size_t which) const override {
    return which == 0 ? select_conv(std::make_shared<Select>(*this), index_, reader) : nullptr;
  }

  bool backward_reads(size_t) const override { return false; }
  bool backward_reads_result() const override { return false; }

  void ties(const Node& node, std::span<const Shape> shapes, Channels& channels_) const override {
    const Axis x = channel_axis(node.in[0], shapes), y = channel_axis(node.out, shapes);
    for (int c = 0; c < width(); ++c) channels_.tie(x, index_[static_cast<size_t>(c)], y, c);
  }

  // What is left of the list, in terms of what is left of the input.
  OpPtr shrunk(const Node& node, std::span<const Shape> shapes, const Keep& keep) const override {
    const std::vector<int>* kept_in = keep.find(channel_axis(node.in[0], shapes));
    const std::vector<int>* kept_out = keep.find(channel_axis(node.out, shapes));
    if (kept_in == nullptr && kept_out == nullptr) return nullptr;
    std::vector<int> index;
    for (int c = 0; c < width(); ++c) {
      if (kept_out != nullptr && !std::binary_search(kept_out->begin(), kept_out->end(), c)) {
        continue;
      }
      index.push_back(rank(index_[static_cast<size_t>(c)], kept_in));
    }
    return std::make_shared<Select>(std::move(index));
  }

  Attributes attributes() const override { return {{"index", index_}}; }

 private:
  int width() const { return static_cast<int>(index_.size()); }

  static int rank(int channel, const std::vector<int>* kept) {
    if (kept == nullptr) return channel;
    const auto place = std::lower_bound(kept->begin(), kept->end(), channel);
    require(place != kept->end() && *place == channel, "select: channel ", channel,
            " is read but was removed");
    return static_cast<int>(place - kept->begin());
  }

  std::vector<int> index_;
  std::vector<int> inverse_;  // of a permutation, whose gradient is a permutation again
  bool is_run_ = false;       // consecutive numbers, which are copied and not looked up
};

}  // namespace

OpPtr make_select(AttributeReader& attributes) {
  return std::make_shared<Select>(attributes.integers("index", 0, largest));
}

Var select(Var x, std::vector<int> index) {
  return x.tape().apply(std::make_shared<Select>(std::move(index)), {x});
}

}  // namespace bonsai
