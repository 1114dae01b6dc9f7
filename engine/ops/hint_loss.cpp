// hint_loss: how far a student's layer is from its teacher's once a 1x1 convolution, the regressor,
// has made as many channels of it (Romero et al. 2015, "FitNets", arXiv:1412.6550, equation 3).
// With r = x w' + b - t, over P pixels of K channels:
//   loss = sum r^2 / (P K),   dx = 2 r w / (P K),   dw = 2 r' x / (P K),   db = 2 sum r / (P K)
// r is large (a wide teacher's map of the whole batch) and needed for a moment only: a few pixels
// of it at a time are made, squared and multiplied on while they are in the cache, and the
// derivatives are kept instead.
#include <algorithm>
#include <array>
#include <memory>

#include "engine/kernels/gemm.h"
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

BONSAI_SIMD double sum_squares(const Scalar* r, int64_t n) {
  std::array<double, 16> sums{};
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (size_t k = 0; k < 16; ++k) {
      const double x = double{r[i + static_cast<int64_t>(k)]};
      sums[k] += x * x;
    }
  }
  double total = 0;
  for (const double sum : sums) total += sum;
  for (; i < n; ++i) total += double{r[i]} * double{r[i]};
  return total;
}

// r [rows, k] = b - t
BONSAI_SIMD void start_rows(const Scalar* b, const Scalar* t, int64_t rows, int k, Scalar* r) {
  for (int64_t i = 0; i < rows; ++i)
    for (int c = 0; c < k; ++c) r[i * k + c] = b[c] - t[i * k + c];
}

BONSAI_SIMD void add_rows(const Scalar* r, int64_t rows, int k, Scalar* sums) {
  for (int64_t i = 0; i < rows; ++i)
    for (int c = 0; c < k; ++c) sums[c] += r[i * k + c];
}

// Where the pass over all pixels reads and writes. dx and partial are null where no derivative is
// wanted; partial holds dw and db of each chunk.
struct Operands {
  const Scalar *x, *w, *b, *t;
  int64_t pixels;
  int in, out;
  Scalar *dx, *partial;
};

// Pixels [begin, end): returns sum r^2.
double run_chunk(const Operands& o, int64_t begin, int64_t end, Scalar* sums) {
  const int64_t tile = std::clamp<int64_t>(tile_numbers / o.out, 16, 1024);
  Scalar* r = thread_scratch<Scalar>(3, static_cast<size_t>(tile * o.out));
  double total = 0;
  for (int64_t p = begin; p < end; p += tile) {
    const int rows = static_cast<int>(std::min(tile, end - p));
    const Scalar* x = o.x + p * o.in;
    start_rows(o.b, o.t + p * o.out, rows, o.out, r);
    gemm(Transpose::no, Transpose::yes, rows, o.out, o.in, 1, x, o.in, o.w, o.in, 1, r, o.out);
    total += sum_squares(r, int64_t{rows} * o.out);
    if (o.dx == nullptr) continue;
    gemm(Transpose::no, Transpose::no, rows, o.in, o.out, 1, r, o.out, o.w, o.in, 0,
         o.dx + p * o.in, o.in);
    gemm(Transpose::yes, Transpose::no, o.out, o.in, rows, 1, r, o.out, x, o.in, 1, sums, o.in);
    add_rows(r, rows, o.out, sums + int64_t{o.out} * o.in);
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

  // Saves 2 r w / (P K), and the same of w and b.
  void forward(std::span<const Tensor> in, Tensor& out, const Pass& pass) const override {
    Operands o{in[0].data(), in[1].data(), in[2].data(), in[3].data(), rows(in[0]),
               in[0].dim(3), in[1].dim(0), nullptr,      nullptr};
    const int64_t grain = std::max<int64_t>((o.pixels + most_chunks - 1) / most_chunks, 64);
    const int64_t chunks = (o.pixels + grain - 1) / grain, size = int64_t{o.out} * (o.in + 1);
    Tensor partial;
    if (pass.save != nullptr) {
      pass.save->push_back(Tensor::uninitialized(in[0].shape()));
      partial = Tensor({static_cast<int>(chunks), static_cast<int>(size)});
      o.dx = pass.save->back().data();
      o.partial = partial.data();
    }
    double* squares = thread_scratch<double>(2, static_cast<size_t>(chunks));
    parallel_ranges(o.pixels, grain, [&](int64_t begin, int64_t end) {
      const int64_t chunk = begin / grain;
      squares[chunk] =
          run_chunk(o, begin, end, o.partial == nullptr ? nullptr : o.partial + chunk * size);
    });
    double total = 0;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) total += squares[chunk];
    out[0] = static_cast<Scalar>(total / static_cast<double>(in[3].size()));
    if (pass.save == nullptr) return;
    for (int64_t chunk = 1; chunk < chunks; ++chunk)
      scale_all(o.partial + chunk * size, size, 1, o.partial, true);
    pass.save->push_back(partial);
  }

  void backward(std::span<const Tensor> in, const Tensor&, std::span<const Tensor> saved,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    require(!grad[3].wanted(),
            "hint_loss: the teacher has no gradient, pass its map as a constant");
    const Scalar scale = 2 * grad_out[0] / static_cast<Scalar>(element_count(in[3].shape()));
    const auto w_size = static_cast<int64_t>(element_count(in[1].shape()));
    const Scalar* from[] = {saved[0].data(), saved[1].data(), saved[1].data() + w_size};
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
