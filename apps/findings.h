// Turns what a run found into what its report shows.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "apps/invocation.h"
#include "apps/report/data.h"
#include "data/dataset.h"
#include "engine/graph.h"
#include "layers/trainer.h"

namespace bonsai::app {

report::Stage stage_of(const std::string& name, const std::vector<EpochRecord>& history);

// Of every convolution and fully connected layer. `after`: the same graph, pruned;
// a layer that is gone has no channels.
std::vector<report::LayerWidth> channel_widths(const Graph& before, const Graph& after);

// A dozen test pictures: a few that the network gets wrong, the surest first, the rest right.
std::vector<report::Picture> sample_pictures(const Graph& graph, const Dataset& data,
                                             const Evaluation& evaluation);

std::string data_description(const Dataset& data);

// Network, data, machine, date: what every report says.
std::vector<report::Fact> common_facts(const Graph& graph, const Dataset& data);

// One test picture that the network gets right, as a PNG file in the folder, to try `classify`
// on; returns its path.
std::filesystem::path write_sample(const std::filesystem::path& folder, const Dataset& data,
                                   const Evaluation& evaluation);

// Writes report.json and report.html; returns the page's path.
std::filesystem::path write_report(const std::filesystem::path& folder,
                                   const report::ReportData& data);

}  // namespace bonsai::app
