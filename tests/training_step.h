// What tests/fixtures/training_step.py writes, read back: the results of a training step in
// PyTorch, and the weights and pictures that it began with, made again by the same formula.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>

#include "engine/error.h"
#include "engine/layer.h"
#include "engine/tensor_file.h"
#include "tests/known_number.h"

namespace bonsai::testing {

// The shape that PyTorch has for [out, kh, kw, in] and others.
inline Shape in_pytorch(const Shape& s) {
  return s.size() == 4 ? Shape{s[0], s[3], s[1], s[2]} : s;
}

// Convolution weights from PyTorch's [out, in, kh, kw] to [out, kh, kw, in]; others as they are.
inline Tensor turned(const Tensor& t) {
  if (t.rank() != 4) return t;
  const int out = t.dim(0), in = t.dim(1), kh = t.dim(2), kw = t.dim(3);
  Tensor result({out, kh, kw, in});
  size_t to = 0;
  for (int o = 0; o < out; ++o) {
    for (int y = 0; y < kh; ++y) {
      for (int x = 0; x < kw; ++x) {
        for (int i = 0; i < in; ++i) {
          result[to++] = t[static_cast<size_t>(((o * in + i) * kh + y) * kw + x)];
        }
      }
    }
  }
  return result;
}

// Overwrites the parameters, in the order of their definition, which should be PyTorch's.
inline void set_known_weights(Layer& net) {
  uint64_t stream = 0;
  for (Parameter* p : net.parameters()) {
    if (!p->trainable) continue;
    const Shape& shape = p->value.shape();
    const bool vector = shape.size() == 1;
    Tensor w(in_pytorch(shape));
    const double bound = std::sqrt(6.0 * shape[0] / static_cast<double>(w.size()));
    for (size_t i = 0; i < w.size(); ++i) {
      const Scalar x = known_number(stream, i);
      w[i] = vector ? 1 + x / 2 : static_cast<Scalar>(double{x} * bound);
    }
    p->value.copy_from(turned(w));
    ++stream;
  }
}

// A gradient as the file holds it: sums over the outputs when there are many numbers.
inline Tensor folded(const Tensor& gradient, size_t position) {
  if (gradient.rank() == 1 || gradient.size() <= 64) return gradient;
  Shape shape = gradient.shape();
  const int out = shape[0];
  shape[0] = 1;
  const Tensor sum(shape);
  for (int o = 0; o < out; ++o) {
    const Scalar number = known_number(2000 + position, static_cast<uint64_t>(o));
    const Scalar factor = number < 0 ? number - 1 : number + 1;
    const Scalar* row = gradient.data() + static_cast<size_t>(o) * sum.size();
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += factor * row[i];
  }
  return sum;
}

class StepInPyTorch {
 public:
  explicit StepInPyTorch(const std::string& name)
      : file_(read_tensor_file(join(BONSAI_FIXTURES "/", name, ".safetensors"))) {}

  const Tensor& get(const std::string& name) const { return file_.tensor(name); }
  // The tensor of this shape, as it is here, that begins at a position in "gradients" or "buffers".
  Tensor get(const std::string& name, size_t begin, const Shape& shape) const {
    const Tensor& all = get(name);
    Tensor part(in_pytorch(shape));
    require(begin + part.size() <= all.size(), "the fixture holds ", all.size(), " numbers of ",
            name, ", should be at least ", begin + part.size());
    for (size_t i = 0; i < part.size(); ++i) part[i] = all[begin + i];
    return turned(part);
  }
  Tensor pictures() const {
    const Tensor& x = get("x");
    const int count = static_cast<int>(x[1]), size = static_cast<int>(x[2]);
    Tensor pictures({count, size, size, 3});
    for (size_t i = 0; i < pictures.size(); ++i) {
      pictures[i] = 1.5F * known_number(static_cast<uint64_t>(x[0]), i);
    }
    return pictures;
  }
  // Picture i shows class i.
  Tensor labels() const {
    const int count = static_cast<int>(get("x")[1]);
    Tensor labels({count});
    for (int i = 0; i < count; ++i) labels[static_cast<size_t>(i)] = static_cast<Scalar>(i);
    return labels;
  }

 private:
  TensorFile file_;
};

}  // namespace bonsai::testing
