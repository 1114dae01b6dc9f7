#include "apps/machine.h"

#include <sys/resource.h>
#include <sys/utsname.h>

#include <array>
#include <ctime>
#include <fstream>

#include "engine/error.h"
#include "engine/kernels/gemm.h"
#include "engine/parallel.h"

namespace bonsai::app {

std::string processor_name() {
  // x86 says "model name", a Raspberry Pi "Model"; others say nothing useful.
  std::ifstream file("/proc/cpuinfo");
  std::string board;
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (colon == std::string::npos) continue;
    if (line.starts_with("model name")) return line.substr(colon + 2);
    if (line.starts_with("Model")) board = line.substr(colon + 2);
  }
  if (!board.empty()) return board;
  utsname name{};
  return uname(&name) == 0 ? name.machine : "unknown processor";
}

std::string machine_description() {
  return join(processor_name(), ", ", thread_count(), thread_count() == 1 ? " thread" : " threads",
              ", ", blas_description());
}

std::string today() {
  const std::time_t now = std::time(nullptr);
  std::tm time{};
  gmtime_r(&now, &time);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M UTC", &time);
  return text.data();
}

int64_t peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
#ifdef __APPLE__
  return usage.ru_maxrss;
#else
  return static_cast<int64_t>(usage.ru_maxrss) * 1024;
#endif
}

}  // namespace bonsai::app
