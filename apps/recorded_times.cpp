#include "apps/recorded_times.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "apps/files.h"
#include "engine/error.h"

namespace bonsai::app {
namespace {

// "conv2d [16, 3, 3, 8] [16]; " for each node: what matters for its time.
std::string text_of(const Graph& graph) {
  std::string text = join(graph.input_shape(), ": ");
  for (const Node& node : graph.nodes) {
    text += node.op->name();
    for (const int v : node.in) {
      const Graph::Value& value = graph.values[static_cast<size_t>(v)];
      if (value.parameter) text += join(" ", value.shape);
    }
    text += "; ";
  }
  return text;
}

}  // namespace

RecordedTimes::RecordedTimes(std::filesystem::path file, bool resume, GraphTimer clock)
    : file_(std::move(file)), clock_(std::move(clock)) {
  if (!resume) std::filesystem::remove(file_);
  if (std::filesystem::exists(file_)) read();
}

std::vector<double> RecordedTimes::operator()(std::span<const Graph* const> graphs) {
  std::string asked;
  for (const Graph* graph : graphs) asked += text_of(*graph);
  if (next_ == entries_.size()) {
    entries_.push_back({std::move(asked), clock_(graphs)});
    write();
  } else {
    require(entries_[next_].asked == asked, file_.string(),
            ": the times of another run than this one; leave --resume out");
  }
  return entries_[next_++].ms;
}

void RecordedTimes::read() {
  try {
    for (const auto& entry : nlohmann::json::parse(read_text(file_)))
      entries_.push_back(
          {entry.at("asked").get<std::string>(), entry.at("ms").get<std::vector<double>>()});
  } catch (const nlohmann::json::exception&) {
    require(false, file_.string(), ": is not a list of times; leave --resume out");
  }
}

void RecordedTimes::write() const {
  auto list = nlohmann::ordered_json::array();
  for (const Entry& entry : entries_) list.push_back({{"asked", entry.asked}, {"ms", entry.ms}});
  write_text(file_, list.dump(1) + "\n");
}

}  // namespace bonsai::app
