// Which options make one training another: all that can change a bit of its result.
#pragma once

#include "layers/trainer.h"

namespace bonsai {

RunIdentity run_identity(const TrainOptions& options, const Dataset& data);

}  // namespace bonsai
