#include "apps/signals.h"

#include <unistd.h>

#include <csignal>

#include "apps/usage.h"

namespace bonsai::app {
namespace {

std::atomic<bool> requested{false};
std::atomic<int> received{0};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may not wait");

void on_signal(int number) {
  if (requested.exchange(true)) _exit(128 + number);
  received = number;
}

}  // namespace

void watch_signals() {
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

void ignore_write_signals() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

const std::atomic<bool>& stop_requested() { return requested; }

int stop_signal() { return received; }

void end_if_stopped() {
  if (requested) throw Stopped("stopped", received);
}

}  // namespace bonsai::app
