// Picture files: what is whole is read right, what is not is refused, and nothing crashes.
#include "data/image.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/random.h"
#include "tests/catch.h"
#include "tests/error_of.h"
#include "tests/pictures.h"
#include "tests/temporary_folder.h"

namespace bonsai {
namespace {

Picture decode(const std::vector<uint8_t>& bytes) { return decode_image(bytes, "picture"); }

double mean_difference(const Picture& a, const Picture& b) {
  REQUIRE(a.pixels.size() == b.pixels.size());
  double sum = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(a.pixels[i] - b.pixels[i]);
  return sum / static_cast<double>(a.pixels.size());
}

std::vector<uint8_t> png_of(const Picture& p) { return png_bytes(p.height, p.width, 3, p.pixels); }

std::vector<std::vector<uint8_t>> one_of_each_kind() {
  const Picture picture = test_picture(12, 17, 1);
  return {jpeg_bytes(picture), png_of(picture), bmp_bytes(picture)};
}

}  // namespace

TEST_CASE("pictures come back as they were written") {
  const Picture picture = test_picture(24, 31, 3);
  CHECK(decode(png_of(picture)).pixels == picture.pixels);
  CHECK(decode(bmp_bytes(picture)).pixels == picture.pixels);
  const Picture jpeg = decode(jpeg_bytes(picture, 95));
  CHECK(jpeg.height == 24);
  CHECK(jpeg.width == 31);
  CHECK(mean_difference(jpeg, picture) < 8);
  CHECK(mean_difference(jpeg, test_picture(24, 31, 5)) > 20);  // the comparison can fail

  const TemporaryFolder folder;
  write_png(folder / "a b.png", picture);
  CHECK(read_image(folder / "a b.png").pixels == picture.pixels);
  CHECK(decode(encode_png(picture.pixels.data(), 24, 31)).pixels == picture.pixels);
}

TEST_CASE("grey becomes three channels, transparent shows white") {
  CHECK(decode(png_bytes(1, 2, 1, {10, 200})).pixels ==
        std::vector<uint8_t>{10, 10, 10, 200, 200, 200});
  CHECK(decode(png_bytes(1, 2, 2, {10, 255, 200, 0})).pixels ==
        std::vector<uint8_t>{10, 10, 10, 255, 255, 255});
  CHECK(decode(png_bytes(1, 2, 4, {10, 20, 30, 255, 0, 100, 200, 51})).pixels ==
        std::vector<uint8_t>{10, 20, 30, 204, 224, 244});
}

TEST_CASE("a cut-off picture is refused at every length") {
  for (const std::vector<uint8_t>& whole : one_of_each_kind()) {
    CHECK(file_damage(whole).empty());
    CHECK_NOTHROW(decode(whole));
    size_t refused = 0;
    for (size_t n = 0; n < whole.size(); ++n) {
      const std::string error = error_of([&] {
        decode({whole.begin(), whole.begin() + static_cast<ptrdiff_t>(n)});
      });
      refused += error.starts_with("picture: ") ? 1 : 0;
    }
    CHECK(refused == whole.size());
  }
}

TEST_CASE("a preview's end mark does not stand for the picture's") {
  const std::vector<uint8_t> jpeg = jpeg_bytes(test_picture(12, 17, 1));
  const std::vector<uint8_t> preview = jpeg_bytes(test_picture(4, 4, 2));
  std::vector<uint8_t> both(jpeg.begin(), jpeg.begin() + 2);
  const auto length = static_cast<int>(preview.size()) + 2;
  for (const int v : {0xFF, 0xE1, length >> 8, length & 255}) {
    both.push_back(static_cast<uint8_t>(v));
  }
  both.insert(both.end(), preview.begin(), preview.end());
  const size_t cut = both.size();
  both.insert(both.end(), jpeg.begin() + 2, jpeg.end());
  CHECK(decode(both).pixels == decode(jpeg).pixels);
  both.resize(cut);  // ends with the preview's FF D9
  CHECK(contains(error_of([&] { decode(both); }), "cut off"));
}

TEST_CASE("bytes after the end of a picture do no harm") {
  for (std::vector<uint8_t> bytes : one_of_each_kind()) {
    const Picture whole = decode(bytes);
    bytes.insert(bytes.end(), 100, 0xAB);
    CHECK(decode(bytes).pixels == whole.pixels);
  }
}

TEST_CASE("flipped bits never crash the decoder, and never pass in a PNG") {
  Random random(1, Purpose::test);
  const std::vector<std::vector<uint8_t>> kinds = one_of_each_kind();
  for (size_t kind = 0; kind < kinds.size(); ++kind) {
    int accepted = 0;
    for (int i = 0; i < 2000; ++i) {
      std::vector<uint8_t> bytes = kinds[kind];
      for (int flips = random.between(1, 3); flips > 0; --flips) {
        bytes[random.below(static_cast<uint32_t>(bytes.size()))] ^=
            static_cast<uint8_t>(1 << random.below(8));
      }
      accepted += error_of([&] { decode(bytes); }).empty() ? 1 : 0;
    }
    if (kind == 1) CHECK(accepted <= 10);  // flips that undo one another, and none else
  }
}

TEST_CASE("what is no picture says what it is") {
  const TemporaryFolder folder;
  put_text(folder / "text.jpg", "this is no picture at all");
  put_text(folder / "empty.png", "");
  put_text(folder / "moving.jpg", "GIF89a.............................");
  CHECK(contains(error_of([&] { read_image(folder / "text.jpg"); }), "text.jpg: not a picture"));
  CHECK(contains(error_of([&] { read_image(folder / "empty.png"); }), "empty.png: empty file"));
  CHECK(contains(error_of([&] { read_image(folder / "moving.jpg"); }), "a GIF picture"));
  CHECK(contains(error_of([&] { read_image(folder / "none.jpg"); }), "none.jpg: cannot be read"));
  CHECK(contains(error_of([&] { read_image(folder.path()); }), "is not a plain file"));
}

TEST_CASE("huge pictures are refused before they are decoded") {
  const std::vector<uint8_t> long_row(16385 * 3, 7);
  CHECK(contains(error_of([&] { decode(png_bytes(1, 16385, 3, long_row)); }), "picture: "));
  CHECK_NOTHROW(decode(png_bytes(1, 16384, 3, long_row)));
  // A header that claims 16,000 x 16,000 pixels and a few bytes behind it.
  std::vector<uint8_t> bmp = bmp_bytes(test_picture(2, 2, 1));
  bmp[18] = bmp[22] = 16000 & 255;
  bmp[19] = bmp[23] = 16000 >> 8;
  CHECK(contains(error_of([&] { decode(bmp); }), "cut off"));
}

TEST_CASE("shrinking takes means, growing interpolates, the same size changes nothing") {
  const Picture picture = test_picture(13, 9, 2);
  CHECK(resize(picture, 13, 9).pixels == picture.pixels);

  const Picture four{2, 2, {0, 10, 20, 100, 10, 20, 40, 10, 20, 60, 10, 20}};
  CHECK(resize(four, 1, 1).pixels == std::vector<uint8_t>{50, 10, 20});

  // 3 columns to 2: each takes one whole column and half of the middle one.
  const Picture three{1, 3, {30, 0, 0, 60, 0, 0, 240, 0, 0}};
  CHECK(resize(three, 1, 2).pixels == std::vector<uint8_t>{40, 0, 0, 180, 0, 0});

  // Pixel centres of 2 in 4: -0.25 (clamped), 0.25, 0.75, 1.25 (clamped).
  const Picture two{1, 2, {0, 0, 0, 200, 0, 0}};
  CHECK(resize(two, 1, 4).pixels == std::vector<uint8_t>{0, 0, 0, 50, 0, 0, 150, 0, 0, 200, 0, 0});

  const Picture flat{7, 5, std::vector<uint8_t>(7 * 5 * 3, 77)};
  for (const int side : {1, 2, 3, 5, 11, 32}) {
    const Picture other = resize(flat, side, side);
    CHECK(std::all_of(other.pixels.begin(), other.pixels.end(), [](int v) { return v == 77; }));
  }
}

TEST_CASE("fitting keeps the middle and distorts nothing") {
  Picture wide = test_picture(10, 30, 4);
  CHECK(fit(wide, 10, 10).pixels == crop(wide, 0, 10, 10, 10).pixels);
  CHECK(fit(wide, 5, 15).pixels == resize(wide, 5, 15).pixels);
  const Picture tall = test_picture(30, 10, 4);
  CHECK(fit(tall, 10, 10).pixels == crop(tall, 10, 0, 10, 10).pixels);
  CHECK(fit(test_picture(1, 1000, 1), 32, 32).pixels.size() == 32 * 32 * 3);
  CHECK_THROWS_AS(crop(wide, 0, 21, 10, 10), Error);
}

}  // namespace bonsai
