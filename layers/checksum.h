// A checksum of all parameters of a network: equal for equal bits, in one process and the next.
#pragma once

#include <string>

#include "engine/layer.h"

namespace bonsai {

std::string weight_checksum(Layer& net);

}  // namespace bonsai
