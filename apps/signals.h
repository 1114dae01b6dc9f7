// Ctrl-C and SIGTERM: the first asks the running job to finish its step, save and end; the second
// ends the program at once (files are written whole or not at all, so that is safe too).
#pragma once

#include <atomic>

namespace bonsai::app {

void watch_signals();
const std::atomic<bool>& stop_requested();
int stop_signal();  // 0: none came

// Throws Stopped when a signal came: between the stages of a job, where all is saved.
void end_if_stopped();

}  // namespace bonsai::app
