// Measurements that outlive the process that made them. A long analysis asks for each of its
// figures by name; what an earlier process measured is handed back, anything else is measured and
// written down at once, so that going on after an interruption and running through are one code.
// The file is a line of JSON per measurement, after one that says of which run they are.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "layers/checkpoint.h"

namespace bonsai {

class Measurements {
 public:
  using Figures = std::vector<double>;

  // With `resume`: goes on with the file, if there is one; without, begins it anew. Throws Error
  // when the file belongs to another run, naming the first difference, or is damaged.
  Measurements(std::filesystem::path path, const RunIdentity& run, bool resume);

  // The figures of this name, by `measure` when there are none yet. Nothing when that gave nothing
  // (it was stopped).
  std::optional<Figures> of(const std::string& name,
                            const std::function<std::optional<Figures>()>& measure);

  int count() const { return static_cast<int>(figures_.size()); }

 private:
  void read(const RunIdentity& run);
  void write() const;

  std::filesystem::path path_;
  std::string text_;  // of the file
  std::map<std::string, Figures> figures_;
};

// By `measure` alone where there is nothing to keep them in.
std::optional<Measurements::Figures> measured(
    Measurements* kept, const std::string& name,
    const std::function<std::optional<Measurements::Figures>()>& measure);

}  // namespace bonsai
