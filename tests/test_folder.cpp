// Folders of pictures: what is found, what is refused and by which words, and what is kept.
#include "data/folder.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <numeric>
#include <set>

#include "data/check.h"
#include "data/store.h"
#include "engine/error.h"
#include "tests/catch.h"
#include "tests/error_of.h"
#include "tests/pictures.h"
#include "tests/temporary_folder.h"

namespace bonsai {
namespace {

namespace fs = std::filesystem;

void put_picture(const std::string& path, int seed) {
  const Picture picture = test_picture(20, 24, seed);
  const std::string ending = path.substr(path.rfind('.'));
  if (ending == ".bmp") return put_file(path, bmp_bytes(picture));
  if (ending == ".png") return put_file(path, png_bytes(20, 24, 3, picture.pixels));
  put_file(path, jpeg_bytes(picture));
}

void put_classes(const std::string& root, int per_class, int seed = 0) {
  for (const std::string name : {"cat", "dog", "eel"}) {
    for (int i = 0; i < per_class; ++i) {
      put_picture(root + "/" + name + "/" + std::to_string(i) + ".jpg", ++seed);
    }
  }
}

std::vector<uint8_t> bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A data folder, and another one for what is kept.
struct World {
  TemporaryFolder data, cache;
  DataOptions options;

  World() {
    options.cache = cache.path();
    options.height = options.width = 8;
  }
  Dataset load() const { return load_dataset(data.path(), options); }
  std::string error() const {
    return error_of([&] { load(); });
  }
  std::vector<fs::path> kept() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(cache.path())) files.push_back(entry.path());
    return files;
  }
};

}  // namespace

TEST_CASE("train and test folders, in any depth, kind and spelling") {
  World world;
  put_classes(world.data / "train", 3);
  put_classes(world.data / "val", 2, 100);
  put_picture(world.data / "train/cat/deeper/still/x.PNG", 50);
  put_picture(world.data / "train/dog/y.bmp", 51);
  fs::rename(world.data / "train/eel/0.jpg", world.data / "train/eel/0.JPeG");
  put_text(world.data / "train/eel/notes.txt", "ignored");
  put_picture(world.data / "train/.hidden/z.jpg", 52);
  const Dataset data = world.load();
  CHECK(data.classes == std::vector<std::string>{"cat", "dog", "eel"});
  CHECK(data.train.count() == 11);
  CHECK(data.test.count() == 6);
  CHECK(std::count(data.train.labels.begin(), data.train.labels.end(), 0) == 4);
  CHECK(std::count(data.train.labels.begin(), data.train.labels.end(), 1) == 4);
  CHECK(data.notes.empty());
  CHECK(data.input_shape() == Shape{1, 8, 8, 3});
  const Picture expected = fit(test_picture(20, 24, 51), 8, 8);  // the BMP: exact
  CHECK(std::equal(expected.pixels.begin(), expected.pixels.end(), data.train.image(7)));
}

TEST_CASE("classes alone are split by the seed, each class alike") {
  World world;
  put_classes(world.data.path(), 10);
  world.options.seed = 4;
  const Dataset data = world.load();
  CHECK(data.train.count() == 24);
  for (int c = 0; c < 3; ++c) {
    CHECK(std::count(data.test.labels.begin(), data.test.labels.end(), c) == 2);
  }
  REQUIRE(data.notes.size() == 1);
  CHECK(contains(data.notes[0], "6 of 30 pictures"));
  const auto test_names = [&](uint64_t seed) {
    std::set<std::string> names;
    for (const PictureFile& f : list_folder(world.data.path(), seed).test) names.insert(f.path);
    return names;
  };
  CHECK(test_names(4) == test_names(4));
  CHECK(test_names(4) != test_names(5));
  const FolderListing listing = list_folder(world.data.path(), 4);
  std::set<std::string> all = test_names(4);
  for (const PictureFile& f : listing.train) all.insert(f.path);
  CHECK(all.size() == 30);
}

TEST_CASE("one wrapping folder does not matter, a link in a circle does no harm") {
  World world;
  put_classes(world.data / "download/pictures/train", 2);
  put_classes(world.data / "download/pictures/test", 2);
  fs::create_directory_symlink("..", world.data / "download/pictures/train/cat/up");
  fs::create_directory_symlink(".", world.data / "download/pictures/train/dog/itself");
  fs::create_symlink("me.jpg", world.data / "download/pictures/train/eel/me.jpg");
  world.options.skip_bad = true;
  const std::string error = world.error();
  CHECK(contains(error, "eel/me.jpg (cannot be read"));  // 1 of so few is more than 1 %
  fs::remove(world.data / "download/pictures/train/eel/me.jpg");
  CHECK(world.load().test.count() == 6);
}

