#include "engine/op.h"

namespace bonsai {

OpPtr Op::shrunk(const Node&, std::span<const Shape>, const Keep&) const { return nullptr; }

int64_t Op::macs(std::span<const Shape>, const Shape&) const { return 0; }

OpPtr Op::with_activation(const Activation&) const { return nullptr; }

OpPtr Op::prepared(std::span<const Tensor>, const Tensor&) const { return nullptr; }

}  // namespace bonsai
