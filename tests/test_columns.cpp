#include "engine/kernels/columns.h"

#include "engine/random.h"
#include "tests/catch.h"

using namespace bonsai;

TEST_CASE("columns: a block arrives where it should and nothing beside it changes") {
  for (uint32_t trial = 0; trial < 200; ++trial) {
    Random random(1, Purpose::test, trial);
    const int rows = random.between(1, 9), columns = random.between(0, 50);
    const int x_step = columns + random.between(0, 5), y_step = columns + random.between(0, 5);
    const Tensor x = Tensor::uninitialized({rows, x_step + 1}), y({rows, y_step + 1});
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<Scalar>(i + 1);
    for (const bool add : {false, true}) {
      copy_columns(x.data(), x_step, y.data(), y_step, rows, columns, add);
      int wrong = 0;
      for (size_t i = 0; i < y.size(); ++i) {
        const auto row = y_step > 0 ? static_cast<int>(i) / y_step : 0;
        const int column = static_cast<int>(i) - row * y_step;
        const bool inside = row < rows && column < columns;
        const int expected = inside ? (add ? 2 : 1) * (row * x_step + column + 1) : 0;
        if (y[i] != static_cast<Scalar>(expected)) ++wrong;
      }
      INFO(rows << " rows of " << columns << " columns" << (add ? ", add" : ""));
      CHECK(wrong == 0);
    }
  }
}
