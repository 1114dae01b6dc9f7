// The tests' main, and a listener that records how each test case ended: one line `passed`,
// `failed` or `skipped` per case in the file that BONSAI_TEST_RESULTS names. Lines are written as
// cases end, so that a crash loses nothing, and counts do not depend on Catch2's console format.
#if !__has_include(<catch2/catch_all.hpp>)
#define CATCH_CONFIG_MAIN
#endif
#include "tests/catch.h"

#include <cstdlib>
#include <fstream>
#include <iostream>

namespace {

#if __has_include(<catch2/catch_all.hpp>)
using ListenerBase = Catch::EventListenerBase;
#else
using ListenerBase = Catch::TestEventListenerBase;
#endif

bool skip_requested = false;

class ResultLines : public ListenerBase {
 public:
  using ListenerBase::ListenerBase;

  void testCaseStarting(const Catch::TestCaseInfo& info) override {
    ListenerBase::testCaseStarting(info);
    skip_requested = false;
  }

  void testCaseEnded(const Catch::TestCaseStats& stats) override {
    ListenerBase::testCaseEnded(stats);
    const char* path = std::getenv("BONSAI_TEST_RESULTS");
    if (path == nullptr) return;
    const bool failed = stats.totals.testCases.failed > 0;
    std::ofstream(path, std::ios::app) << (failed           ? "failed"
                                           : skip_requested ? "skipped"
                                                            : "passed")
                                       << '\n';
  }
};

CATCH_REGISTER_LISTENER(ResultLines)

}  // namespace

void skip(std::string_view why) {
  skip_requested = true;
  std::cout << "skipped: " << Catch::getResultCapture().getCurrentTestName() << ": " << why
            << std::endl;
}
