// The machine that figures were measured on, in words.
#pragma once

#include <cstdint>
#include <string>

namespace bonsai::app {

std::string processor_name();
std::string machine_description();  // processor, threads, BLAS
std::string today();                // 2026-11-24 18:30 UTC
int64_t peak_memory_bytes();        // of this process so far

}  // namespace bonsai::app
