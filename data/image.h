// Picture files: JPEG, PNG and BMP in (stb_image, see image.cpp for what is checked around it), PNG
// out. Pictures are height x width x 3 bytes (R, G, B); grey becomes three equal channels, and
// what is transparent shows white.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace bonsai {

struct Picture {
  int height = 0, width = 0;
  std::vector<uint8_t> pixels;
};

// Both throw Error, beginning with the file's name, for what is not a whole picture.
Picture read_image(const std::filesystem::path& path);
Picture decode_image(std::span<const uint8_t> file, const std::string& name);

// Why these bytes are no complete JPEG, PNG or BMP file; empty when they are. Walks through the
// file's own structure to its end mark (PNG: checksums too); pixels are not decoded.
std::string file_damage(std::span<const uint8_t> file);

// The mean over the covered area where the picture shrinks, linear interpolation where it grows.
Picture resize(const Picture& picture, int height, int width);
Picture crop(const Picture& picture, int top, int left, int height, int width);
// Centre crop to the wanted shape, then resize: nothing is distorted.
Picture fit(const Picture& picture, int height, int width);

std::vector<uint8_t> encode_png(const uint8_t* pixels, int height, int width);
void write_png(const std::filesystem::path& path, const Picture& picture);

}  // namespace bonsai
