// Lookahead against its recurrence by hand.
#include "layers/lookahead.h"

#include <cmath>

#include "engine/error.h"
#include "tests/catch.h"

using namespace bonsai;

TEST_CASE("lookahead pulls every so many steps and ends with the slow weights") {
  Parameter p{.name = "w", .value = Tensor({2}, 1)};
  Lookahead lookahead({&p}, 2);
  const auto step = [&](int64_t number, float a, float b) {
    p.value[0] = a;
    p.value[1] = b;
    lookahead.update(number, 5);
  };
  step(0, 3, -1);
  CHECK((p.value[0] == 3 && p.value[1] == -1));  // between updates the fast weights stay
  step(1, 5, 2);
  // d = 0.95^2 (2 / 5)^3 = 0.05776: slow = 1 + 0.94224 (w - 1)
  CHECK(p.value[0] == Approx(4.76896));
  CHECK(p.value[1] == Approx(1.94224));
  step(2, 6, 0);
  CHECK(p.value[0] == 6);
  step(3, 7, 0);
  // d = 0.95^2 (4 / 5)^3 = 0.46208
  CHECK(p.value[0] == Approx(4.76896 + 0.53792 * (7 - 4.76896)));
  CHECK(p.value[1] == Approx(1.94224 - 0.53792 * 1.94224));
  const Scalar slow = p.value[0];
  step(4, 100, 100);  // the last step: what it did is left out
  CHECK(p.value[0] == slow);
  CHECK(lookahead.state()[0].second[0] == slow);
  CHECK_THROWS_AS(Lookahead({&p}, 0), Error);
}
