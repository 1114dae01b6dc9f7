#include "layers/checksum.h"

#include "engine/crc64.h"

namespace bonsai {

std::string weight_checksum(Layer& net) {
  Crc64 weights;
  for (const Parameter* p : net.parameters())
    weights.update(p->value.data(), p->value.size() * sizeof(Scalar));
  return weights.hex();
}

}  // namespace bonsai
