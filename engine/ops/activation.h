#pragma once

#include "engine/kernels/activation.h"
#include "engine/op.h"
#include "engine/ops/registry.h"

namespace bonsai {

// What an activation op computes; null when the op is something else.
const Activation* as_activation(const Op& op);

// The settings of an operation that an activation was fused into: none, or "activation" and, for
// leaky_relu, its "slope".
void write_activation(const Activation& f, Attributes& attributes);
Activation read_activation(AttributeReader& attributes);

// Throws Error when f is an activation: fused operations are for inference.
void require_unfused(std::string_view op, const Activation& f);

}  // namespace bonsai
