#include "engine/op.h"

namespace bonsai {

bool Op::backward_reads(size_t) const { return true; }

bool Op::backward_reads_result() const { return true; }

bool Op::derivatives_apart(std::span<const Shape>, const Shape&) const { return false; }

OpPtr Op::followed_by(const Op&, size_t) const { return nullptr; }

bool Op::takes_parts(size_t) const { return false; }

bool Op::takes_moments() const { return false; }

bool Op::gives_moments() const { return false; }

OpPtr Op::giving_moments() const { return nullptr; }

bool Op::takes_line() const { return false; }

void Op::backward_of(std::span<const Tensor> in, const Tensor& out, std::span<const Tensor> saved,
                     const Derivative& by_out, std::span<const Gradient> grad) const {
  backward(in, out, saved, by_out.tensor, grad);
}

std::unique_ptr<GradientReader> Op::gradient_reader(std::span<const Tensor>, const Tensor&,
                                                    std::span<const Tensor>, const Tensor&) const {
  return nullptr;
}

bool Op::completes_rows(size_t) const { return false; }

bool Op::joins_inputs() const { return false; }

OpPtr Op::shrunk(const Node&, std::span<const Shape>, const Keep&) const { return nullptr; }

int64_t Op::macs(std::span<const Shape>, const Shape&) const { return 0; }

std::string Op::kernel(Direction, std::span<const Shape>, const Shape&) const { return {}; }

OpPtr Op::with_activation(const Activation&) const { return nullptr; }

OpPtr Op::prepared(std::span<const Tensor>, const Tensor&) const { return nullptr; }

}  // namespace bonsai
