// hint_loss: how far a student's layer is from its teacher's once a 1x1 convolution, the regressor,
// has made as many channels of it (Romero et al. 2015, "FitNets", arXiv:1412.6550, equation 3).
// With r = x w' + b - t, over P pixels of K channels:
//   loss = sum r^2 / (P K),   dx = 2 r w / (P K),   dw = 2 r' x / (P K),   db = 2 sum r / (P K)
// r is as large as a wide teacher's map of the whole batch, and needed for a moment only: it is
// made a block of pixels at a time, squared and multiplied on while it is in the cache, and the
// derivatives are kept instead.
#include <algorithm>
#include <array>
#include <memory>

#include "engine/ceil_div.h"
#include "engine/kernels/conv.h"
#include "engine/kernels/per_channel.h"
#include "engine/ops.h"
#include "engine/ops/operands.h"
#include "engine/ops/registry.h"
#include "engine/parallel.h"
#include "engine/simd.h"

namespace bonsai {
namespace {

constexpr int64_t tile_numbers = 1 << 16;  // of r
constexpr int64_t most_chunks = 16;        // each with sums of its own

// y [rows, k] becomes r = y - t; sums [k] and squares [k] grow by those of its columns.
BONSAI_SIMD void subtract_rows(const Scalar* t, int64_t rows, int k, Scalar* __restrict y,
                               Scalar* __restrict sums, Scalar* __restrict squares) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int c = 0; c < k; ++c) {
      const Scalar r = y[c] - t[c];
      y[c] = r;
      sums[c] += r;
      squares[c] += r * r;
    }
    y += k;
    t += k;
  }
}

// The regressor and what it reads; dx and sums are null where no derivative is wanted.
struct Regression {
  const Scalar *x, *w, *b, *t;
  int64_t pixels;
  int in, out;
  Scalar *dx = nullptr, *sums = nullptr;  // per chunk: those of r' x, [out, in], and of r, [out]
  Tensor packed = {}, packed_back = {};   // weights for tiles that are full

  int64_t tile() const {
    return std::min(pixels, std::clamp<int64_t>(tile_numbers / out, 16, 1024));
  }
  int64_t grain() const { return std::max<int64_t>(ceil_div(pixels, most_chunks), 64); }
  int64_t chunks() const { return ceil_div(pixels, grain()); }
  int64_t sums_size() const { return int64_t{out} * (in + 1); }

  // As a convolution of a line of so many pixels.
  ConvShape shape(int64_t count) const {
    const auto width = static_cast<int>(count);
    return {.n = 1,
            .h = 1,
            .w = width,
            .in = in,
            .out_h = 1,
            .out_w = width,
            .out = out,
            .kh = 1,
            .kw = 1,
            .stride = 1,
            .padding = 0,
            .dilation = 1,
            .groups = 1};
  }

  double run(int64_t chunk) const;
};

const Scalar* numbers(const Tensor& packed) { return packed.defined() ? packed.data() : nullptr; }

// Returns the sum of r^2.
double Regression::run(int64_t chunk) const {
  const int64_t end = std::min(pixels, (chunk + 1) * grain());
  // Kernels use the other slots.
  Scalar* r = thread_scratch<Scalar>(4, static_cast<size_t>((tile() + 2) * out));
  Scalar *squares = r + tile() * out, *column_sums = squares + out;
  std::fill_n(column_sums, out, Scalar{0});
  Scalar* const dw = sums == nullptr ? nullptr : sums + chunk * sums_size();
  if (dw != nullptr) column_sums = dw + int64_t{out} * in;
  double total = 0;
  for (int64_t p = chunk * grain(); p < end; p += tile()) {
    const int64_t count = std::min(tile(), end - p);
    const bool full = count == tile();  // another tile may be another kernel's
    const ConvShape here = shape(count);
    const ConvForward forward{.shape = here,
                              .x = x + p * in,
                              .w = w,
                              .b = b,
                              .y = r,
                              .packed = full ? numbers(packed) : nullptr};
    // Without packed weights the row that reads them as they are.
    (dw == nullptr ? conv_forward_pointwise : conv_forward)(forward);
    std::fill_n(squares, out, Scalar{0});
    subtract_rows(t + p * out, count, out, r, column_sums, squares);
    for (int c = 0; c < out; ++c) total += double{squares[c]};
    if (dw == nullptr) continue;
    conv_backward_data({.shape = here,
                        .dy = r,
                        .w = w,
                        .dx = dx + p * in,
                        .packed = full ? numbers(packed_back) : nullptr});
    conv_backward_weights({.shape = here, .x = x + p * in, .dy = r, .dw = dw, .add = true});
  }
  return total;
}

