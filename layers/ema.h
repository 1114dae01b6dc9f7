// An exponential moving average of a network's weights, which tests better than the last weights
// of a noisy descent (Polyak and Juditsky 1992). Buffers (running statistics) are averaged too.
// The decay starts low, min(decay, (1 + step) / (10 + step)), so that the random start is
// forgotten at once and short trainings gain as well.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/tape.h"

namespace bonsai {

// average += share (value - average)
void move_towards(const Tensor& average, const Tensor& value, double share);

class Ema {
 public:
  // Begins with the parameters as they are, which must outlive this.
  Ema(std::vector<Parameter*> parameters, float decay);

  void update(int64_t step);  // after optimiser step number `step`, counted from 0

  // Exchanges the network's weights and their averages; the same again undoes it.
  void swap();

  // While it lives, the network has the averages.
  class Swapped {
   public:
    explicit Swapped(Ema* ema) : ema_(ema) { exchange(); }  // null: does nothing
    ~Swapped() { exchange(); }
    Swapped(const Swapped&) = delete;
    Swapped& operator=(const Swapped&) = delete;

   private:
    void exchange() {
      if (ema_ != nullptr) ema_->swap();
    }
    Ema* ema_;
  };

  // The averages by the names of their parameters; memory is shared.
  std::vector<std::pair<std::string, Tensor>> state() const;

 private:
  std::vector<Parameter*> parameters_;
  std::vector<Tensor> averages_;
  float decay_;
};

}  // namespace bonsai
