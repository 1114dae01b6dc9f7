// max_pool, average_pool (square windows; padding counts as zeros in the average) and
// global_average_pool (the mean over the map: [N, H, W, C] -> [N, C]).
#include <algorithm>
#include <limits>
#include <memory>

#include "engine/ceil_div.h"
#include "engine/kernels/per_channel.h"
#include "engine/kernels/pool.h"
#include "engine/ops.h"
#include "engine/ops/image_blocks.h"
#include "engine/ops/operands.h"
#include "engine/ops/registry.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

constexpr int largest = 4096;  // of kernel and stride: keeps window positions exact in a float

class Pool : public Op {
 public:
  enum Kind { max, average };

  Pool(Kind kind, const PoolOptions& options) : kind_(kind), options_(options) {
    const auto [kernel, stride, padding] = options;
    require(kernel >= 1 && kernel <= largest, name(), ": kernel is ", kernel, ", should be 1 to ",
            largest);
    require(stride >= 1 && stride <= largest, name(), ": stride is ", stride, ", should be 1 to ",
            largest);
    require(padding >= 0 && padding < kernel, name(), ": padding is ", padding,
            ", should be at least 0 and below the kernel's ", kernel);
  }

  std::string_view name() const override { return kind_ == max ? "max_pool" : "average_pool"; }

  Shape infer(std::span<const Shape> in) const override {
    require_inputs(name(), in, 1);
    require_rank(name(), in[0], 4);
    const Shape& x = in[0];
    return {x[0], output_size(x, 1), output_size(x, 2), x[3]};
  }

  void forward(std::span<const Tensor> in, Tensor& out, const Pass& pass) const override {
    const PoolShape shape = shape_of(in[0].shape(), out.shape());
    if (kind_ == average) {
      average_pool_forward(shape, in[0].data(), out.data());
      return;
    }
    Scalar* position = nullptr;
    if (pass.save != nullptr) {
      pass.save->push_back(Tensor::uninitialized(out.shape()));
      position = pass.save->back().data();
    }
    max_pool_forward(shape, in[0].data(), out.data(), position);
  }

  void backward(std::span<const Tensor> in, const Tensor& out, std::span<const Tensor> saved,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    const Gradient& dx = grad[0];
    if (!dx.wanted()) return;
    const PoolShape shape = shape_of(in[0].shape(), out.shape());
    const int64_t pixels = int64_t{shape.h} * shape.w, image = pixels * shape.channels;
    const int64_t result = int64_t{shape.out_h} * shape.out_w * shape.channels;
    const int64_t images = images_in_cache(image);
    if (dx.reader != nullptr) dx.reader->begin(static_cast<int>(ceil_div(shape.n, images)));
    parallel_ranges(shape.n, images, [&](int64_t begin, int64_t end) {
      PoolShape some = shape;
      some.n = static_cast<int>(end - begin);
      const Scalar* dy = grad_out.data() + begin * result;
      Scalar* to = dx.data() + begin * image;
      if (kind_ == max) {
        max_pool_backward(some, dy, saved[0].data() + begin * result, to, !dx.fresh);
      } else {
        average_pool_backward(some, dy, to, !dx.fresh);
      }
      if (dx.reader != nullptr) {
        dx.reader->read(static_cast<int>(begin / images), begin * pixels, (end - begin) * pixels);
      }
    });
  }

  bool completes_rows(size_t) const override { return true; }

  bool backward_reads(size_t) const override { return false; }
  bool backward_reads_result() const override { return false; }

  void ties(const Node& node, std::span<const Shape> shapes, Channels& channels) const override {
    tie_through(node, 0, shapes, channels);
  }

  Attributes attributes() const override {
    return {{"kernel", int64_t{options_.kernel}},
            {"stride", int64_t{options_.stride}},
            {"padding", int64_t{options_.padding}}};
  }

 private:
  int output_size(const Shape& x, size_t axis) const {
    const int64_t free = int64_t{x[axis]} + 2 * int64_t{options_.padding} - options_.kernel;
    require(x[axis] > 0 && free >= 0, name(), ": a window of ", options_.kernel, " with padding ",
            options_.padding, " does not fit the input ", x);
    const int64_t size = free / options_.stride + 1;
    require(size <= std::numeric_limits<int>::max(), name(), ": the result of ", x, " would be ",
            size, " in size");
    return static_cast<int>(size);
  }