class HintLoss : public Op {
 public:
  std::string_view name() const override { return "hint_loss"; }

  Shape infer(std::span<const Shape> in) const override {
    require_inputs(name(), in, 4);
    const Shape &x = in[0], &w = in[1], &t = in[3];
    require_rank(name(), x, 4);
    require(element_count(x) > 0, name(), ": the student's map ", x, " is empty");
    require(w.size() == 4 && w[0] > 0 && w[1] == 1 && w[2] == 1 && w[3] == x[3], name(),
            ": the regressor has shape ", w, ", should be [K, 1, 1, ", x[3], "]");
    require_vector(name(), "the regressor's bias", in[2], w[0]);
    const Shape wanted = {x[0], x[1], x[2], w[0]};
    require(t == wanted, name(), ": the teacher's map has shape ", t, ", should be ", wanted);
    return {1};
  }

  // Saves r w, and r' x with sum r behind it.
  void forward(std::span<const Tensor> in, Tensor& out, const Pass& pass) const override {
    Regression r{.x = in[0].data(),
                 .w = in[1].data(),
                 .b = in[2].data(),
                 .t = in[3].data(),
                 .pixels = rows(in[0]),
                 .in = in[0].dim(3),
                 .out = in[1].dim(0)};
    const int64_t chunks = r.chunks(), size = r.sums_size();
    Tensor sums;
    if (pass.save != nullptr) {
      pass.save->push_back(Tensor::uninitialized(in[0].shape()));
      sums = Tensor({static_cast<int>(chunks), static_cast<int>(size)});
      r.dx = pass.save->back().data();
      r.sums = sums.data();
      r.packed = conv_pack(r.shape(r.tile()), r.w);
      r.packed_back = conv_pack_backward_data(r.shape(r.tile()), r.w);
    }
    std::array<double, most_chunks> squares;
    parallel_chunks(chunks,
                    [&](int64_t chunk) { squares[static_cast<size_t>(chunk)] = r.run(chunk); });
    double total = 0;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) total += squares[static_cast<size_t>(chunk)];
    out[0] = static_cast<Scalar>(total / static_cast<double>(in[3].size()));
    if (pass.save == nullptr) return;
    for (int64_t chunk = 1; chunk < chunks; ++chunk)
      scale_all(r.sums + chunk * size, size, 1, r.sums, true);
    pass.save->push_back(sums);
  }

  void backward(std::span<const Tensor> in, const Tensor&, std::span<const Tensor> saved,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    require(!grad[3].wanted(),
            "hint_loss: the teacher has no gradient, pass its map as a constant");
    const Scalar scale = 2 * grad_out[0] / static_cast<Scalar>(element_count(in[3].shape()));
    const Scalar* const from[] = {saved[0].data(), saved[1].data(),
                                  saved[1].data() + element_count(in[1].shape())};
    for (size_t i = 0; i < 3; ++i) {
      if (!grad[i].wanted()) continue;
      const auto n = static_cast<int64_t>(element_count(in[i].shape()));
      parallel_ranges(n, 1 << 15, [&](int64_t begin, int64_t end) {
        scale_all(from[i] + begin, end - begin, scale, grad[i].data() + begin, !grad[i].fresh);
      });
    }
  }

  bool backward_reads(size_t) const override { return false; }
  bool backward_reads_result() const override { return false; }

  // What is compared is a result: all of it stays, and so does what makes it comparable.
  void ties(const Node& node, std::span<const Shape> shapes, Channels& channels_) const override {
    for (const int v : node.in)
      channels_.pin(channel_axis(v, shapes), channels(shapes[static_cast<size_t>(v)]));
    channels_.pin({node.in[1], 0}, shapes[static_cast<size_t>(node.in[1])][0]);
  }
};

}  // namespace

OpPtr make_hint_loss(AttributeReader&) { return std::make_shared<HintLoss>(); }

Var hint_loss(Var x, Var w, Var b, Var t) {
  return x.tape().apply(std::make_shared<HintLoss>(), {x, w, b, t});
}

}  // namespace bonsai
