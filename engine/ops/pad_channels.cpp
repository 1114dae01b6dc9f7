// pad_channels: channels of zeros after those of x; y[..., c] = x[..., c] for the C channels of x
// and 0 for the others. With a pooling window of 1 that skips pixels, it is the shortcut without
// parameters of He et al. 2015 (option A).
//   dx[..., c] = dy[..., c]
// An appended channel is tied to nothing here. What is added to it decides whether it stays, and
// couple refuses a network in which nothing is.
#include <algorithm>
#include <limits>
#include <memory>

#include "engine/kernels/columns.h"
#include "engine/ops.h"
#include "engine/ops/operands.h"
#include "engine/ops/registry.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

constexpr int largest = (1 << 24) - 1;  // number of channels

int64_t piece_rows(int channels) { return 1 + (1 << 15) / channels; }

class PadChannels : public Op {
 public:
  explicit PadChannels(int zeros) : zeros_(zeros) {
    require(zeros >= 0 && zeros <= largest, "pad_channels: ", zeros,
            " channels of zeros, should be 0 to ", largest);
  }

  std::string_view name() const override { return "pad_channels"; }

  Shape infer(std::span<const Shape> in) const override {
    require_inputs("pad_channels", in, 1);
    require(!in[0].empty() && channels(in[0]) > 0, "pad_channels: the input ", in[0],
            " has no channels");
    const int64_t width = int64_t{channels(in[0])} + zeros_;
    require(width <= std::numeric_limits<int>::max(), "pad_channels: ", width,
            " channels in all, should be at most ", std::numeric_limits<int>::max());
    Shape out = in[0];
    out.back() = static_cast<int>(width);
    return out;
  }

  void forward(std::span<const Tensor> in, Tensor& out, const Pass&) const override {
    const int c = channels(in[0].shape()), width = channels(out.shape());
    parallel_ranges(rows(out), piece_rows(width), [&](int64_t begin, int64_t end) {
      Scalar* y = out.data() + begin * width;
      copy_columns(in[0].data() + begin * c, c, y, width, end - begin, c, false);
      for (int64_t r = 0; r < end - begin; ++r) std::fill_n(y + r * width + c, zeros_, Scalar{0});
    });
  }

  void backward(std::span<const Tensor> in, const Tensor& out, std::span<const Tensor>,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    if (!grad[0].wanted()) return;
    const int c = channels(in[0].shape()), width = channels(out.shape());
    parallel_ranges(rows(out), piece_rows(width), [&](int64_t begin, int64_t end) {
      copy_columns(grad_out.data() + begin * width, width, grad[0].data() + begin * c, c,
                   end - begin, c, !grad[0].fresh);
    });
  }

  bool backward_reads(size_t) const override { return false; }
  bool backward_reads_result() const override { return false; }

  void ties(const Node& node, std::span<const Shape> shapes, Channels& channels_) const override {
    channels_.tie_all(channel_axis(node.in[0], shapes), channel_axis(node.out, shapes),
                      channels(shapes[static_cast<size_t>(node.in[0])]));
  }

  // The zeros among the channels that are kept.
  OpPtr shrunk(const Node& node, std::span<const Shape> shapes, const Keep& keep) const override {
    const std::vector<int>* kept = keep.find(channel_axis(node.out, shapes));
    if (kept == nullptr) return nullptr;
    const int c = channels(shapes[static_cast<size_t>(node.in[0])]);
    const auto zeros = kept->end() - std::lower_bound(kept->begin(), kept->end(), c);
    return std::make_shared<PadChannels>(static_cast<int>(zeros));
  }

  Attributes attributes() const override { return {{"zeros", int64_t{zeros_}}}; }

 private:
  int zeros_;
};

}  // namespace

OpPtr make_pad_channels(AttributeReader& attributes) {
  return std::make_shared<PadChannels>(attributes.integer("zeros", 0, largest));
}

Var pad_channels(Var x, int zeros) {
  return x.tape().apply(std::make_shared<PadChannels>(zeros), {x});
}

}  // namespace bonsai
