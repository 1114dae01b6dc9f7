#include "apps/findings.h"

#include <algorithm>
#include <map>

#include "apps/files.h"
#include "apps/machine.h"
#include "apps/predictor.h"
#include "apps/report/html.h"
#include "apps/report/json.h"
#include "apps/report/text.h"
#include "engine/error.h"

namespace bonsai::app {
namespace {

constexpr size_t strip_length = 12, most_wrong = 4, most_examined = 500;

Picture picture_at(const Images& images, int i) {
  const uint8_t* first = images.image(i);
  return {images.height, images.width, {first, first + images.image_bytes()}};
}

report::Picture shown(const Graph& graph, const Dataset& data, int i,
                      const std::vector<double>& probabilities) {
  const Images& images = data.test;
  const std::vector<uint8_t> png = encode_png(images.image(i), images.height, images.width);
  report::Picture picture;
  picture.png = report::base64({reinterpret_cast<const char*>(png.data()), png.size()});
  picture.truth = data.classes[static_cast<size_t>(images.labels[static_cast<size_t>(i)])];
  for (const size_t k : highest(probabilities, 3))
    picture.top.push_back({class_name(graph, k), probabilities[k]});
  return picture;
}

bool is_right(const Dataset& data, const Evaluation& evaluation, size_t i) {
  return data.test.labels[i] == evaluation.predictions[i];
}

// The places of correctly recognised pictures, one of each class in turn.
std::vector<int> right_places(const Dataset& data, const Evaluation& evaluation, size_t most) {
  const int classes = static_cast<int>(data.classes.size());
  std::vector<std::vector<int>> by_class(data.classes.size());
  for (size_t i = 0; i < evaluation.predictions.size(); ++i)
    if (is_right(data, evaluation, i))
      by_class[static_cast<size_t>(data.test.labels[i])].push_back(static_cast<int>(i));
  std::vector<int> places;
  for (size_t turn = 0; places.size() < most && turn < most; ++turn)
    for (int k = 0; k < classes && places.size() < most; ++k) {
      const auto& candidates = by_class[static_cast<size_t>(k)];
      if (turn < candidates.size()) places.push_back(candidates[turn]);
    }
  return places;
}

}  // namespace

report::Stage stage_of(const std::string& name, const std::vector<EpochRecord>& history) {
  report::Stage stage{name, {}};
  for (const EpochRecord& record : history)
    stage.epochs.push_back(
        {record.epoch, record.loss, record.train_accuracy, record.test_loss, record.accuracy});
  return stage;
}

std::vector<report::LayerWidth> channel_widths(const Graph& before, const Graph& after) {
  const auto width = [](const Graph& graph, size_t node) {
    return graph.values[static_cast<size_t>(graph.nodes[node].out)].shape.back();
  };
  std::map<std::string, int> left;  // none of a layer whose block is gone
  for (size_t i = 0; i < after.nodes.size(); ++i) left[after.node_name(i)] = width(after, i);
  std::vector<report::LayerWidth> widths;
  for (size_t i = 0; i < before.nodes.size(); ++i) {
    const std::string_view op = before.nodes[i].op->name();
    if (op != "conv2d" && op != "conv_transpose2d" && op != "linear") continue;
    const std::string name = before.node_name(i);
    widths.push_back({name, width(before, i), left.count(name) != 0 ? left.at(name) : 0});
  }
  return widths;
}

std::vector<report::Picture> sample_pictures(const Graph& graph, const Dataset& data,
                                             const Evaluation& evaluation) {
  Predictor predictor(graph);
  struct Wrong {
    int place;
    std::vector<double> probabilities;
    double sureness;
  };
  std::vector<Wrong> wrong;
  for (size_t i = 0; i < evaluation.predictions.size() && wrong.size() < most_examined; ++i) {
    if (is_right(data, evaluation, i)) continue;
    auto p = predictor.probabilities(picture_at(data.test, static_cast<int>(i)));
    const double sureness = *std::max_element(p.begin(), p.end());
    wrong.push_back({static_cast<int>(i), std::move(p), sureness});
  }
  std::stable_sort(wrong.begin(), wrong.end(),
                   [](const Wrong& a, const Wrong& b) { return a.sureness > b.sureness; });
  wrong.resize(std::min(most_wrong, wrong.size()));

  std::vector<report::Picture> pictures;
  for (const int i : right_places(data, evaluation, strip_length - wrong.size()))
    pictures.push_back(shown(graph, data, i, predictor.probabilities(picture_at(data.test, i))));
  for (const Wrong& w : wrong) pictures.push_back(shown(graph, data, w.place, w.probabilities));
  return pictures;
}

std::string data_description(const Dataset& data) {
  std::string text =
      join(data.name, ": ", report::grouped(data.train.count()), " training and ",
           report::grouped(data.test.count()), " test pictures of ", data.train.height, " x ",
           data.train.width, ", ", data.classes.size(), " classes");
  if (!data.skipped.empty())
    text += join("; ", data.skipped.size(), " unreadable pictures left out");
  return text;
}

std::vector<report::Fact> common_facts(const Graph& graph, const Dataset& data) {
  return {{"network", graph.info.network},
          {"data", data_description(data)},
          {"machine", machine_description()},
          {"software", "bonsai " BONSAI_VERSION},
          {"date", today()}};
}

std::filesystem::path write_sample(const std::filesystem::path& folder, const Dataset& data,
                                   const Evaluation& evaluation) {
  const std::vector<int> right = right_places(data, evaluation, 1);
  const int i = right.empty() ? 0 : right.front();
  const auto path = folder / "picture.png";
  write_png(path, picture_at(data.test, i));
  return path;
}

std::filesystem::path write_report(const std::filesystem::path& folder,
                                   const report::ReportData& data) {
  write_text(folder / "report.json", report::to_json(data));
  write_text(folder / "report.html", report::render(data));
  return folder / "report.html";
}

}  // namespace bonsai::app
