// What a report shows, as plain data. Commands fill it, json.h keeps it beside the report, html.h
// draws it. Parts that are empty are left out of the page.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bonsai::report {

struct Latency {
  double median_ms = 0, p90_ms = 0;
};

// One network, counted and measured.
struct Measurement {
  std::string name;  // the column's title: "before"
  int64_t params = 0, macs = 0;
  int64_t file_bytes = 0;
  int64_t activation_bytes = 0;  // the most that is held at once for one picture
  std::optional<Latency> one_thread, all_threads;
  int threads = 1;  // how many "all" are
  std::optional<double> accuracy;
};

struct Epoch {
  int epoch = 0;  // from 1; 0: as the stage found the network
  std::optional<double> train_loss, train_accuracy, test_loss, test_accuracy;
};

struct Stage {
  std::string name;  // "training", "fine-tuning"
  std::vector<Epoch> epochs;
};

struct LayerWidth {
  std::string name;
  int before = 0, after = 0;
};

// Of a layer's response, as shares of its square.
struct ResponseError {
  double naive = 0;          // channels are removed
  double bias_only = 0;      // and a constant is added
  double least_squares = 0;  // and the remaining weights are solved for
};

struct LayerError {
  struct Trial {
    std::string selection;
    ResponseError error;
  };
  std::string name;
  int channels = 0, kept = 0;  // that the layer reads
  ResponseError error;
  std::vector<Trial> trials;  // of other ways to choose the channels
};

struct Guess {
  std::string label;
  double probability = 0;
};

struct Picture {
  std::string png;  // base64
  std::string truth;
  std::vector<Guess> top;  // best first

  bool right() const { return !top.empty() && top.front().label == truth; }
};

struct Fact {
  std::string label, value;
};

// Numbers in a grid, the larger the darker.
struct HeatMap {
  struct Row {
    std::string name;
    std::vector<std::optional<double>> values;  // one per column
  };
  std::string title, note;
  std::vector<std::string> columns;
  std::vector<Row> rows;
  double full = 1;    // the value that is as dark as it gets; nothing is shaded from 0 down
  int digits = 1;     // of the numbers written into the cells
  bool good = false;  // large numbers are good news
};

struct Series {
  std::string name;
  std::vector<std::array<double, 2>> points;  // x, y
  std::vector<std::string> labels;            // of the points, or none
  bool crosses = false;                       // marked so, and never joined by lines
};

struct Chart {
  std::string title, note, x_label, y_label;
  std::vector<Series> series;
  bool lines = true;  // false: points alone
};

// Bars that consist of parts, one below the other.
struct Bars {
  struct Row {
    std::string name;
    std::vector<double> parts;
  };
  std::string title, note, unit;
  std::vector<std::string> parts;  // what they are
  std::vector<Row> rows;           // as many parts each
};

struct Table {
  std::string title, note;
  std::vector<std::string> head;
  std::vector<std::vector<std::string>> rows;  // as many cells as head
};

struct ReportData {
  std::string title, summary;
  std::vector<Measurement> models;  // one, or before and after
  std::vector<Stage> stages;
  std::string stage_mark;  // what happened between two stages: "pruned"
  std::vector<LayerWidth> layers;
  std::vector<Fact> findings;  // in words
  std::vector<HeatMap> heat_maps;
  std::vector<Chart> charts;
  std::vector<Bars> bars;
  std::vector<Table> tables;
  std::vector<LayerError> layer_errors;
  std::vector<Picture> pictures;
  std::vector<std::string> classes;
  std::vector<std::vector<int>> confusion;  // [truth][guess]
  std::string confusion_of;                 // which network the matrix and the pictures are of
  std::vector<Fact> facts;
  std::vector<std::string> commands;  // to make the same again
  std::string next;                   // a command to try now
};

}  // namespace bonsai::report
