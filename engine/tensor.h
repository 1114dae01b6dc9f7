// Tensor: a dense array of one scalar type with a shape. Copies share memory; clone() does not.
// Layouts (NHWC): activations [N, H, W, C], convolution weights [out, kh, kw, in / groups], linear
// weights [out, in], per-channel vectors [C], a single number [1].
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace bonsai {

// Named once, here: tests build the engine a second time in double precision to check gradients.
#ifdef BONSAI_DOUBLE
using Scalar = double;
#else
using Scalar = float;
#endif

using Shape = std::vector<int>;

// Number of elements; 1 for the empty shape. Throws Error on a negative size or an overflow.
size_t element_count(const Shape& shape);

class Tensor {
 public:
  Tensor() = default;  // holds nothing: defined() is false
  explicit Tensor(Shape shape, Scalar fill = 0);

  static Tensor uninitialized(Shape shape);
  static Tensor of(Shape shape, const std::vector<Scalar>& values);
  // Memory that belongs to somebody else, who keeps it alive.
  static Tensor view(Scalar* data, Shape shape);

  bool defined() const { return data_ != nullptr || parts_ != nullptr; }
  const Shape& shape() const { return shape_; }
  int rank() const { return static_cast<int>(shape_.size()); }
  int dim(int axis) const;  // a negative axis counts from the end
  size_t size() const { return size_; }
  Scalar* data() const { return data_; }
  Scalar& operator[](size_t i) const { return data_[i]; }
  Scalar item() const;  // the only element

  Tensor reshape(Shape shape) const;  // the same memory; the sizes must agree

  // The channels of several tensors, one after the other, as one tensor without memory of its own:
  // data() is null, and only operations that say so take it (Op::takes_parts). Parts that are
  // joined themselves count as theirs.
  static Tensor joined(std::span<const Tensor> parts);
  bool is_joined() const { return parts_ != nullptr; }
  std::span<const Tensor> parts() const;  // itself alone if it is not joined

  Tensor clone() const;
  void fill(Scalar value) const;              // as the following, not of a joined tensor
  void copy_from(const Tensor& other) const;  // the shapes must agree

 private:
  Shape shape_;
  size_t size_ = 0;
  Scalar* data_ = nullptr;
  std::shared_ptr<void> storage_;
  std::shared_ptr<const std::vector<Tensor>> parts_;
};

// max |a - b|; throws Error when the shapes differ. Not a number counts as infinitely far.
double max_abs_difference(const Tensor& a, const Tensor& b);

}  // namespace bonsai
