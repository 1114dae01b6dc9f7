#include "compress/decisions.h"

#include <cmath>
#include <utility>

#include "engine/error.h"
#include "engine/text.h"

namespace bonsai {
namespace {

std::string percent(double share) { return fixed(100 * share, 2) + " %"; }

std::string cost_text(const NetworkCost& cost) {
  return join(grouped(cost.macs), " MACs, ", grouped(cost.params), " parameters, ",
              fixed(cost.ms, 3), " ms predicted");
}

std::string moves_text(const std::vector<Move>& moves) {
  std::string text;
  for (const Move& move : moves)
    text += (text.empty() ? "" : ", ") + (move.is_block()
                                              ? "without " + move.group
                                              : join(move.group, " ", move.from, " to ", move.to));
  return text;
}

std::string points(double difference) {
  return join(fixed(100 * std::abs(difference), 2),
              difference < 0 ? " points above" : " points below");
}

class Narrator {
 public:
  Narrator(const Target& target, double max_drop) : target_(target), max_drop_(max_drop) {}

  void tell(const StartRecord& start) {
    start_ = &start;
    cost_ = start.cost;
    const auto resource = static_cast<size_t>(target_.resource);
    add("start", join("validation accuracy ", percent(start.validation.accuracy), "; ",
                      cost_text(start.cost), "; aim: ", resource_names[resource], "=", target_.part,
                      " and at most ", fixed(max_drop_, 2), " points less accuracy"));
  }

  // Completed by the result.
  void tell(const PlanRecord& plan) {
    plan_ = &plan;
    const double whole = amount(start_->cost, target_.resource),
                 before = amount(cost_, target_.resource),
                 after = amount(plan.cost, target_.resource);
    add(join("step ", plan.number),
        join(moves_text(plan.moves), ": saves ", percent((before - after) / whole), " of ",
             resource_names[static_cast<size_t>(target_.resource)], ", leaves ",
             percent(after / whole), " (", cost_text(plan.cost), "); accuracy ",
             percent(plan.recalibrated.accuracy), " after recalibration"));
  }

  void tell(const ResultRecord& result) {
    std::string& text = all_.back().text;
    if (result.diverged) {
      text += "; training diverged: taken back";
    } else {
      text += join(", ", percent(result.validation.accuracy), " after ", result.epochs,
                   result.epochs == 1 ? " epoch (" : " epochs (",
                   points(start_->validation.accuracy - result.validation.accuracy),
                   " the start): ", result.kept ? "kept" : "taken back");
    }
    if (result.kept) cost_ = plan_->cost;
  }

  void tell(const EndRecord& end) {
    const double part = amount(cost_, target_.resource) / amount(start_->cost, target_.resource);
    add("end", join(explain(end.reason), "; ", percent(part), " of ",
                    resource_names[static_cast<size_t>(target_.resource)], " left"));
  }

  std::vector<Decision> all() { return std::move(all_); }

 private:
  void add(const std::string& label, const std::string& text) { all_.push_back({label, text}); }

  Target target_;
  double max_drop_;
  const StartRecord* start_ = nullptr;
  const PlanRecord* plan_ = nullptr;
  NetworkCost cost_;  // of the last network that was kept
  std::vector<Decision> all_;
};

}  // namespace

std::vector<Decision> decisions(const std::vector<Record>& journal, const Target& target,
                                double max_drop) {
  Narrator narrator(target, max_drop);
  for (const Record& record : journal)
    std::visit([&](const auto& what) { narrator.tell(what); }, record.what);
  return narrator.all();
}

std::string explain(EndReason reason) {
  switch (reason) {
    case EndReason::target:
      return "the target is reached";
    case EndReason::drop:
      return "accuracy did not come back in several steps in a row, each smaller or elsewhere";
    case EndReason::nothing:
      return "no layer can give more";
    case EndReason::budget:
      return "the time is used up, or too short for another step";
  }
  return {};
}

}  // namespace bonsai
