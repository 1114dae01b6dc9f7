#pragma once

#include <cstdint>
#include <vector>

namespace bonsai {

// Per channel the sums that a batch norm's derivatives need, plain and centred as gradient_sums()
// gives them, of blocks of rows: taken on any threads in any order, and added up in that of blocks.
class BlockSums {
 public:
  BlockSums(int blocks, int channels)
      : channels_(static_cast<size_t>(channels)),
        sums_(static_cast<size_t>(blocks) * 2 * channels_) {}

  double* plain(int block) { return sums_.data() + static_cast<size_t>(block) * 2 * channels_; }
  double* centred(int block) { return plain(block) + channels_; }

  // [2, C]
  std::vector<double> merged() const {
    std::vector<double> all(sums_.begin(),
                            sums_.begin() + static_cast<std::ptrdiff_t>(2 * channels_));
    for (size_t i = all.size(); i < sums_.size(); ++i) all[i % all.size()] += sums_[i];
    return all;
  }

 private:
  size_t channels_;
  std::vector<double> sums_;  // [blocks, 2, C]
};

}  // namespace bonsai
