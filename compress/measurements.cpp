#include "compress/measurements.h"

#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/atomic_file.h"
#include "engine/error.h"
#include "engine/strict_json.h"

namespace bonsai {
namespace {

using Json = nlohmann::ordered_json;

std::string line_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

// JSON has no word for numbers that are not finite: they are written as null and come back as NaN.
double number(const nlohmann::json& json) {
  return json.is_null() ? std::numeric_limits<double>::quiet_NaN() : json.get<double>();
}

}  // namespace

Measurements::Measurements(std::filesystem::path path, const RunIdentity& run, bool resume)
    : path_(std::move(path)) {
  if (resume && std::filesystem::exists(path_)) {
    read(run);
  } else {
    text_ = line_of({{"run", run}});
    write();
  }
}

void Measurements::read(const RunIdentity& run) {
  std::ifstream file(path_, std::ios::binary);
  require(file.is_open(), path_.string(), ": cannot be read");
  int number_of_line = 0;
  for (std::string line; std::getline(file, line); text_ += line + "\n") {
    const std::string where = join(path_.string(), ": line ", ++number_of_line);
    const nlohmann::json json = parse_json(line, where);
    try {
      if (number_of_line == 1) {
        require_same_run(path_.string(), json.at("run").get<RunIdentity>(), run);
        continue;
      }
      Figures& figures = figures_[json.at("what").get<std::string>()];
      for (const auto& figure : json.at("figures")) figures.push_back(number(figure));
    } catch (const nlohmann::json::exception&) {
      throw Error(where + ": is not a measurement");
    }
  }
  require(number_of_line > 0, path_.string(), ": is empty, should say which run it is of");
}

void Measurements::write() const {
  AtomicFile file(path_.string(), text_.size());
  file.write(text_.data(), text_.size());
  file.commit();
}

std::optional<Measurements::Figures> Measurements::of(
    const std::string& name, const std::function<std::optional<Figures>()>& measure) {
  if (const auto known = figures_.find(name); known != figures_.end()) return known->second;
  std::optional<Figures> figures = measure();
  if (!figures) return std::nullopt;
  text_ += line_of({{"what", name}, {"figures", *figures}});
  write();
  return figures_[name] = std::move(*figures);
}

std::optional<Measurements::Figures> measured(
    Measurements* kept, const std::string& name,
    const std::function<std::optional<Measurements::Figures>()>& measure) {
  return kept == nullptr ? measure() : kept->of(name, measure);
}

}  // namespace bonsai
