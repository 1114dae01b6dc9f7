// Files hold single precision whatever the engine computes in: both builds read each other's.
#include "engine/tensor_file.h"

#include "engine/random.h"
#include "tests/catch.h"
#include "tests/temporary_folder.h"

using namespace bonsai;

TEST_CASE("a file of a double build holds single precision") {
  const TemporaryFolder folder;
  Tensor tensor({40'000});  // more than is converted at a time
  Random random(1, Purpose::test);
  for (size_t i = 0; i < tensor.size(); ++i) tensor[i] = Scalar{1} / random.normal();
  TensorFile content;
  content.tensors.emplace_back("w", tensor);
  write_tensor_file(folder / "x", content);
  CHECK(std::filesystem::file_size(folder / "x") < 40'000 * 4 + 256);
  const Tensor again = read_tensor_file(folder / "x").tensor("w");
  for (size_t i = 0; i < tensor.size(); ++i) {
    REQUIRE(again[i] == Scalar{static_cast<float>(tensor[i])});
  }
}
