// The embedded default dataset: pictures of ten kinds of shapes and textures, drawn in code with
// random place, size, turn, colours, lighting, clutter and noise. A real vision task that needs no
// download: a linear classifier on the pixels stays far under 50 %, a small convolutional network
// passes 90 % after a few thousand pictures.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace bonsai {

enum class Split : uint32_t { train, test };

const std::vector<std::string>& synthetic_classes();

// Picture `index` of a split has class index % 10 and depends on (seed, split, index) alone.
// Writes height x width x 3 bytes.
void draw_synthetic(uint64_t seed, Split split, int index, int height, int width, uint8_t* pixels);

Images synthetic_images(uint64_t seed, Split split, int count, int height, int width,
                        const ProgressCallback& progress = {});

// Options that are 0: 5,000 training and 1,000 test pictures of 32 x 32.
Dataset synthetic_dataset(const DataOptions& options = {});

}  // namespace bonsai
