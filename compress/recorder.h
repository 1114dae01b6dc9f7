// Keeps the journal of a run. A run asks for the next record before it works: what an earlier
// process recorded is handed back, anything else is computed and added, so that going on after an
// interruption and running through are one code. A replay is held to its reference: a decision
// that differs is an error, and where the reference ran out of time, so does the replay.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "compress/journal.h"
#include "engine/error.h"

namespace bonsai {

class Recorder {
 public:
  // `reference`: of a run that ended, to be replayed; or empty. `clock`: in seconds.
  Recorder(std::filesystem::path path, std::vector<Record> reference,
           std::function<double()> clock);

  // Reads the file, if there is one. A replay aside, an end for want of time is forgotten: there
  // may be more now. Throws Error when there is a file and `resume` is not set, or when it belongs
  // to another run, naming the first difference.
  void open(bool resume, const RunIdentity& run);

  // The next record of this kind, or null when everything recorded was handed back. Throws Error
  // when the record is of another kind.
  template <class T>
  const T* next() {
    if (cursor_ == records_.size()) return nullptr;
    const T* what = std::get_if<T>(&records_[cursor_].what);
    require(what != nullptr, path_.string(), ": line ", cursor_ + 1,
            ": does not follow from the lines before it");
    ++cursor_;
    return what;
  }
  // The reason, when the next record is the end.
  std::optional<EndReason> recorded_end() const;
  // Adds a record and writes the file. `times`: all that are known.
  void add(decltype(Record::what) what, const TimeTable& times);

  // Whether `budget` seconds do not hold so many more.
  bool is_out_of_time(double budget, double more) const;
  // The longest time from the result of a step, or the start, to the next result.
  double longest_step() const;

  const StartRecord& start() const { return std::get<StartRecord>(records_.front().what); }
  bool is_empty() const { return records_.empty(); }
  bool is_replay() const { return !reference_.empty(); }
  // Of the records, and of the reference.
  std::vector<TimeTable> times() const;
  const std::vector<Record>& records() const { return records_; }
  // Of the network that step `number` led to.
  std::string checksum(int number) const;

 private:
  double elapsed() const { return before_ + clock_() - began_; }

  std::filesystem::path path_;
  std::vector<Record> reference_, records_;
  size_t cursor_ = 0;  // of the record that comes next
  std::function<double()> clock_;
  double began_, before_ = 0;  // this process; seconds that earlier ones used
};

}  // namespace bonsai
