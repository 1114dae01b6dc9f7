#include "compress/calibration.h"

#include <algorithm>
#include <utility>

#include "engine/error.h"

namespace bonsai {

std::vector<Batch> calibration_batches(const Images& images, const std::array<float, 3>& mean,
                                       const std::array<float, 3>& deviation,
                                       const CalibrationOptions& options) {
  require(images.count() > 0, "calibration: there are no pictures");
  const bool all = options.images <= 0 || options.images >= images.count();
  Images chosen;
  if (!all) chosen = subset(images, options.images, options.seed);
  const Images& used = all ? images : chosen;
  Loader loader(used, mean, deviation, {.batch = std::min(options.batch, used.count())});
  std::vector<Batch> batches;
  loader.start(0);
  for (Batch batch; loader.next(batch);) batches.push_back(std::exchange(batch, {}));
  return batches;
}

}  // namespace bonsai
