#include "compress/recorder.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace bonsai {
namespace {

double machine_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void require_same_run(const std::string& path, const RunIdentity& theirs, RunIdentity ours) {
  for (const auto& [key, value] : theirs) ours.try_emplace(key, "nothing");
  for (const auto& [key, value] : ours) {
    const auto other = theirs.find(key);
    const std::string was = other == theirs.end() ? "nothing" : other->second;
    require(was == value, path, ": belongs to another run: ", key, " was ", was, ", is now ",
            value);
  }
}

}  // namespace

Recorder::Recorder(std::filesystem::path path, std::vector<Record> reference,
                   std::function<double()> clock)
    : path_(std::move(path)),
      reference_(std::move(reference)),
      clock_(clock ? std::move(clock) : machine_seconds),
      began_(clock_()) {
  require(reference_.empty() || std::holds_alternative<EndRecord>(reference_.back().what),
          "replay: the journal does not end, so its run must be resumed first");
}

void Recorder::open(bool resume, const RunIdentity& run) {
  if (is_replay())
    require_same_run("replay", std::get<StartRecord>(reference_.front().what).run, run);
  if (!std::filesystem::exists(path_)) return;
  require(resume, path_.parent_path().string(),
          ": holds a pruning run; go on with it (--resume), or choose another folder");
  records_ = read_journal(path_);
  require_same_run(path_.string(), start().run, run);
  before_ = records_.back().seconds;
  const EndRecord* end = std::get_if<EndRecord>(&records_.back().what);
  if (end != nullptr && end->reason == EndReason::budget && !is_replay()) records_.pop_back();
}

std::optional<EndReason> Recorder::recorded_end() const {
  if (cursor_ == records_.size()) return std::nullopt;
  const EndRecord* end = std::get_if<EndRecord>(&records_[cursor_].what);
  return end == nullptr ? std::nullopt : std::optional(end->reason);
}

void Recorder::add(decltype(Record::what) what, const TimeTable& times) {
  Record record{.what = std::move(what), .seconds = elapsed(), .times = times};
  for (const Record& earlier : records_)
    for (const auto& [layer, ms] : earlier.times.layers) record.times.layers.erase(layer);
  if (is_replay()) {
    require(cursor_ < reference_.size() && same_decision(record, reference_[cursor_]),
            "replay: line ", cursor_ + 1, " of the journal came out differently, as ",
            to_json(record));
    record = reference_[cursor_];
  }
  records_.push_back(std::move(record));
  ++cursor_;
  write_journal(path_, records_);
}

bool Recorder::is_out_of_time(double budget, double more) const {
  if (cursor_ < records_.size()) return false;
  if (!is_replay()) return elapsed() + more > budget;
  if (cursor_ >= reference_.size()) return false;
  const EndRecord* end = std::get_if<EndRecord>(&reference_[cursor_].what);
  return end != nullptr && end->reason == EndReason::budget;
}

double Recorder::longest_step() const {
  double longest = 0, last = 0;
  for (const Record& record : records_) {
    const bool result = std::holds_alternative<ResultRecord>(record.what);
    if (result) longest = std::max(longest, record.seconds - last);
    if (result || std::holds_alternative<StartRecord>(record.what)) last = record.seconds;
  }
  return longest;
}

std::vector<TimeTable> Recorder::times() const {
  std::vector<TimeTable> tables;
  for (const auto* list : {&reference_, &records_})
    for (const Record& record : *list) tables.push_back(record.times);
  return tables;
}

std::string Recorder::checksum(int number) const {
  for (const Record& record : records_) {
    const ResultRecord* result = std::get_if<ResultRecord>(&record.what);
    if (result != nullptr && result->number == number) return result->network;
  }
  return {};
}

}  // namespace bonsai
