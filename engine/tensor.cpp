#include "engine/tensor.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "engine/error.h"
#include "engine/storage.h"

namespace bonsai {

size_t element_count(const Shape& shape) {
  size_t count = 1;
  for (const int n : shape) {
    require(n >= 0, "shape ", shape, ": a size is negative");
    require(!__builtin_mul_overflow(count, static_cast<size_t>(n), &count) &&
                count <= std::numeric_limits<size_t>::max() / 64,
            "shape ", shape, ": too many elements");
  }
  return count;
}

Tensor Tensor::uninitialized(Shape shape) {
  Tensor t;
  t.size_ = element_count(shape);
  t.shape_ = std::move(shape);
  t.storage_ = allocate_storage(t.size_ * sizeof(Scalar));
  t.data_ = static_cast<Scalar*>(t.storage_.get());
  return t;
}

Tensor::Tensor(Shape shape, Scalar value) : Tensor(uninitialized(std::move(shape))) { fill(value); }

Tensor Tensor::of(Shape shape, const std::vector<Scalar>& values) {
  Tensor t = uninitialized(std::move(shape));
  require(values.size() == t.size(), "tensor ", t.shape(), ": ", values.size(), " values given");
  std::copy(values.begin(), values.end(), t.data());
  return t;
}

Tensor Tensor::view(Scalar* data, Shape shape) {
  Tensor t;
  t.size_ = element_count(shape);
  t.shape_ = std::move(shape);
  t.data_ = data;
  return t;
}

int Tensor::dim(int axis) const {
  const int i = axis < 0 ? axis + rank() : axis;
  require(i >= 0 && i < rank(), "tensor ", shape_, " has no axis ", axis);
  return shape_[static_cast<size_t>(i)];
}

Scalar Tensor::item() const {
  require(size_ == 1, "tensor ", shape_, " is not a single number");
  return data_[0];
}

Tensor Tensor::reshape(Shape shape) const {
  require(!is_joined() && element_count(shape) == size_, "reshape: ", shape_,
          " does not hold as many elements as ", shape);
  Tensor t = *this;
  t.shape_ = std::move(shape);
  return t;
}

Tensor Tensor::joined(std::span<const Tensor> parts) {
  require(!parts.empty(), "joined: no tensor given, should be one or more");
  Tensor t;
  t.shape_ = parts[0].shape_;
  int channels = 0;
  std::vector<Tensor> all;
  for (const Tensor& part : parts) {
    Shape expected = t.shape_;
    expected.back() = part.dim(-1);
    require(part.shape_ == expected, "joined: shapes ", t.shape_, " and ", part.shape_,
            " should differ in the last axis alone");
    channels += part.dim(-1);
    const auto own = part.parts();
    all.insert(all.end(), own.begin(), own.end());
  }
  t.shape_.back() = channels;
  t.size_ = element_count(t.shape_);
  t.parts_ = std::make_shared<const std::vector<Tensor>>(std::move(all));
  return t;
}

std::span<const Tensor> Tensor::parts() const {
  return is_joined() ? std::span<const Tensor>(*parts_) : std::span<const Tensor>(this, 1);
}

Tensor Tensor::clone() const {
  if (!defined()) return {};
  require(!is_joined(), "clone: ", shape_, " is joined of several tensors");
  Tensor t = uninitialized(shape_);
  std::memcpy(t.data_, data_, size_ * sizeof(Scalar));
  return t;
}

void Tensor::fill(Scalar value) const {
  require(!is_joined(), "fill: ", shape_, " is joined of several tensors");
  std::fill_n(data_, size_, value);
}

void Tensor::copy_from(const Tensor& other) const {
  require(!is_joined() && !other.is_joined(), "copy: ", shape_,
          " or its source is joined of several tensors");
  require(shape_ == other.shape_, "copy: shape ", other.shape_, " into ", shape_);
  std::memcpy(data_, other.data_, size_ * sizeof(Scalar));
}

double max_abs_difference(const Tensor& a, const Tensor& b) {
  require(a.shape() == b.shape(), "compare: shapes ", a.shape(), " and ", b.shape());
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (std::isnan(d)) return std::numeric_limits<double>::infinity();
    worst = std::max(worst, d);
  }
  return worst;
}

}  // namespace bonsai
