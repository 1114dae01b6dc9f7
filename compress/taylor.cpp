// First order Taylor expansion by gates: Molchanov et al. 2019, "Importance Estimation for Neural
// Network Pruning".
//   score = the mean over pictures of (dL/dz)^2, dL/dz = sum over the map of a dL/da
// z is a factor of 1 on the channel behind its batch norm; to first order, setting it to 0 changes
// the picture's loss L by -dL/dz. The square is taken picture by picture, so that a channel which
// helps on some pictures and harms on others counts as used.
// Layers that write onto the same channels (the blocks of a residual stage) have a gate each, and
// the unit gets the mean of their derivatives, as in the authors' code, before the square. The
// square of the sum would be the loss of removing the unit from all of them at once; within a
// group, where units compete, the order is the same.
#include "compress/criterion.h"

namespace bonsai {
namespace {

struct Gate {
  const Tensor* derivatives;  // [pictures, C]
  int channel;
};

// The gates of a unit's channels and how many layers they belong to.
struct Gates {
  std::vector<Gate> all;
  int layers = 0;
};

Gates gates_of(const Unit& unit, const Coupling& coupling, const LossGradients& gradients) {
  Gates gates;
  for (size_t p = 0; p < coupling.producers.size(); ++p) {
    bool makes = false;
    for (const Channel& channel : unit.channels) {
      if (channel.axis != coupling.producers[p].output) continue;
      gates.all.push_back({&gradients.gates[p], channel.index});
      makes = true;
    }
    if (makes) ++gates.layers;
  }
  return gates;
}

}  // namespace

Scores taylor(const Evidence& evidence) {
  const LossGradients& gradients = evidence.gradients();
  Scores scores;
  for (const Unit& unit : evidence.coupling().units) {
    const Gates gates = gates_of(unit, evidence.coupling(), gradients);
    const int pictures = gates.all.front().derivatives->dim(0);
    double squares = 0;
    for (int i = 0; i < pictures; ++i) {
      double sum = 0;
      for (const Gate& gate : gates.all) {
        const size_t width = static_cast<size_t>(gate.derivatives->dim(1));
        sum += double{(
            *gate.derivatives)[static_cast<size_t>(i) * width + static_cast<size_t>(gate.channel)]};
      }
      const double mean = sum / gates.layers;
      squares += mean * mean;
    }
    scores.push_back(squares / pictures);
  }
  return scores;
}

}  // namespace bonsai
