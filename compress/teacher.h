// Teacher: a trained network that answers in inference mode and learns nothing: running statistics,
// no dropout, no gradients. It is a copy, rewritten for inference as a session's is (batch norms
// folded, activations fused) as far as the values that are asked for survive it, and takes batches
// of any size.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "engine/graph.h"

namespace bonsai {

struct Answer {
  Tensor logits;             // [N, classes]
  std::vector<Tensor> taps;  // of the values that were asked for, in that order
};

class Teacher {
 public:
  // `taps`: numbers of values of the graph. `data` are those that the batches are made of: when
  // their normalisation is not the graph's own, pictures are converted. Throws Error when the
  // graph does not read such pictures or does not know as many classes.
  Teacher(const Graph& graph, std::vector<int> taps, const Dataset& data);

  // images: [N, H, W, 3], normalised as the data say. Throws Error when the logits are not finite.
  Answer answer(const Tensor& images) const;

  // Of all pictures, without augmentation: [count, classes].
  Tensor logits(const Images& images, const Dataset& data,
                const std::function<void(int done, int total)>& progress = {}) const;

  const std::string& checksum() const { return checksum_; }  // of its weights

 private:
  void convert_pictures(const Dataset& data);
  Tensor converted(const Tensor& images) const;

  Graph graph_;
  std::vector<int> taps_;
  std::vector<int> last_reads_;          // per value: the last node that reads it
  std::array<Scalar, 3> scale_, shift_;  // of pixels, from the batches' normalisation to its own
  bool converts_ = false;
  std::string checksum_;
};

}  // namespace bonsai
