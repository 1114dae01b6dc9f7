// Is a picture file whole? A decoder may accept a file that was cut off (stb_image fills the rest
// with grey), so its structure is followed to the end mark here, without decoding anything.
// JPEG: ITU T.81 annex B. PNG: W3C PNG section 5, with every chunk's CRC-32. BMP: header sizes.
#include <array>
#include <cstdlib>
#include <numeric>
#include <string_view>

#include "data/image.h"
#include "engine/error.h"

namespace bonsai {
namespace {

using Bytes = std::span<const uint8_t>;

uint32_t big_endian(Bytes b, size_t at, int bytes) {
  uint32_t v = 0;
  for (int i = 0; i < bytes; ++i) v = v << 8 | b[at + static_cast<size_t>(i)];
  return v;
}

uint32_t little_endian(Bytes b, size_t at, int bytes) {
  uint32_t v = 0;
  for (int i = bytes - 1; i >= 0; --i) v = v << 8 | b[at + static_cast<size_t>(i)];
  return v;
}

bool starts_with(Bytes file, std::string_view text, size_t at = 0) {
  if (file.size() < at + text.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (file[at + i] != static_cast<uint8_t>(text[i])) return false;
  }
  return true;
}

// Huffman tables: a kind and number, how many codes have 1 to 16 bits, and as many values. Their
// sums are checked because stb_image up to 2.27 writes past its table when there are too many.
bool sound_huffman_tables(Bytes segment) {
  while (!segment.empty()) {
    if (segment.size() < 17) return false;
    const size_t codes = std::accumulate(segment.begin() + 1, segment.begin() + 17, size_t{0});
    if (codes > 256 || codes > segment.size() - 17) return false;
    segment = segment.subspan(17 + codes);
  }
  return true;
}

// Segments carry their length; compressed data runs up to the next marker, where FF 00 is a byte
// FF and FF D0..D7 are restart marks. A preview inside a segment has end marks of its own, so
// looking at the last two bytes alone would not do.
std::string jpeg_damage(Bytes file) {
  const std::string cut = "JPEG file is cut off: no end mark after byte ";
  size_t at = 2;
  for (;;) {
    while (at + 1 < file.size() && (file[at] != 0xFF || file[at + 1] == 0 || file[at + 1] == 0xFF ||
                                    (file[at + 1] >= 0xD0 && file[at + 1] <= 0xD7))) {
      ++at;
    }
    if (at + 1 >= file.size()) return join(cut, file.size());
    const int marker = file[at + 1];
    at += 2;
    if (marker == 0xD9) return {};
    if (marker == 0x01 || marker == 0xD8) continue;
    if (at + 2 > file.size()) return join(cut, file.size());
    const size_t length = big_endian(file, at, 2);
    if (length < 2)
      return join("JPEG file is damaged at byte ", at, ": a segment of length ", length);
    if (length > file.size() - at) return join(cut, file.size());
    if (marker == 0xC4 && !sound_huffman_tables(file.subspan(at + 2, length - 2))) {
      return join("JPEG file is damaged at byte ", at, ": impossible Huffman table");
    }
    at += length;
  }
}

uint32_t crc32(Bytes bytes) {
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> t{};
    for (uint32_t n = 0; n < 256; ++n) {
      uint32_t c = n;
      for (int k = 0; k < 8; ++k) c = (c & 1) != 0 ? 0xEDB88320 ^ (c >> 1) : c >> 1;
      t[n] = c;
    }
    return t;
  }();
  uint32_t c = 0xFFFFFFFF;
  for (const uint8_t b : bytes) c = table[(c ^ b) & 0xFF] ^ (c >> 8);
  return ~c;
}

std::string png_damage(Bytes file) {
  size_t at = 8;
  for (;;) {
    if (file.size() - at < 12) return join("PNG file is cut off after byte ", file.size());
    const size_t length = big_endian(file, at, 4);
    if (length > file.size() - at - 12) return join("PNG file is cut off after byte ", file.size());
    if (crc32(file.subspan(at + 4, length + 4)) != big_endian(file, at + 8 + length, 4)) {
      return join("PNG file is damaged between bytes ", at, " and ", at + length + 12,
                  ": wrong checksum");
    }
    if (starts_with(file, "IEND", at + 4)) return {};
    at += length + 12;
  }
}

// Far above what is decoded; keeps the product of all three within 64 bits.
constexpr int64_t largest_side = 1 << 20;

std::string bmp_damage(Bytes file) {
  if (file.size() < 30) return join("BMP file is cut off after byte ", file.size());
  const bool old = little_endian(file, 14, 4) == 12;
  const auto signed_at = [&](size_t at) {
    return std::llabs(static_cast<int32_t>(little_endian(file, at, 4)));
  };
  const int64_t width = old ? little_endian(file, 18, 2) : signed_at(18);
  const int64_t height = old ? little_endian(file, 20, 2) : signed_at(22);
  const int64_t bits = little_endian(file, old ? 24 : 28, 2);
  if (width > largest_side || height > largest_side || bits > 32) {
    return join("BMP file of ", width, " x ", height, " pixels with ", bits,
                " bits each, should be at most ", largest_side, " on a side and 32 bits");
  }
  const int64_t rows = (width * bits + 31) / 32 * 4 * height;
  const int64_t need = little_endian(file, 10, 4) + rows;
  if (static_cast<int64_t>(file.size()) < need) {
    return join("BMP file is cut off: ", file.size(), " bytes, ", need, " are needed");
  }
  return {};
}

// Pictures of kinds that are not read deserve their name in the message.
std::string_view other_kind(Bytes file) {
  if (starts_with(file, "GIF8")) return "a GIF picture";
  if (starts_with(file, "RIFF") && starts_with(file, "WEBP", 8)) return "a WebP picture";
  if (starts_with(file, {"II*\0", 4}) || starts_with(file, {"MM\0*", 4})) return "a TIFF picture";
  if (starts_with(file, "ftyp", 4)) return "a HEIC or AVIF picture, or a film";
  if (starts_with(file, "8BPS")) return "a Photoshop file";
  if (starts_with(file, "%PDF")) return "a PDF file";
  return "not a picture";
}

}  // namespace

std::string file_damage(Bytes file) {
  if (file.empty()) return "empty file";
  if (starts_with(file, "\xFF\xD8\xFF")) return jpeg_damage(file);
  if (starts_with(file, "\x89PNG\r\n\x1A\n")) return png_damage(file);
  if (starts_with(file, "BM")) return bmp_damage(file);
  return join(other_kind(file), "; JPEG, PNG and BMP are read");
}

}  // namespace bonsai
