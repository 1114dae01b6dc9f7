#include "tests/pictures.h"

#include <cmath>
#include <filesystem>
#include <fstream>

#include "engine/error.h"

#define STBI_WRITE_NO_STDIO
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb_image_write.h>

namespace bonsai {
namespace {

void append(void* context, void* data, int size) {
  const auto* from = static_cast<const uint8_t*>(data);
  auto* out = static_cast<std::vector<uint8_t>*>(context);
  out->insert(out->end(), from, from + size);
}

}  // namespace

Picture test_picture(int height, int width, int seed) {
  Picture picture{height, width, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c) {
        const double wave = std::sin(0.3 * x + 0.2 * y * (c + 1) + seed);
        picture.pixels.push_back(static_cast<uint8_t>(128 + 60 * wave + (2 * x < width ? 0 : 60)));
      }
    }
  }
  return picture;
}

std::vector<uint8_t> jpeg_bytes(const Picture& picture, int quality) {
  std::vector<uint8_t> bytes;
  require(stbi_write_jpg_to_func(append, &bytes, picture.width, picture.height, 3,
                                 picture.pixels.data(), quality) != 0,
          "no JPEG");
  return bytes;
}

std::vector<uint8_t> bmp_bytes(const Picture& picture) {
  std::vector<uint8_t> bytes;
  require(stbi_write_bmp_to_func(append, &bytes, picture.width, picture.height, 3,
                                 picture.pixels.data()) != 0,
          "no BMP");
  return bytes;
}

std::vector<uint8_t> png_bytes(int height, int width, int channels,
                               const std::vector<uint8_t>& pixels) {
  std::vector<uint8_t> bytes;
  require(stbi_write_png_to_func(append, &bytes, width, height, channels, pixels.data(),
                                 width * channels) != 0,
          "no PNG");
  return bytes;
}

void put_file(const std::string& path, const std::vector<uint8_t>& bytes) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  require(file.good(), path, ": not written");
}

void put_text(const std::string& path, const std::string& text) {
  put_file(path, {text.begin(), text.end()});
}

}  // namespace bonsai
