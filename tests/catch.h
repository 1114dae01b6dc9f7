// The test framework: Catch2, 2.13 (Debian 12) or 3.x, and one helper that both lack in common.
//
//   TEST_CASE("trains on real pictures", "[slow]") {
//     const char* path = std::getenv("BONSAI_CIFAR10");
//     if (path == nullptr) return skip("no CIFAR-10: set CIFAR10=path");
//     ...
// Tags: [slow] is left out of the short form (emulated processors), [threads] runs under TSan.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>
#endif

#include <string_view>

// Notes that the running test case did not do its work, and prints why: it is counted as skipped,
// not as passed. The test case must return at once.
void skip(std::string_view why);
