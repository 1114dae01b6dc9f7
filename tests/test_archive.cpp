// Archives of pictures, packed on the spot by the system's tar.
#include "data/archive.h"

#include <array>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <tuple>

#include "data/dataset.h"
#include "data/process.h"
#include "engine/error.h"
#include "tests/catch.h"
#include "tests/error_of.h"
#include "tests/pictures.h"
#include "tests/temporary_folder.h"

namespace bonsai {
namespace {

namespace fs = std::filesystem;

void put_pictures(const std::string& root, int seed = 0) {
  for (const std::string part : {"train", "test"}) {
    for (const std::string name : {"cat", "dog"}) {
      for (int i = 0; i < 6; ++i) {
        put_file(root + "/" + part + "/" + name + "/" + std::to_string(i) + ".jpg",
                 jpeg_bytes(test_picture(20, 24, ++seed)));
      }
    }
  }
}

bool installed(const std::string& program) {
  return error_of([&] { run_program({program, "--version"}); }).empty();
}

void pack(const std::string& mode, const std::string& archive, const std::string& folder) {
  const ProgramResult tar = run_program({"tar", mode, archive, "-C", folder, "."});
  require(tar.status == 0, tar.messages);
}

std::vector<uint8_t> bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  return names;
}

// Pictures, archives of them, and a cache whose names a shell would trip over.
struct World {
  TemporaryFolder folder;
  std::string pictures = folder / "pictures", cache = folder / "a 'cache' $HOME; x";
  DataOptions options;

  World() {
    put_pictures(pictures);
    options.cache = cache;
    options.height = options.width = 8;
  }
};

}  // namespace

TEST_CASE("an archive holds what its folder holds, whatever it is packed with") {
  World world;
  const uint64_t expected = load_dataset(world.pictures, world.options).fingerprint();
  for (const auto& [name, mode, program] :
       {std::tuple{"a b.tar", "-cf", "tar"}, std::tuple{"b.tar.gz", "-czf", "gzip"},
        std::tuple{"c.tgz", "-czf", "gzip"}, std::tuple{"d.tar.xz", "-cJf", "xz"}}) {
    if (!installed(program)) {
      WARN(program << " is not installed: " << name << " was not tried");
      continue;
    }
    const std::string archive = world.folder / name;
    pack(mode, archive, world.pictures);
    fs::remove_all(world.cache);
    const Dataset data = load_dataset(archive, world.options);
    CHECK(data.fingerprint() == expected);
    CHECK(data.name == name);
    // Only the decoded pictures stay, and they are enough.
    CHECK(names_in(world.cache).size() == 1);
    bool unpacked = false;
    world.options.progress = [&](const DataProgress&) { unpacked = true; };
    CHECK(load_dataset(archive, world.options).fingerprint() == expected);
    CHECK(!unpacked);
    world.options.progress = {};
  }
}

TEST_CASE("CIFAR-10's own files may come in an archive") {
  World world;
  const std::string folder = world.folder / "cifar/cifar-10-batches-bin";
  for (const std::string name : {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4",
                                 "data_batch_5", "test_batch"}) {
    std::vector<uint8_t> bytes(10 * 3073, 50);
    for (size_t i = 0; i < 10; ++i) bytes[i * 3073] = static_cast<uint8_t>(i);
    put_file(folder + "/" + name + ".bin", bytes);
  }
  fs::create_directory(world.cache);
  // The name and place of the real download: then it is the dataset "cifar10".
  CHECK(contains(error_of([&] { load_dataset("cifar10", world.options); }), "bonsai data cifar10"));
  pack("-czf", world.cache + "/cifar-10-binary.tar.gz", world.folder / "cifar");
  world.options.height = world.options.width = 0;
  const Dataset data = load_dataset("cifar10", world.options);
  CHECK(data.name == "cifar10");
  CHECK(data.train.count() == 50);
  CHECK(data.test.count() == 10);
  CHECK(data.classes[0] == "airplane");
}

TEST_CASE("a cut-off or damaged archive is refused, and nothing of it stays") {
  World world;
  for (const auto& [name, mode] : {std::pair{"a.tar", "-cf"}, std::pair{"b.tar.gz", "-czf"}}) {
    const std::string archive = world.folder / name;
    pack(mode, archive, world.pictures);
    const std::vector<uint8_t> whole = bytes_of(archive);
    for (const size_t length :
         {size_t{0}, size_t{100}, whole.size() / 2 / 512 * 512, whole.size() / 2 + 77}) {
      put_file(archive, {whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length)});
      const std::string error = error_of([&] { load_dataset(archive, world.options); });
      CAPTURE(name, length, error);
      CHECK(contains(error, name));
      CHECK(contains(error, "cut off"));
      CHECK(!contains(error, "\n"));
      CHECK(names_in(world.cache).empty());
    }
  }
  put_text(world.folder / "text.tar.gz", "no archive");
  CHECK(contains(error_of([&] { load_dataset(world.folder / "text.tar.gz", world.options); }),
                 "is no tar archive"));
}

TEST_CASE("bad pictures in an archive are named by their place in it") {
  World world;
  put_text(world.pictures + "/train/dog/7.jpg", "no picture");
  pack("-cf", world.folder / "a.tar", world.pictures);
  const std::string error = error_of([&] { load_dataset(world.folder / "a.tar", world.options); });
  CHECK(contains(error, "a.tar: 1 of 25"));
  CHECK(contains(error, ": train/dog/7.jpg (not a picture"));
  fs::remove_all(world.folder / "empty");
  fs::create_directory(world.folder / "empty");
  pack("-cf", world.folder / "e.tar", world.folder / "empty");
  CHECK(contains(error_of([&] { load_dataset(world.folder / "e.tar", world.options); }),
                 "no class folders"));
}

TEST_CASE("a program that is not there is named") {
  CHECK(contains(error_of([] { run_program({"bonsai-no-such-program"}); }),
                 "bonsai-no-such-program: not found"));
  CHECK(run_program({"sh", "-c", "exit 3"}).status == 3);
  CHECK(run_program({"sh", "-c", "echo first >&2; echo second >&2"}).first_line() == "first");
  int waited = 0;
  run_program({"sh", "-c", "echo x >&2"}, {}, [&] { ++waited; });
  CHECK(waited > 0);
}

TEST_CASE("a child is not left behind when its watcher throws") {
  const auto stop = [] { throw Error("enough"); };
  CHECK(error_of([&] { run_program({"sleep", "100"}, {}, stop); }) == "enough");
}

TEST_CASE("CIFAR-10's pictures as JPEG files", "[slow]") {
  const char* archive = std::getenv("BONSAI_CIFAR10");
  if (archive == nullptr) return skip("no CIFAR-10: set BONSAI_CIFAR10 to its archive");
  const TemporaryFolder cache;
  DataOptions options;
  options.cache = cache.path();
  const Dataset data = load_dataset(archive, options);
  CHECK(data.train.count() == 50000);
  CHECK(data.test.count() == 10000);
  CHECK(data.classes[3] == "cat");
  constexpr std::array<float, 3> mean{.49125f, .48209f, .44652f},
      deviation{.24523f, .24278f, .26063f};
  for (size_t c = 0; c < 3; ++c) {
    CHECK(data.mean[c] == Approx(mean[c]).margin(0.002));
    CHECK(data.std[c] == Approx(deviation[c]).margin(0.002));
  }
  CHECK(load_dataset(archive, options).fingerprint() == data.fingerprint());
}

}  // namespace bonsai
