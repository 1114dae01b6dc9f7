// Shows a training to people: on a terminal one line that is redrawn, elsewhere (a file, a pipe)
// a plain line per epoch, and a sign of life within an epoch that takes long.
#pragma once

#include <functional>
#include <ostream>
#include <string>

#include "layers/trainer.h"

namespace bonsai {

// `out` must outlive the result. `columns`: the terminal's width.
std::function<void(const Progress&)> progress_bar(std::ostream& out, bool terminal,
                                                  int columns = 80);

// [====>    ], `width` characters with its brackets.
std::string bar(double share, int width);
std::string clock_text(double seconds);  // 1:15, 1:01:15

// "epoch 3/30 [====>    ]  45 %  2310 images/s  loss 1.234  accuracy 56.7 %  2:34 left"
std::string progress_line(const Progress& progress, int columns);
// "epoch 3/30  loss 1.234  accuracy 56.7 %  test loss 1.102  test accuracy 61.2 %  ..."
std::string epoch_line(const Progress& progress);

}  // namespace bonsai
