// What is known of the networks of the zoo beside what we count.
#include "tests/catch.h"
#include "zoo/published.h"
#include "zoo/zoo.h"

using namespace bonsai;

TEST_CASE("published figures belong to networks of the zoo, and name who states them") {
  int known = 0;
  for (const std::string& name : zoo::names()) {
    const zoo::Published figures = zoo::published(name);
    if (figures.network.empty()) continue;
    ++known;
    INFO(name);
    CHECK(!figures.source.empty());
    CHECK(!(figures.params.empty() && figures.macs.empty() && figures.error.empty()));
  }
  CHECK(known == zoo::published_count());
  CHECK(zoo::published("no such network").source.empty());
}
