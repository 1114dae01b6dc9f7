#include "apps/steps.h"

#include <algorithm>

#include "engine/error.h"
#include "layers/progress.h"

namespace bonsai::app {

void Steps::show(int done, int total) {
  constexpr double sign_seconds = 60;
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  const double share = static_cast<double>(done) / std::max(1, total);
  const std::string left =
      done > 0 ? join("  ", clock_text(seconds / done * (total - done)), " left") : "";
  const int percent = static_cast<int>(100 * share);
  if (errors_on_terminal()) {
    line_.show(join(what_, " ", bar(share, 32), " ", percent, " %", left));
  } else if (seconds >= next_sign_) {
    say(join(what_, " ", percent, " %", left));
    next_sign_ = seconds + sign_seconds;
  }
}

}  // namespace bonsai::app
