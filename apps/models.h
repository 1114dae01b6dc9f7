// Model files together with data: opening, matching and testing them.
#pragma once

#include <string>
#include <vector>

#include "apps/options.h"
#include "compress/rerun.h"
#include "data/dataset.h"
#include "data/loader.h"
#include "engine/graph.h"
#include "layers/evaluate.h"

namespace bonsai::app {

Graph open_model(const std::string& file);

// The data in the size that the graph reads. Throws Error when their classes are not the graph's.
Dataset load_for(const Graph& graph, const DataArguments& arguments);

// From now on the data's pictures are normalised as the graph was trained, if it says how.
void take_normalisation(const Graph& graph, Dataset& data);

// A seeded choice of `count` training pictures (0: all), normalised as the graph was trained: in
// batches with their labels, or read as they are wanted.
std::vector<Batch> calibration_pictures(const Graph& graph, const Dataset& data, int count,
                                        uint64_t seed);
Pictures picture_sample(const Graph& graph, const Dataset& data, int count, uint64_t seed);

// With a status line; with the normalisation that the graph was trained with. A signal ends it.
// `flip`: by the mean over a picture and its mirror image.
Evaluation evaluate_model(Graph& graph, const Dataset& data, bool flip = false);

}  // namespace bonsai::app
