// Chance: what a criterion must beat. A unit's score depends on the evidence's seed and on the
// unit's number alone.
#include "compress/criterion.h"
#include "engine/random.h"

namespace bonsai {

Scores random_scores(const Evidence& evidence) {
  Scores scores;
  for (size_t u = 0; u < evidence.coupling().units.size(); ++u) {
    scores.push_back(double{Random(evidence.seed(), Purpose::choice, u, 1).uniform()});
  }
  return scores;
}

}  // namespace bonsai