TEST_CASE("a missing, empty or strange folder is said in one line") {
  World world;
  CHECK(contains(error_of([&] { load_dataset(world.data / "none", world.options); }),
                 "none: no such file or folder"));
  CHECK(contains(world.error(), "no class folders"));
  put_picture(world.data / "cat/1.jpg", 1);
  CHECK(contains(world.error(), "only one class folder, \"cat\""));
  put_picture(world.data / "dog/1.jpg", 1);
  CHECK(contains(world.error(), "a single picture"));
  fs::create_directory(world.data / "eel");
  CHECK(contains(world.error(), "eel: class folder without a picture"));
  put_text(world.data / "eel/1.gif", "GIF89a");
  CHECK(contains(world.error(), "only eel/1.gif and the like"));
  put_text(world.data / "plain.txt", "text");
  CHECK(contains(error_of([&] { load_dataset(world.data / "plain.txt", world.options); }),
                 "is no folder and no .tar"));
  for (const std::string& error : {world.error()}) CHECK(!contains(error, "\n"));
}

TEST_CASE("test classes must be the training classes") {
  World world;
  put_classes(world.data / "train", 2);
  put_classes(world.data / "test", 2);
  fs::rename(world.data / "test/dog", world.data / "test/fox");
  CHECK(contains(world.error(), "has no class folder \"dog\""));
  put_picture(world.data / "test/dog/1.jpg", 1);
  CHECK(contains(world.error(), "has a class folder \"fox\""));
  fs::remove_all(world.data / "test/fox");
  CHECK_NOTHROW(world.load());
}

TEST_CASE("unreadable pictures are named and counted, and left out on demand up to 1 %") {
  World world;
  put_classes(world.data / "train", 70);
  put_classes(world.data / "test", 5);
  std::vector<uint8_t> cut = jpeg_bytes(test_picture(20, 24, 1));
  cut.resize(cut.size() - 1);
  put_file(world.data / "train/cat/3.jpg", cut);
  put_text(world.data / "test/dog/2.jpg", "text");
  const std::string error = world.error();
  CHECK(contains(error, "2 of 225 pictures cannot be read"));
  CHECK(contains(error, "train/cat/3.jpg (JPEG file is cut off"));
  CHECK(contains(error, "test/dog/2.jpg (not a picture"));
  CHECK(contains(error, "--skip-bad"));
  CHECK(!contains(error, "\n"));
  world.options.skip_bad = true;
  const Dataset data = world.load();
  CHECK(data.train.count() == 209);
  CHECK(data.test.count() == 14);
  CHECK(data.skipped.size() == 2);
  // The gap is closed, and the others are what they would be alone.
  const Picture next = fit(decode_image(jpeg_bytes(test_picture(20, 24, 5)), "4.jpg"), 8, 8);
  const FolderListing listing = list_folder(world.data.path(), 1);
  size_t fourth = 0;
  while (listing.train[fourth].path != "train/cat/4.jpg") ++fourth;
  size_t gap = 0;
  while (listing.train[gap].path != "train/cat/3.jpg") ++gap;
  REQUIRE(gap < fourth);
  CHECK(std::equal(next.pixels.begin(), next.pixels.end(),
                   data.train.image(static_cast<int>(fourth) - 1)));

  // A picture of another kind counts as well, and three of 226 are more than 1 %.
  put_text(world.data / "train/eel/x.webp", "RIFF....WEBP");
  const std::string more = world.error();
  CHECK(contains(more, "3 of 226"));
  CHECK(contains(more, "more than 1 %"));
  CHECK(contains(more, "train/eel/x.webp (webp pictures are not read)"));
}

TEST_CASE("ten bad pictures are named, more are counted") {
  World world;
  put_classes(world.data.path(), 5);
  for (int i = 0; i < 13; ++i)
    put_text(world.data / ("dog/bad" + std::to_string(i) + ".jpg"), "no");
  const std::string error = world.error();
  CHECK(contains(error, "13 of 28"));
  CHECK(contains(error, "and 3 more"));
  const DataCheck check = check_dataset(world.data.path(), world.options);
  CHECK(check.bad.size() == 13);
  CHECK(check.pictures == 28);
  CHECK(check.classes.size() == 3);
}

