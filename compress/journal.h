// The journal of a pruning run: a JSON value per line for everything that was decided or measured,
// in order. It is replaced whole after every record, so that a run that is killed goes on from the
// last one; and since it holds what no computation gives again (times, and that the budget was
// used up), a run can be replayed from it to the bit.
//
//   {"record": "start", "run": {...}, "network": checksum, "accuracy": ..., "cost": {...}, ...}
//   {"record": "plan", "number": 1, "moves": [{"group", "from", "to", "loss", "saved"}], ...}
//   {"record": "result", "number": 1, "kept": true, "accuracy": ..., "network": checksum, ...}
//   {"record": "end", "reason": "target", ...}
#pragma once

#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include "compress/judge.h"
#include "compress/layer_times.h"
#include "compress/moves.h"
#include "compress/network_cost.h"
#include "layers/checkpoint.h"

namespace bonsai {

// The run and the network that it began with.
struct StartRecord {
  RunIdentity run;
  std::string network;  // checksum of the weights
  Accuracy validation;
  std::map<std::string, int> units;  // of every group
  NetworkCost cost;
};

// A step that will be tried.
struct PlanRecord {
  int number = 0;     // from 1
  double saving = 0;  // that was aimed at, as a part of the original's cost
  std::vector<Move> moves;
  int from = 0;           // the step whose network is cut; 0: the original
  std::vector<int> gone;  // units of that network
  // What chose them, a criterion or a rule (compress/selection.h), and whether the weights that
  // stay were solved for by least squares.
  std::string chosen_by;
  bool solved = false;
  NetworkCost cost;       // afterwards
  Accuracy recalibrated;  // validation before any training
};

// What it came to.
struct ResultRecord {
  int number = 0;
  bool kept = false;
  int epochs = 0;         // of training
  bool diverged = false;  // in training: there is no accuracy
  Accuracy validation;
  std::string network;  // checksum of the weights
};

enum class EndReason { target, drop, nothing, budget };

struct EndRecord {
  EndReason reason = EndReason::target;
};

struct Record {
  std::variant<StartRecord, PlanRecord, ResultRecord, EndRecord> what;
  // What another run would not get again.
  double seconds = 0;  // since the run began, interruptions left out
  TimeTable times;     // layers timed since the last record
};

// One line, without its end.
std::string to_json(const Record& record);
// Throws Error, beginning with `where`, on anything that to_json does not write.
Record record_from_json(const std::string& line, const std::string& where);

// The same but for seconds and times.
bool same_decision(const Record& a, const Record& b);

std::vector<Record> read_journal(const std::filesystem::path& path);
void write_journal(const std::filesystem::path& path, const std::vector<Record>& records);

}  // namespace bonsai
