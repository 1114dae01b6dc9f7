#include "layers/run_identity.h"

#include <array>
#include <charconv>
#include <string_view>

#include "engine/conv_plan_json.h"
#include "engine/crc64.h"
#include "engine/error.h"

namespace bonsai {
namespace {

// The shortest text that reads as the same number.
template <class T>
std::string text(T number) {
  std::array<char, 64> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number).ptr;
  return {buffer.data(), end};
}

std::string text(bool value) { return value ? "on" : "off"; }

std::string hex(uint64_t number) {
  std::array<char, 16> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number, 16).ptr;
  return {buffer.data(), end};
}

void add_optimiser(RunIdentity& id, const OptimiserOptions& o) {
  constexpr std::array names = {"sgd", "adam", "adamw"};
  id["optimiser"] = names[static_cast<size_t>(o.kind)];
  id["weight decay"] = text(o.weight_decay);
  id["weight decay of norms and biases"] = text(o.decay_norm_and_bias);
  if (o.kind == OptimiserKind::sgd) {
    id["momentum"] = text(o.momentum);
    id["nesterov"] = text(o.nesterov);
    if (o.bias_rate != 1) id["learning rate of biases"] = text(o.bias_rate);
  } else {
    id["beta1"] = text(o.beta1);
    id["beta2"] = text(o.beta2);
    id["eps"] = text(o.eps);
  }
}

void add_schedule(RunIdentity& id, const Schedule& s) {
  constexpr std::array names = {"constant", "step", "cosine", "one-cycle"};
  id["schedule"] = names[static_cast<size_t>(s.kind)];
  id["warm-up"] = text(s.warmup);
  if (s.kind == ScheduleKind::one_cycle && (s.first != 0 || s.last != 0)) {
    id["ends of the schedule"] = text(s.first) + " " + text(s.last);
  }
  if (s.kind != ScheduleKind::step) return;
  id["schedule's decay"] = text(s.decay);
  std::string& milestones = id["schedule's milestones"];
  for (const double m : s.milestones) milestones += (milestones.empty() ? "" : " ") + text(m);
}

// Other kernels round otherwise.
void add_plan(RunIdentity& id, const ConvPlan& plan) {
  if (plan.choices().empty()) return;
  const std::string text = to_json(plan);
  Crc64 sum;
  sum.update(text.data(), text.size());
  id["plan of convolutions"] = sum.hex();
}

}  // namespace

RunIdentity run_identity(const TrainOptions& o, const Dataset& data) {
  RunIdentity id;
  id["data"] = hex(data.fingerprint());
  id["starting network"] = o.start;
  id["epochs"] = text(o.epochs);
  id["batch"] = text(o.batch);
  id["learning rate"] = text(o.lr);
  id["label smoothing"] = text(o.label_smoothing);
  id["seed"] = text(o.seed);
  id["dropping the last batch"] = text(o.drop_last);
  id["decay of the weight average"] = text(o.ema);
  id["crop padding"] =
      join(o.augment.crop_padding, " ", o.augment.padding == Padding::reflect ? "reflect" : "mean");
  constexpr std::array flips = {"off", "on", "alternate"};
  id["flip"] = flips[static_cast<size_t>(o.augment.flip)];
  id["cutout"] = text(o.augment.cutout);
  if (o.lookahead > 0) id["steps of lookahead"] = text(o.lookahead);
  if (o.flip_test) id["tested with mirror images"] = text(o.flip_test);
  add_optimiser(id, o.optimiser);
  add_schedule(id, o.schedule);
  add_plan(id, *conv_plan());
  if (o.objective != nullptr) id.merge(o.objective->identity());
  if (o.penalty != nullptr) id.merge(o.penalty->identity());
  return id;
}

}  // namespace bonsai
