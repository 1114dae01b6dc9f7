// The report: everything is on the page, whatever is in the data cannot break it, and it can be
// drawn again from its JSON.
#include <string>
#include <string_view>
#include <vector>

#include "apps/report/html.h"
#include "apps/report/json.h"
#include "apps/report/svg.h"
#include "apps/report/text.h"
#include "engine/error.h"
#include "tests/catch.h"

namespace bonsai::report {
namespace {

// The first element whose tags do not pair up; empty when all do.
std::string unbalanced_tag(std::string_view html) {
  std::vector<std::string> open;
  for (size_t at = html.find('<'); at != std::string_view::npos; at = html.find('<', at + 1)) {
    const size_t end = html.find('>', at);
    if (end == std::string_view::npos) return "a tag without an end";
    const std::string_view tag = html.substr(at + 1, end - at - 1);
    if (tag.starts_with("!")) continue;
    const bool closing = tag.starts_with("/");
    const std::string_view rest = tag.substr(closing ? 1 : 0);
    const std::string name(rest.substr(0, rest.find_first_of(" /\n")));
    if (closing) {
      if (open.empty() || open.back() != name) return name;
      open.pop_back();
    } else if (!tag.ends_with("/") && name != "meta" && name != "img") {
      open.push_back(name);
    }
  }
  return open.empty() ? "" : open.back();
}

ReportData full_report() {
  ReportData data;
  data.title = "a network, pruned";
  data.summary = "what was done";
  Measurement before;
  before.name = "before";
  before.params = 308000;
  before.macs = 38700000;
  before.file_bytes = 1240000;
  before.activation_bytes = 262144;
  before.one_thread = Latency{2.0, 2.5};
  before.all_threads = Latency{1.2, 1.5};
  before.threads = 2;
  before.accuracy = 0.95;
  Measurement after = before;
  after.name = "after";
  after.macs = 19350000;
  after.one_thread = Latency{1.0, 1.2};
  after.accuracy = 0.94;
  data.models = {before, after};
  data.stages = {{"training", {{1, 2.0, 0.2, 1.9, 0.3}, {2, 1.0, 0.6, 0.9, 0.7}}},
                 {"fine-tuning", {{0, {}, {}, 1.5, 0.5}, {1, 0.8, 0.8, 0.7, 0.85}}}};
  data.stage_mark = "pruned";
  data.layers = {{"features.0", 32, 20}, {"classifier", 3, 3}};
  data.findings = {{"features.0", "sensitive: much is lost"}};
  data.heat_maps = {{"Points lost", "of all", {"10 %", "20 %"}, {{"features.0", {1.5, {}}}}, 40}};
  data.charts = {
      {"Norms",
       "by depth",
       "depth",
       "norm",
       {{"largest", {{1, 0.5}, {2, 0.7}}, {}}, {"least", {{1, 0.1}, {2, 0.3}}, {"a", "b"}}}}};
  data.bars = {{"Time", "of layers", "ms", {"forward", "backward"}, {{"features.0", {1.5, 2.5}}}}};
  data.tables = {{"Layers", "one a row", {"layer", "weights"}, {{"features.0", "864"}}}};
  data.layer_errors = {
      {"features.3", 32, 20, {1.5, 0.7, 0.1}, {{"lasso", {1.5, 0.7, 0.1}}, {"l1", {2, 0.9, 0}}}},
      {"classifier", 64, 30, {0.2, 0.1, 0.001}, {}}};
  data.classes = {"cat", "dog", "owl"};
  data.confusion = {{9, 1, 0}, {0, 10, 0}, {2, 0, 8}};
  data.confusion_of = "pruned network";
  data.pictures = {{"iVBORw0KGgo=", "cat", {{"cat", 0.9}, {"dog", 0.1}}},
                   {"iVBORw0KGgo=", "owl", {{"cat", 0.6}, {"owl", 0.4}}}};
  data.facts = {{"seed", "1"}, {"machine", "a processor"}};
  data.commands = {"bonsai compress"};
  data.next = "bonsai classify pruned.bonsai picture.png";
  return data;
}

bool has(const std::string& page, std::string_view part) {
  return page.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("the page holds every part and stands alone") {
  const std::string page = render(full_report());
  CHECK(unbalanced_tag(page).empty());
  for (const char* title :
       {"What stands out", "Points lost", "Norms", "Layers", "Before and after", "Learning curves",
        "Channels per layer", "Reconstruction", "Test pictures and the guesses", "Confusion matrix",
        "How this was made", "The same again", "Try next"})
    CHECK(has(page, title));
  for (const char* figure : {"38.7 M", "2.00x fewer", "1.24 MB", "262 kB", "2.00 ms (2.50 ms)",
                             "2.00x quicker", "latency, 2 threads", "95.00 %", "-1.00 points"})
    CHECK(has(page, figure));
  for (const char* drawing :
       {"class=\"curve series-1\"", "features.0, 10 %: 1.5", "b: 2.000, 0.3000", "<td>864</td>",
        "features.0, backward: 2.500 ms", "4.00 ms", "class=\"curve train\"",
        "class=\"curve test\"", "class=\"border\"", "class=\"bar-before\"", "class=\"bar-after\"",
        "class=\"hit\"", "class=\"miss\"", "data:image/png;base64,iVBORw0KGgo="})
    CHECK(has(page, drawing));
  for (const char* outside : {"<script", "http://", "https://", "<link", "url("}) {
    INFO(outside);
    std::string rest = page;
    for (size_t at; (at = rest.find("http://www.w3.org/2000/svg")) != std::string::npos;)
      rest.erase(at, 26);
    CHECK_FALSE(has(rest, outside));
  }
}

TEST_CASE("text from data cannot become part of the page") {
  const std::string nasty = "<b onload=\"x\">&'\x01";
  ReportData data = full_report();
  data.title = data.summary = data.stage_mark = data.confusion_of = data.next = nasty;
  data.models[0].name = data.stages[0].name = data.layers[0].name = nasty;
  data.classes.assign(3, nasty);
  data.pictures[0].truth = data.pictures[0].png = data.pictures[0].top[0].label = nasty;
  data.facts[0] = data.findings[0] = {nasty, nasty};
  data.heat_maps[0].title = data.heat_maps[0].note = data.heat_maps[0].columns[0] = nasty;
  data.heat_maps[0].rows[0].name = nasty;
  data.charts[0].title = data.charts[0].x_label = data.charts[0].y_label = nasty;
  data.charts[0].series[0].name = nasty;
  data.charts[0].series[1].labels[0] = nasty;
  data.bars[0].title = data.bars[0].unit = data.bars[0].parts[1] = data.bars[0].rows[0].name =
      nasty;
  data.tables[0].title = data.tables[0].head[0] = data.tables[0].rows[0][0] = nasty;
  data.commands = {nasty};
  const std::string page = render(data);
  CHECK(unbalanced_tag(page).empty());
  CHECK_FALSE(has(page, "<b onload"));
  CHECK_FALSE(has(page, "\x01"));
  CHECK(escape(nasty) == "&lt;b onload=&quot;x&quot;&gt;&amp;&#39;?");
  // The checker itself sees a tag that is not closed.
  CHECK(unbalanced_tag("<p><b></p>") == "p");
  CHECK(unbalanced_tag("<p>") == "p");
}

TEST_CASE("parts without data are left out") {
  ReportData data;
  data.title = "empty";
  const std::string page = render(data);
  CHECK(unbalanced_tag(page).empty());
  for (const char* part : {"<svg", "<table", "Learning curves", "Confusion"})
    CHECK_FALSE(has(page, part));
  data.models = {full_report().models[0]};
  CHECK_FALSE(has(render(data), "change</th>"));
}

TEST_CASE("a diverged loss and a hundred classes do not break the figures") {
  ReportData data = full_report();
  data.stages[0].epochs[0].train_loss = std::numeric_limits<double>::infinity();
  data.stages[0].epochs[1].test_loss = std::numeric_limits<double>::quiet_NaN();
  data.heat_maps[0].rows[0].values = {std::numeric_limits<double>::quiet_NaN(),
                                      std::numeric_limits<double>::infinity()};
  data.charts[0].series[0].points = {{1, std::numeric_limits<double>::infinity()}};
  data.classes.assign(100, "class");
  data.confusion.assign(100, std::vector<int>(100, 1));
  const std::string page = render(data);
  CHECK(unbalanced_tag(page).empty());
  CHECK_FALSE(has(page, "\"nan\""));
  CHECK_FALSE(has(page, ",nan"));
  CHECK_FALSE(has(page, "inf"));
}

TEST_CASE("a report comes back from its JSON as it was") {
  const ReportData data = full_report();
  const ReportData again = from_json(to_json(data));
  CHECK(to_json(again) == to_json(data));
  CHECK(render(again) == render(data));
  CHECK_THROWS_AS(from_json("{}"), Error);
  CHECK_THROWS_AS(from_json("not JSON"), Error);
  ReportData uneven = data;
  uneven.confusion[1].pop_back();
  CHECK_THROWS_AS(from_json(to_json(uneven)), Error);
  ReportData short_row = data, short_table = data;
  short_row.heat_maps[0].rows[0].values.pop_back();
  short_table.tables[0].rows[0].pop_back();
  CHECK_THROWS_AS(from_json(to_json(short_row)), Error);
  CHECK_THROWS_AS(from_json(to_json(short_table)), Error);
}

TEST_CASE("numbers as people read them") {
  CHECK(short_count(999) == "999");
  CHECK(short_count(38653952) == "38.7 M");
  CHECK(short_bytes(1241832) == "1.24 MB");
  CHECK(short_bytes(12) == "12 B");
  CHECK(percent(0.9345) == "93.5 %");
  CHECK(milliseconds(0.0123) == "0.012 ms");
  CHECK(milliseconds(12.34) == "12.3 ms");
  CHECK(duration(59) == "59 s");
  CHECK(duration(3700) == "1 h 1 m");
  CHECK(shortened("stage2.block0.conv1", 11) == "stag...onv1");
  CHECK(base64("") == "");
  CHECK(base64("f") == "Zg==");
  CHECK(base64("fo") == "Zm8=");
  CHECK(base64("foobar") == "Zm9vYmFy");
  CHECK(ticks(0, 1, 5) == std::vector<double>{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1});
}

}  // namespace bonsai::report