TEST_CASE("file names of any bytes are printable in messages") {
  World world;
  put_classes(world.data.path(), 2);
  put_text(world.data / "dog/a\nb\xFF\xC3\xA4.jpg", "no");
  const std::string error = world.error();
  CHECK(contains(error, "dog/a\\x0Ab\\xFF\xC3\xA4.jpg"));
}

TEST_CASE("decoded pictures are kept, and made anew when anything changed") {
  World world;
  put_classes(world.data / "train", 4);
  put_classes(world.data / "test", 2);
  int decoded = 0;
  world.options.progress = [&](const DataProgress& p) {
    decoded += p.stage == "decoding pictures" ? 1 : 0;
  };
  const uint64_t fingerprint = world.load().fingerprint();
  CHECK(decoded > 0);
  REQUIRE(world.kept().size() == 1);
  decoded = 0;
  CHECK(world.load().fingerprint() == fingerprint);
  CHECK(decoded == 0);
  put_picture(world.data / "train/cat/new.jpg", 77);
  CHECK(world.load().fingerprint() != fingerprint);
  CHECK(decoded > 0);
}

TEST_CASE("bad pictures stay known when pictures come from the kept file") {
  World world;
  put_classes(world.data / "train", 70);
  put_classes(world.data / "test", 2);
  put_text(world.data / "train/cat/3.jpg", "text");
  world.options.skip_bad = true;
  CHECK(world.load().skipped.size() == 1);
  bool decoded = false;
  world.options.progress = [&](const DataProgress&) { decoded = true; };
  const Dataset again = world.load();
  CHECK(!decoded);
  REQUIRE(again.skipped.size() == 1);
  CHECK(again.skipped[0].path == "train/cat/3.jpg");
  world.options.skip_bad = false;
  CHECK(contains(world.error(), "train/cat/3.jpg"));
}

TEST_CASE("a kept file comes back whole or not at all") {
  const TemporaryFolder folder;
  Dataset data;
  data.classes = {"a", "b"};
  data.skipped = {{"x.jpg", "cut off"}};
  data.notes = {"a note"};
  data.train = make_images(5, 2, 3);
  data.train.labels = {0, 1, 1, 0, 1};
  std::iota(data.train.pixels.begin(), data.train.pixels.end(), uint8_t{0});
  data.test = make_images(1, 2, 3);
  const std::string path = folder / "kept";
  store_pictures(path, "key", data);
  const std::optional<Dataset> back = stored_pictures(path, "key");
  REQUIRE(back);
  CHECK(back->fingerprint() == data.fingerprint());
  CHECK(back->classes == data.classes);
  CHECK(back->skipped.at(0).reason == "cut off");
  CHECK(back->notes == data.notes);
  CHECK(!stored_pictures(path, "another key"));
  CHECK(!stored_pictures(folder / "none", "key"));

  const std::vector<uint8_t> whole = bytes_of(path);
  for (size_t at = 0; at < whole.size(); ++at) {
    std::vector<uint8_t> damaged = whole;
    damaged[at] ^= 0x41;
    put_file(path, damaged);
    REQUIRE(!stored_pictures(path, "key"));
    put_file(path, {whole.begin(), whole.begin() + static_cast<ptrdiff_t>(at)});
    REQUIRE(!stored_pictures(path, "key"));
  }
  std::vector<uint8_t> longer = whole;
  longer.push_back(0);
  put_file(path, longer);
  CHECK(!stored_pictures(path, "key"));
}

TEST_CASE("a damaged kept file is made anew") {
  World world;
  put_classes(world.data / "train", 2);
  put_classes(world.data / "test", 1);
  const uint64_t fingerprint = world.load().fingerprint();
  const std::string path = world.kept().at(0).string();
  const std::vector<uint8_t> whole = bytes_of(path);
  std::vector<uint8_t> damaged = whole;
  damaged[whole.size() / 2] ^= 0x10;
  put_file(path, damaged);
  CHECK(world.load().fingerprint() == fingerprint);
  CHECK(bytes_of(path) == whole);
}

TEST_CASE("pictures that cannot be kept are still loaded") {
  World world;
  put_classes(world.data.path(), 5);
  put_text(world.cache / "file", "in the way");
  world.options.cache = world.cache / "file";
  const Dataset data = world.load();
  CHECK(data.train.count() == 12);
  REQUIRE(data.notes.size() == 2);
  CHECK(contains(data.notes[1], "not kept"));
}

}  // namespace bonsai
