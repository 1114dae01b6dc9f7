// A branch that learns what to add to its input.
#pragma once

#include <memory>
#include <utility>

#include "layers/basic.h"

namespace bonsai::zoo {

// The sequence is the branch; ReLU follows the sum of it and the input, or of it and the shortcut
// "downsample", for branches that halve the map or change the width.
class Residual : public Sequential {
 public:
  Var forward(Var x) override {
    const Var y = Sequential::forward(x);
    return relu(bonsai::add(y, shortcut_ != nullptr ? shortcut_->forward(x) : x));
  }

 protected:
  // To be called when the branch is complete.
  void set_shortcut(std::unique_ptr<Layer> shortcut) {
    shortcut_ = &adopt("downsample", std::move(shortcut));
  }

 private:
  Layer* shortcut_ = nullptr;
};

}  // namespace bonsai::zoo
