#include "data/hold_out.h"

#include <set>

#include "tests/catch.h"
#include "tests/error_of.h"
#include "tests/train_fixture.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

std::vector<uint8_t> bytes_of(const Images& images, int i) {
  return {images.image(i), images.image(i) + images.image_bytes()};
}

}  // namespace

TEST_CASE("pictures that are held out are gone from the others, and nothing is lost") {
  const Images& all = small_data().train;
  Images rest = all;
  const Images held = hold_out(rest, 20, 1);
  REQUIRE(held.count() == 20);
  REQUIRE(rest.count() == all.count() - 20);
  int h = 0, r = 0;  // both keep the order
  for (int i = 0; i < all.count(); ++i) {
    const bool out = h < held.count() && bytes_of(held, h) == bytes_of(all, i);
    const Images& where = out ? held : rest;
    int& at = out ? h : r;
    REQUIRE(at < where.count());
    CHECK(bytes_of(where, at) == bytes_of(all, i));
    CHECK(where.labels[static_cast<size_t>(at)] == all.labels[static_cast<size_t>(i)]);
    ++at;
  }
  Images again = all, other = all;
  CHECK(hold_out(again, 20, 1).pixels == held.pixels);
  CHECK(hold_out(other, 20, 2).pixels != held.pixels);
}

TEST_CASE("all or none cannot be held out") {
  Images images = small_data().train;
  for (const int n : {0, -1, images.count()}) {
    CHECK(error_of([&] { hold_out(images, n, 1); }).find("should be 1 to") != std::string::npos);
  }
}
