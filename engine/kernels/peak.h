// How quick this machine's arithmetic is at best: the roof under which every kernel stays, unless
// it saves multiplications (Winograd).
#pragma once

namespace bonsai {

// Operations per second of fused multiply-adds (2 each) on vectors in registers, by all threads
// (thread_count()): the best of as many short trials as fit into `seconds`, at least one. Short
// trials, because other programs only ever make one slower.
double measured_peak(double seconds = 0.2);

}  // namespace bonsai
