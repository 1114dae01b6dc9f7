// concat: values side by side along their channels, all other axes being equal.
#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "engine/kernels/columns.h"
#include "engine/ops.h"
#include "engine/ops/operands.h"
#include "engine/ops/registry.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

int64_t piece_rows(int channels) { return 1 + (1 << 15) / std::max(channels, 1); }

class Concat : public Op {
 public:
  std::string_view name() const override { return "concat"; }

  Shape infer(std::span<const Shape> in) const override {
    require(!in.empty() && !in[0].empty(), "concat: no input given, should be one or more");
    Shape out = in[0];
    int64_t width = out.back();
    for (const Shape& x : in.subspan(1)) {
      Shape expected = in[0];
      if (!x.empty()) expected.back() = x.back();
      require(x == expected, "concat: shapes ", in[0], " and ", x,
              " should differ in the last axis alone");
      width += x.back();
    }
    require(width <= std::numeric_limits<int>::max(), "concat: ", width,
            " channels in all, should be at most ", std::numeric_limits<int>::max());
    out.back() = static_cast<int>(width);
    return out;
  }

  void forward(std::span<const Tensor> in, Tensor& out, const Pass&) const override {
    const int width = channels(out.shape());
    parallel_ranges(rows(out), piece_rows(width), [&](int64_t begin, int64_t end) {
      Scalar* y = out.data() + begin * width;
      for (const Tensor& x : in) {
        for (const Tensor& part : x.parts()) {
          const int c = channels(part.shape());
          copy_columns(part.data() + begin * c, c, y, width, end - begin, c, false);
          y += c;
        }
      }
    });
  }

  void backward(std::span<const Tensor> in, const Tensor& out, std::span<const Tensor>,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    const int width = channels(out.shape());
    parallel_ranges(rows(out), piece_rows(width), [&](int64_t begin, int64_t end) {
      const Scalar* dy = grad_out.data() + begin * width;
      for (size_t i = 0; i < in.size(); ++i) {
        if (grad[i].wanted()) give(dy, width, begin, end, grad[i]);
        dy += channels(in[i].shape());
      }
    });
  }

  bool takes_parts(size_t) const override { return true; }
  bool joins_inputs() const override { return true; }

  bool backward_reads(size_t) const override { return false; }
  bool backward_reads_result() const override { return false; }

  void ties(const Node& node, std::span<const Shape> shapes, Channels& channels_) const override {
    int offset = 0;
    for (const int value : node.in) {
      const int c = channels(shapes[static_cast<size_t>(value)]);
      channels_.tie_all(channel_axis(value, shapes), channel_axis(node.out, shapes), c, offset);
      offset += c;
    }
  }

 private:
  // The rows [begin, end) of a gradient, from the first of them in columns of a wider matrix.
  static void give(const Scalar* from, int width, int64_t begin, int64_t end,
                   const Gradient& grad) {
    for (const Tensor& part : grad.tensor->parts()) {
      const int c = channels(part.shape());
      copy_columns(from, width, part.data() + begin * c, c, end - begin, c, !grad.fresh);
      from += c;
    }
  }
};

}  // namespace

OpPtr make_concat(AttributeReader&) { return std::make_shared<Concat>(); }

Var concat(std::vector<Var> in) {
  require(!in.empty(), "concat: no input given, should be one or more");
  Tape& tape = in[0].tape();
  return tape.apply(std::make_shared<Concat>(), std::move(in));
}

}  // namespace bonsai