  PoolShape shape_of(const Shape& x, const Shape& y) const {
    return {.n = x[0],
            .h = x[1],
            .w = x[2],
            .channels = x[3],
            .out_h = y[1],
            .out_w = y[2],
            .kernel = options_.kernel,
            .stride = options_.stride,
            .padding = options_.padding};
  }

  Kind kind_;
  PoolOptions options_;
};

class GlobalAveragePool : public Op {
 public:
  std::string_view name() const override { return "global_average_pool"; }

  Shape infer(std::span<const Shape> in) const override {
    require_inputs(name(), in, 1);
    require_rank(name(), in[0], 4);
    const Shape& x = in[0];
    require(x[1] > 0 && x[2] > 0 && x[3] > 0, name(), ": the input ", x, " is empty");
    return {x[0], x[3]};
  }

  void forward(std::span<const Tensor> in, Tensor& out, const Pass&) const override {
    const int c = out.dim(1), pixels = in[0].dim(1) * in[0].dim(2);
    const int64_t image = int64_t{pixels} * c;
    const int repeats = std::min(row_repeats(c), pixels), tile = c * repeats;
    parallel_ranges(out.dim(0), 1 + (1 << 14) / image, [&](int64_t begin, int64_t end) {
      Scalar* sums = thread_scratch<Scalar>(2, static_cast<size_t>(tile));
      for (int64_t n = begin; n < end; ++n) {
        std::fill_n(sums, tile, Scalar{0});
        sum_channels(in[0].data() + n * image, image, tile, sums);
        Scalar* y = out.data() + n * c;
        fold_channels(sums, c, repeats, y);
        for (int i = 0; i < c; ++i) y[i] /= static_cast<Scalar>(pixels);
      }
    });
  }

  void backward(std::span<const Tensor> in, const Tensor&, std::span<const Tensor>,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    if (!grad[0].wanted()) return;
    const int c = grad_out.dim(1), pixels = in[0].dim(1) * in[0].dim(2);
    const Scalar share = Scalar{1} / static_cast<Scalar>(pixels);
    parallel_ranges(int64_t{in[0].dim(0)} * pixels, 1 + (1 << 14) / c,
                    [&](int64_t begin, int64_t end) {
                      for (int64_t pixel = begin; pixel < end; ++pixel) {
                        scale_all(grad_out.data() + pixel / pixels * c, c, share,
                                  grad[0].data() + pixel * c, !grad[0].fresh);
                      }
                    });
  }

  bool backward_reads(size_t) const override { return false; }
  bool backward_reads_result() const override { return false; }

  void ties(const Node& node, std::span<const Shape> shapes, Channels& channels) const override {
    tie_through(node, 0, shapes, channels);
  }
};

OpPtr make_pool(Pool::Kind kind, AttributeReader& attributes) {
  const PoolOptions options{.kernel = attributes.integer("kernel", 1, largest),
                            .stride = attributes.integer("stride", 1, largest),
                            .padding = attributes.integer("padding", 0, largest)};
  return std::make_shared<Pool>(kind, options);
}

}  // namespace

OpPtr make_max_pool(AttributeReader& attributes) { return make_pool(Pool::max, attributes); }
OpPtr make_average_pool(AttributeReader& attributes) {
  return make_pool(Pool::average, attributes);
}
OpPtr make_global_average_pool(AttributeReader&) { return std::make_shared<GlobalAveragePool>(); }

Var max_pool(Var x, const PoolOptions& options) {
  return x.tape().apply(std::make_shared<Pool>(Pool::max, options), {x});
}

Var average_pool(Var x, const PoolOptions& options) {
  return x.tape().apply(std::make_shared<Pool>(Pool::average, options), {x});
}

Var global_average_pool(Var x) {
  return x.tape().apply(std::make_shared<GlobalAveragePool>(), {x});
}

}  // namespace bonsai
