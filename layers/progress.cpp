#include "layers/progress.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "engine/error.h"

namespace bonsai {
namespace {

constexpr double redraw_seconds = 0.1;
constexpr double first_sign_seconds = 5, sign_seconds = 60;  // where there is no terminal

std::string fixed(double x, int digits) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%.*f", digits, x);
  return buffer;
}

std::string percent(double share) { return fixed(100 * share, 1) + " %"; }

double share_done(const Progress& p) {
  return p.total > 0 ? static_cast<double>(p.done) / p.total : 0;
}

std::string epoch_text(const Progress& p) {
  const std::string epochs = std::to_string(p.epochs), epoch = std::to_string(p.epoch);
  const size_t blank = epochs.size() > epoch.size() ? epochs.size() - epoch.size() : 0;
  return join("epoch ", std::string(blank, ' '), epoch, "/", epochs);
}

std::string figures(const Progress& p) {
  if (p.stage == Progress::Stage::testing) return "  testing";
  return join("  ", fixed(p.images_per_second, 0), " images/s  loss ", fixed(p.loss, 3),
              "  accuracy ", percent(p.accuracy));
}

// One line at a time, drawn over the one before.
class TerminalBar {
 public:
  TerminalBar(std::ostream& out, int columns) : out_(out), columns_(columns) {}

  void show(const Progress& p) {
    if (p.stage == Progress::Stage::epoch_done) {
      out_ << '\r' << epoch_line(p) << "\x1b[K\n";
    } else {
      if (p.seconds < next_) return;
      next_ = p.seconds + redraw_seconds;
      out_ << '\r' << progress_line(p, columns_) << "\x1b[K";
    }
    out_.flush();
  }

 private:
  std::ostream& out_;
  int columns_;
  double next_ = 0;
};

class PlainLines {
 public:
  explicit PlainLines(std::ostream& out) : out_(out) {}

  void show(const Progress& p) {
    if (p.stage == Progress::Stage::epoch_done) {
      out_ << epoch_line(p) << '\n';
    } else {
      if (p.seconds < next_) return;
      out_ << join(epoch_text(p), "  ", fixed(100 * share_done(p), 0), " %", figures(p), "  ",
                   clock_text(p.seconds_left), " left\n");
    }
    next_ = p.seconds + sign_seconds;
    out_.flush();
  }

 private:
  std::ostream& out_;
  double next_ = first_sign_seconds;
};

}  // namespace

std::string bar(double share, int width) {
  const int inside = std::max(width - 2, 1);
  const int full = std::clamp(static_cast<int>(share * inside), 0, inside);
  std::string text(static_cast<size_t>(full), '=');
  if (full < inside) text += '>';
  text.resize(static_cast<size_t>(inside), ' ');
  return "[" + text + "]";
}

std::string clock_text(double seconds) {
  const auto s = static_cast<long long>(std::clamp(std::ceil(seconds), 0.0, 1e9));
  char buffer[64];
  if (s < 3600) {
    std::snprintf(buffer, sizeof buffer, "%lld:%02lld", s / 60, s % 60);
  } else {
    std::snprintf(buffer, sizeof buffer, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
  }
  return buffer;
}

std::string progress_line(const Progress& p, int columns) {
  const double share = share_done(p);
  const std::string done = fixed(100 * share, 0);
  const std::string left = epoch_text(p) + " ";
  const std::string right = join(std::string(4 - std::min<size_t>(done.size(), 4), ' '), done, " %",
                                 figures(p), "  ", clock_text(p.seconds_left), " left");
  // The last column stays free: some terminals begin a new line once it is written.
  const int room = columns - 1 - static_cast<int>(left.size() + right.size());
  std::string line = left + bar(share, std::clamp(room, 6, 40)) + right;
  if (columns > 0) line.resize(std::min(line.size(), static_cast<size_t>(columns - 1)));
  return line;
}

std::string epoch_line(const Progress& p) {
  if (p.record == nullptr) return epoch_text(p);
  const EpochRecord& r = *p.record;
  std::string line =
      join(epoch_text(p), "  loss ", fixed(r.loss, 3), "  accuracy ", percent(r.train_accuracy),
           "  test loss ", fixed(r.test_loss, 3), "  test accuracy ", percent(r.accuracy), "  ",
           fixed(r.images_per_second, 0), " images/s");
  if (p.epoch < p.epochs) line += join("  ", clock_text(p.seconds_left), " left");
  if (!p.note.empty()) line += join("\n", p.note);
  return line;
}

std::function<void(const Progress&)> progress_bar(std::ostream& out, bool terminal, int columns) {
  if (terminal) {
    return [bar = TerminalBar(out, columns)](const Progress& p) mutable { bar.show(p); };
  }
  return [lines = PlainLines(out)](const Progress& p) mutable { lines.show(p); };
}

}  // namespace bonsai
