#include "engine/kernels/gather.h"

#include <vector>

#include "engine/random.h"
#include "tests/catch.h"

using namespace bonsai;

TEST_CASE("gather: columns are where the list says, in any number of rows and columns") {
  for (uint32_t trial = 0; trial < 200; ++trial) {
    Random random(1, Purpose::test, trial);
    const int rows = random.between(1, 40), channels = random.between(1, 70);
    std::vector<int> index(static_cast<size_t>(random.between(1, 70)));
    for (int& i : index) i = random.between(0, channels - 1);
    const auto n = static_cast<int>(index.size());
    const Tensor x = Tensor::uninitialized({rows, channels}), y({rows, n});
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<Scalar>(i);
    for (const bool add : {false, true}) {
      gather_columns(x.data(), rows, channels, index, y.data(), add);
      int wrong = 0;
      for (int r = 0; r < rows; ++r) {
        for (int c = 0; c < n; ++c) {
          const int expected = (add ? 2 : 1) * (r * channels + index[static_cast<size_t>(c)]);
          if (y[static_cast<size_t>(r * n + c)] != static_cast<Scalar>(expected)) ++wrong;
        }
      }
      INFO(rows << " rows, " << n << " of " << channels << " columns" << (add ? ", add" : ""));
      CHECK(wrong == 0);
    }
  }
}
