// The journal of a pruning run: what is written is what is read, what is not a record is refused
// with its line, and the words about it say the figures.
#include "compress/journal.h"

#include <fstream>

#include "compress/decisions.h"
#include "tests/catch.h"
#include "tests/networks.h"
#include "tests/temporary_folder.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

std::vector<Record> journal() {
  const StartRecord start{.run = {{"seed", "1"}, {"target", "macs=0.5"}},
                          .network = "0123456789abcdef",
                          .validation = {0.1, 0.9},
                          .units = {{"a", 8}, {"b \"quoted\"", 16}},
                          .cost = {1000000, 2000, 0.1}};
  const PlanRecord plan{.number = 1,
                        .saving = 0.1,
                        .moves = {{"a", 8, 6, 1e-300, 100000.5}},
                        .from = 0,
                        .gone = {1, 5},
                        .chosen_by = "lasso",
                        .solved = true,
                        .cost = {900000, 1900, 0.09},
                        .recalibrated = {0.2, 1.0 / 3}};
  const ResultRecord kept{1, true, 1, false, {0.15, 0.895}, "fedcba9876543210"};
  const ResultRecord taken{2, false, 1, false, {0.5, 0.7}, "00"};
  const ResultRecord diverged{3, false, 2, true, {}, ""};
  return {{start, 0.5, {1.25, {{"conv2d [1, 2]", 0.001}}}},
          {plan, 1.5, {1.25, {}}},
          {kept, 2.5, {1.25, {}}},
          {plan, 3, {}},
          {taken, 4, {}},
          {plan, 5, {}},
          {diverged, 6, {}},
          {EndRecord{EndReason::budget}, 7, {}}};
}

}  // namespace

TEST_CASE("a journal is read as it was written, to the last bit") {
  const TemporaryFolder folder;
  const auto written = journal();
  write_journal(folder / "journal.jsonl", written);
  const auto read = read_journal(folder / "journal.jsonl");
  REQUIRE(read.size() == written.size());
  for (size_t i = 0; i < read.size(); ++i) {
    CHECK(to_json(read[i]) == to_json(written[i]));
    CHECK(same_decision(read[i], written[i]));
  }
  CHECK(std::get<PlanRecord>(read[1].what).recalibrated.accuracy == 1.0 / 3);
  CHECK(read[0].times.layers == written[0].times.layers);
  Record later = written[1], other = written[1];
  later.seconds += 1;
  std::get<PlanRecord>(other.what).gone = {1, 4};
  CHECK(same_decision(later, written[1]));
  CHECK_FALSE(same_decision(other, written[1]));
}

TEST_CASE("what is not a journal is refused with the line") {
  const TemporaryFolder folder;
  const std::string path = folder / "journal.jsonl";
  const auto complaint_of = [&](const std::string& text) {
    std::ofstream(path) << text;
    return complaint([&] { read_journal(path); });
  };
  const std::string start = to_json(journal()[0]) + "\n", end = to_json(journal()[7]) + "\n";
  CHECK(complaint_of(start + end).empty());
  CHECK(contains(complaint_of(""), "does not begin"));
  CHECK(contains(complaint_of(end), "does not begin"));
  CHECK(contains(complaint_of(start + "nonsense\n"), "line 2"));
  CHECK(contains(complaint_of(start + "{\"record\": \"plan\"}\n"), "line 2: is not a record"));
  CHECK(contains(complaint_of(start + "{\"record\": \"paln\"}\n"), "'paln' is not known"));
  CHECK(contains(complaint([&] { read_journal(folder / "none"); }), "cannot be read"));
}

TEST_CASE("decisions are told with their figures") {
  const auto told = decisions(journal(), {Resource::macs, 0.5}, 1);
  REQUIRE(told.size() == 5);
  for (const char* part : {"90.00 %", "1,000,000 MACs", "0.100 ms", "macs=0.5", "at most 1.00"})
    CHECK(contains(told[0].text, part));
  CHECK(told[1].label == "step 1");
  for (const char* part : {"a 8 to 6", "saves 10.00 % of macs", "leaves 90.00 %",
                           "33.33 % after least squares, channels chosen by lasso",
                           ", 89.50 % after 1 epoch (0.50 points below the start): kept"})
    CHECK(contains(told[1].text, part));
  CHECK(contains(told[2].text, "saves 0.00 %"));  // from the network of step 1, which it equals
  CHECK(contains(told[2].text, "(20.00 points below the start): taken back"));
  CHECK(contains(told[3].text, "training diverged: taken back"));
  CHECK(contains(told[4].text, "the time is used up"));
  CHECK(contains(told[4].text, "90.00 % of macs left"));

  auto untrained = journal();
  auto& plan = std::get<PlanRecord>(untrained[1].what);
  plan.solved = false;
  std::get<ResultRecord>(untrained[2].what).epochs = 0;
  CHECK(contains(decisions(untrained, {Resource::macs, 0.5}, 1)[1].text,
                 "33.33 % after recalibration (0.50 points below the start): kept"));
}
