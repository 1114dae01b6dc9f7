// Picture files for tests, made on the spot: what they show is known and no file lies in the tree.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/image.h"

namespace bonsai {

// Soft colours, different for each seed, with a hard edge in the middle.
Picture test_picture(int height, int width, int seed);

std::vector<uint8_t> jpeg_bytes(const Picture& picture, int quality = 90);
std::vector<uint8_t> bmp_bytes(const Picture& picture);
// PNG with 1 to 4 channels (grey, grey + alpha, RGB, RGB + alpha).
std::vector<uint8_t> png_bytes(int height, int width, int channels,
                               const std::vector<uint8_t>& pixels);

void put_file(const std::string& path, const std::vector<uint8_t>& bytes);
void put_text(const std::string& path, const std::string& text);

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace bonsai
