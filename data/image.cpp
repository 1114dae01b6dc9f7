// stb_image decodes, and is not trusted: only three of its decoders are compiled in, files and
// dimensions are capped before it sees them, cut-off files are refused by their structure, and
// its assertions become errors. Its newest releases accept truncated JPEG files as good.
#include "data/image.h"

#include <memory>

#include "data/files.h"
#include "engine/error.h"

namespace {
constexpr int most_pixels_per_side = 16384;
[[noreturn]] void broken_picture() { throw bonsai::Error("damaged picture"); }
}  // namespace

#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS 16384
#define STBI_ASSERT(x) ((x) ? (void)0 : broken_picture())
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#include <stb_image.h>

#define STBI_WRITE_NO_STDIO
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb_image_write.h>

namespace bonsai {
namespace {

constexpr uint64_t most_file_bytes = uint64_t{64} << 20;
constexpr int64_t most_pixel_bytes = int64_t{256} << 20;

struct Free {
  void operator()(void* p) const { stbi_image_free(p); }
};

uint8_t over_white(int value, int alpha) {
  return static_cast<uint8_t>((value * alpha + 255 * (255 - alpha) + 127) / 255);
}

// from: `channels` bytes a pixel: grey, grey + alpha, RGB or RGB + alpha
void to_rgb(const uint8_t* from, int channels, std::vector<uint8_t>& rgb) {
  const bool grey = channels < 3, transparent = channels % 2 == 0;
  for (size_t i = 0; i + 2 < rgb.size(); i += 3, from += channels) {
    const int alpha = transparent ? from[channels - 1] : 255;
    for (size_t c = 0; c < 3; ++c) rgb[i + c] = over_white(from[grey ? 0 : c], alpha);
  }
}

}  // namespace

Picture decode_image(std::span<const uint8_t> file, const std::string& name) {
  require(file.size() <= most_file_bytes, name, ": ", file.size(), " bytes, more than ",
          most_file_bytes, " are not read");
  const std::string damage = file_damage(file);
  require(damage.empty(), name, ": ", damage);
  const auto size = static_cast<int>(file.size());
  int width = 0, height = 0, channels = 0;
  require(stbi_info_from_memory(file.data(), size, &width, &height, &channels) != 0, name,
          ": damaged picture: ", stbi_failure_reason());
  require(width > 0 && height > 0 && width <= most_pixels_per_side &&
              height <= most_pixels_per_side && int64_t{3} * width * height <= most_pixel_bytes,
          name, ": ", width, "x", height, " pixels, more than is read (", most_pixels_per_side,
          " a side, ", most_pixel_bytes >> 20, " MiB in all)");
  try {
    const std::unique_ptr<uint8_t, Free> decoded(
        stbi_load_from_memory(file.data(), size, &width, &height, &channels, 0));
    require(decoded != nullptr, "damaged picture: ", stbi_failure_reason());
    Picture picture{height, width, {}};
    picture.pixels.resize(static_cast<size_t>(height) * static_cast<size_t>(width) * 3);
    to_rgb(decoded.get(), channels, picture.pixels);
    return picture;
  } catch (const Error& error) {
    throw Error(name + ": " + error.what());
  }
}

Picture read_image(const std::filesystem::path& path) {
  return decode_image(read_file(path, most_file_bytes), printable(path));
}

std::vector<uint8_t> encode_png(const uint8_t* pixels, int height, int width) {
  require(height > 0 && width > 0, "png: a picture of ", width, "x", height, " pixels");
  std::vector<uint8_t> bytes;
  const auto append = [](void* context, void* data, int size) {
    auto* out = static_cast<std::vector<uint8_t>*>(context);
    const auto* from = static_cast<const uint8_t*>(data);
    out->insert(out->end(), from, from + size);
  };
  require(stbi_write_png_to_func(append, &bytes, width, height, 3, pixels, width * 3) != 0,
          "png: no memory for ", width, "x", height, " pixels");
  return bytes;
}

void write_png(const std::filesystem::path& path, const Picture& picture) {
  write_file(path, encode_png(picture.pixels.data(), picture.height, picture.width));
}

}  // namespace bonsai
