// CIFAR-10's binary files: layout, and every check refuses what it is there for.
#include "data/cifar.h"

#include "engine/error.h"
#include "tests/catch.h"
#include "tests/error_of.h"
#include "tests/pictures.h"
#include "tests/temporary_folder.h"

namespace bonsai {
namespace {

constexpr size_t record = 3073;

// `per_class` records of each class; red, green and blue planes with values of their own.
std::vector<uint8_t> batch_of(int per_class, int tint) {
  std::vector<uint8_t> bytes;
  for (int i = 0; i < 10 * per_class; ++i) {
    bytes.push_back(static_cast<uint8_t>(i % 10));
    for (int c = 0; c < 3; ++c) {
      for (int p = 0; p < 1024; ++p) {
        bytes.push_back(static_cast<uint8_t>(tint + 40 * c + p % 32 + p / 32));
      }
    }
  }
  return bytes;
}

void make_cifar(const std::string& folder) {
  for (int i = 1; i <= 5; ++i) {
    put_file(folder + "/data_batch_" + std::to_string(i) + ".bin", batch_of(2, i));
  }
  put_file(folder + "/test_batch.bin", batch_of(1, 9));
}

}  // namespace

TEST_CASE("CIFAR-10's binary files are read plane by plane") {
  const TemporaryFolder folder;
  make_cifar(folder.path());
  const Dataset data = load_dataset(folder.path());
  CHECK(data.train.count() == 100);
  CHECK(data.test.count() == 10);
  CHECK(data.classes[6] == "frog");
  CHECK(data.train.labels[23] == 3);
  // Picture 40 is the first of batch 3: row 5, column 7.
  const uint8_t* pixel = data.train.image(40) + (5 * 32 + 7) * 3;
  CHECK(std::vector<int>(pixel, pixel + 3) == std::vector<int>{3 + 12, 43 + 12, 83 + 12});
  CHECK(data.input_shape() == Shape{1, 32, 32, 3});
  CHECK(data.mean == pixel_statistics(data.train).mean);
}

TEST_CASE("CIFAR-10 at another size, or a part of it") {
  const TemporaryFolder folder;
  make_cifar(folder.path());
  DataOptions options;
  options.height = options.width = 16;
  options.train_images = 30;
  options.test_images = 5;
  const Dataset data = load_dataset(folder.path(), options);
  CHECK(data.train.count() == 30);
  CHECK(data.test.count() == 5);
  CHECK(data.input_shape() == Shape{1, 16, 16, 3});
}

TEST_CASE("class names come from CIFAR's own list") {
  const TemporaryFolder folder;
  make_cifar(folder.path());
  put_text(folder / "batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n");
  CHECK(read_cifar(folder.path()).classes[9] == "j");
  put_text(folder / "batches.meta.txt", "a\nb\n");
  CHECK(contains(error_of([&] { read_cifar(folder.path()); }), "2 class names"));
}

TEST_CASE("damaged CIFAR files are named") {
  const TemporaryFolder folder;
  make_cifar(folder.path());
  CHECK_NOTHROW(read_cifar(folder.path()));
  const auto error_with = [&](const std::string& name, const std::vector<uint8_t>& bytes) {
    make_cifar(folder.path());
    put_file(folder / name, bytes);
    return error_of([&] { read_cifar(folder.path()); });
  };
  std::vector<uint8_t> bytes = batch_of(2, 1);
  bytes.pop_back();
  CHECK(contains(error_with("data_batch_2.bin", bytes), "data_batch_2.bin: 61459 bytes"));
  CHECK(contains(error_with("test_batch.bin", {}), "test_batch.bin: 0 bytes"));
  bytes = batch_of(2, 1);
  bytes[4 * record] = 10;
  CHECK(contains(error_with("data_batch_5.bin", bytes), "record 4 has class 10"));
  bytes = batch_of(2, 1);
  bytes.resize(7 * record);  // a whole number of records, but classes are missing
  CHECK(contains(error_with("data_batch_1.bin", bytes), "training part has"));
  make_cifar(folder.path());
  std::filesystem::remove(folder / "data_batch_4.bin");
  CHECK(contains(error_of([&] { read_cifar(folder.path()); }), "data_batch_4.bin: cannot be read"));
}

}  // namespace bonsai
