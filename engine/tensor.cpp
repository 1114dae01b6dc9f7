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
  require(is_dense() && element_count(shape) == size_, "reshape: ", shape_,
          " does not hold as many elements as ", shape);
  Tensor t = *this;
  t.shape_ = std::move(shape);
  return t;
}

Tensor Tensor::columns(int first, int count) const {
  require(rank() > 0 && first >= 0 && count >= 0 && count <= dim(-1) - first, "columns: ", count,
          " from ", first, " on of ", shape_);
  Tensor t = *this;
  t.row_step_ = row_step();
  t.shape_.back() = count;
  t.size_ = element_count(t.shape_);
  t.data_ = data_ + first;
  return t;
}

Tensor Tensor::clone() const {
  if (!defined()) return {};
  require(is_dense(), "clone: ", shape_, " is a block of columns");
  Tensor t = uninitialized(shape_);
  std::memcpy(t.data_, data_, size_ * sizeof(Scalar));
  return t;
}

void Tensor::fill(Scalar value) const {
  require(is_dense(), "fill: ", shape_, " is a block of columns");
  std::fill_n(data_, size_, value);
}

void Tensor::copy_from(const Tensor& other) const {
  require(is_dense() && other.is_dense(), "copy: ", shape_, " or its source is a block of columns");
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
