// The first channels stay and the last ones go, whatever they hold: the simplest of the baselines
// of He et al. 2017, "Channel Pruning for Accelerating Very Deep Neural Networks".
//   score = the number of channels of the group from this one on / all of them
#include "compress/criterion.h"

namespace bonsai {

Scores first_k(const Evidence& evidence) {
  Scores scores(evidence.coupling().units.size());
  for (const Group& group : evidence.coupling().groups) {
    const size_t all = group.units.size();
    for (size_t i = 0; i < all; ++i) {
      scores[static_cast<size_t>(group.units[i])] =
          static_cast<double>(all - i) / static_cast<double>(all);
    }
  }
  return scores;
}

}  // namespace bonsai
