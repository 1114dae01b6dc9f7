#include "layers/checkpoint.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/error.h"
#include "engine/tensor_file.h"

namespace bonsai {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* format = "bonsai checkpoint 1";

Json json_of(const EpochRecord& r) {
  return {{"epoch", r.epoch},
          {"loss", r.loss},
          {"train_accuracy", r.train_accuracy},
          {"test_loss", r.test_loss},
          {"accuracy", r.accuracy},
          {"lr", r.learning_rate},
          {"seconds", r.seconds},
          {"images_per_s", r.images_per_second},
          {"peak_bytes", r.peak_bytes}};
}

// JSON has no word for a number that is none: it is written as null.
double number(const Json& json, const char* key) {
  const Json& value = json.at(key);
  return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
}

template <class T>
T whole(const Json& json, const char* key) {
  const Json& value = json.at(key);
  require(value.is_number_integer() && std::in_range<T>(value.get<int64_t>()), "'", key, "' is ",
          value.dump(), ", should be a whole number");
  return static_cast<T>(value.get<int64_t>());
}

EpochRecord record_of(const Json& json) {
  return {.epoch = whole<int>(json, "epoch"),
          .loss = number(json, "loss"),
          .train_accuracy = number(json, "train_accuracy"),
          .test_loss = number(json, "test_loss"),
          .accuracy = number(json, "accuracy"),
          .learning_rate = number(json, "lr"),
          .seconds = number(json, "seconds"),
          .images_per_second = number(json, "images_per_s"),
          .peak_bytes = whole<size_t>(json, "peak_bytes")};
}

Json json_of(const TrainState& s) {
  Json history = Json::array();
  for (const EpochRecord& record : s.history) history.push_back(json_of(record));
  return {{"epoch", s.epoch},       {"batch", s.batch},  {"step", s.step},
          {"loss_sum", s.loss_sum}, {"right", s.right},  {"images", s.images},
          {"seconds", s.seconds},   {"history", history}};
}

// Into all of `s` but its tensors.
void read_position(const std::string& text, TrainState& s) {
  const Json json = Json::parse(text);
  s.epoch = whole<int>(json, "epoch");
  s.batch = whole<int>(json, "batch");
  s.step = whole<int64_t>(json, "step");
  s.loss_sum = number(json, "loss_sum");
  s.right = whole<int64_t>(json, "right");
  s.images = whole<int64_t>(json, "images");
  s.seconds = number(json, "seconds");
  s.history.clear();
  for (const Json& record : json.at("history")) s.history.push_back(record_of(record));
}

RunIdentity run_of(const TensorFile& file) {
  try {
    return Json::parse(file.text("run")).get<RunIdentity>();
  } catch (const nlohmann::json::exception&) {
    throw Error(join(file.name, ": metadata 'run' cannot be read"));
  }
}

void require_same_tensors(const TensorFile& file, const TrainState& state,
                          const std::map<std::string, const Tensor*>& theirs) {
  for (const auto& [name, tensor] : state.tensors) {
    const auto found = theirs.find(name);
    require(found != theirs.end(), file.name, ": belongs to another network: it has no ", name);
    require(found->second->shape() == tensor.shape(), file.name,
            ": belongs to another network: ", name, " is ", found->second->shape(), ", should be ",
            tensor.shape());
  }
  require(theirs.size() == state.tensors.size(), file.name, ": belongs to another network: it has ",
          theirs.size(), " tensors, should have ", state.tensors.size());
}

}  // namespace

std::string to_json(const EpochRecord& record) { return json_of(record).dump(); }

void require_same_run(const std::string& where, const RunIdentity& theirs, RunIdentity ours) {
  for (const auto& [key, value] : theirs) ours.try_emplace(key, "nothing");
  for (const auto& [key, value] : ours) {
    const auto other = theirs.find(key);
    const std::string was = other == theirs.end() ? "nothing" : other->second;
    require(was == value, where, ": belongs to another run: ", key, " was ", was, ", is now ",
            value, "; go on with ", was, ", or begin anew in another folder");
  }
}

void save_checkpoint(const std::string& path, const TrainState& state, const RunIdentity& run) {
  write_tensor_file(path, {.metadata = {{"format", format},
                                        {"position", json_of(state).dump()},
                                        {"run", Json(run).dump()}},
                           .tensors = state.tensors});
}

void load_checkpoint(const std::string& path, TrainState& state, const RunIdentity& run) {
  const TensorFile file = read_tensor_file(path);
  require(file.text("format") == format, path, ": format is '", file.text("format"),
          "', should be '", format, "'");
  require_same_run(file.name, run_of(file), run);
  std::map<std::string, const Tensor*> theirs;
  for (const auto& [name, tensor] : file.tensors) theirs[name] = &tensor;
  require_same_tensors(file, state, theirs);
  TrainState position;
  try {
    read_position(file.text("position"), position);
  } catch (const nlohmann::json::exception&) {
    throw Error(join(path, ": metadata 'position' cannot be read"));
  } catch (const Error& error) {
    throw Error(join(path, ": metadata 'position': ", error.what()));
  }
  position.tensors = std::move(state.tensors);
  state = std::move(position);
  for (const auto& [name, tensor] : state.tensors) tensor.copy_from(*theirs.at(name));
}

}  // namespace bonsai
