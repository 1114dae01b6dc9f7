// Ctrl-C and SIGTERM while a job runs that can be resumed: the first asks it to finish its step,
// save and end; the second ends the program at once (files are written whole or not at all, so that
// is safe too). Other commands just end.
#pragma once

#include <atomic>

namespace bonsai::app {

void watch_signals();
// A reader that left, or a file that may not grow, is a failed write and not a death.
void ignore_write_signals();
const std::atomic<bool>& stop_requested();
int stop_signal();  // 0: none came

// Throws Stopped when a signal came: between the stages of a job, where all is saved.
void end_if_stopped();

}  // namespace bonsai::app
