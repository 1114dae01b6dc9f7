// Interleaved group convolutions (Zhang et al. 2017, arXiv:1707.02725): a permutation of channels,
// a grouped convolution, the permutation back, as one step of a tape that moves no channel. Until
// the second permutation is seen, the first is an operation of its own, computed once more on the
// way back instead of kept.
#include "engine/ops/select_conv.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "engine/error.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/conv_with_norms.h"

namespace bonsai {
namespace {

// Whether index[c] is where channel c of `groups`, one after the other, is when they take turns.
bool ends_turns(const std::vector<int>& index, int groups) {
  const auto channels = static_cast<int>(index.size());
  if (groups < 2 || channels % groups != 0) return false;
  const int size = channels / groups;
  for (int c = 0; c < channels; ++c) {
    if (index[static_cast<size_t>(c)] != c % size * groups + c / size) return false;
  }
  return true;
}

// The other way round, which is the same of as many groups as one has channels.
bool begins_turns(const std::vector<int>& index, int groups) {
  const auto channels = static_cast<int>(index.size());
  return channels % groups == 0 && ends_turns(index, channels / groups);
}

class SelectConv : public Op {
 public:
  SelectConv(OpPtr select, OpPtr conv, int groups)
      : select_(std::move(select)), conv_(std::move(conv)), groups_(groups) {}

  std::string_view name() const override { return "select + conv2d"; }

  Shape infer(std::span<const Shape> in) const override { return conv_->infer(of_conv(in)); }

  void forward(std::span<const Tensor> in, Tensor& out, const Pass& pass) const override {
    conv_->forward(of_conv(in), out, pass);
  }

  void backward(std::span<const Tensor> in, const Tensor& out, std::span<const Tensor>,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    const std::vector<Tensor> read = of_conv(in);
    std::vector<Gradient> written(grad.begin(), grad.end());
    Tensor dx = grad[0].wanted() ? Tensor::uninitialized(read[0].shape()) : Tensor();
    if (dx.defined()) written[0] = {.tensor = &dx};
    conv_->backward(read, out, {}, grad_out, written);
    select_->backward(in.first(1), read[0], {}, dx, grad.first(1));
  }

  bool backward_reads_result() const override { return false; }
  bool derivatives_apart(std::span<const Shape>, const Shape&) const override { return true; }

  OpPtr followed_by(const Op& reader, size_t) const override {
    if (reader.name() != "select") return nullptr;
    const Attributes attributes = reader.attributes();
    const auto& index = std::get<std::vector<int>>(attributes.at("index"));
    return begins_turns(index, groups_) ? conv_alone(*conv_, true) : nullptr;
  }

  void ties(const Node&, std::span<const Shape>, Channels&) const override {
    throw Error("select + conv2d: a step of a tape has no channels of its own");
  }

  int64_t macs(std::span<const Shape> in, const Shape& out) const override {
    return conv_->macs(of_conv(in), out);
  }

  std::string kernel(Direction direction, std::span<const Shape> in,
                     const Shape& out) const override {
    return conv_->kernel(direction, of_conv(in), out);
  }

 private:
  // The convolution's inputs: what is selected of x, and the others.
  std::vector<Shape> of_conv(std::span<const Shape> in) const {
    std::vector<Shape> read(in.begin(), in.end());
    read[0] = select_->infer(in.first(1));
    return read;
  }
  std::vector<Tensor> of_conv(std::span<const Tensor> in) const {
    std::vector<Tensor> read(in.begin(), in.end());
    const Shape x = in[0].shape();
    read[0] = Tensor::uninitialized(select_->infer({&x, 1}));
    select_->forward(in.first(1), read[0], {});
    return read;
  }

  OpPtr select_, conv_;
  int groups_;
};

}  // namespace

OpPtr select_conv(OpPtr select, const std::vector<int>& index, const Op& conv) {
  const std::optional<Conv2dOptions> options = plain_conv2d(conv);
  if (!options || !ends_turns(index, options->groups)) return nullptr;
  return std::make_shared<SelectConv>(std::move(select), make_conv2d(*options), options->groups);
}

}  // namespace bonsai
