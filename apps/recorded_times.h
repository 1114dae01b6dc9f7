// What the clock said in a run, kept in a file, so that the run can be resumed: asked the same
// again, it says the same, and what is decided by it comes out as it did. All else in a run follows
// from its seed.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "compress/graph_timer.h"

namespace bonsai::app {

class RecordedTimes {
 public:
  // `resume`: begin with what the file holds, if it is there. `clock` is asked for the rest.
  RecordedTimes(std::filesystem::path file, bool resume, GraphTimer clock = median_times);

  // Throws Error when a resumed run asks something else than it did. Hand it on by std::ref: copies
  // go their own ways.
  std::vector<double> operator()(std::span<const Graph* const> graphs);

 private:
  struct Entry {
    std::string asked;
    std::vector<double> ms;
  };
  void read();
  void write() const;

  std::filesystem::path file_;
  GraphTimer clock_;
  std::vector<Entry> entries_;
  size_t next_ = 0;
};

}  // namespace bonsai::app
