#include "engine/nearest.h"

#include <string>
#include <vector>

#include "tests/catch.h"

using namespace bonsai;

TEST_CASE("nearest finds the name that was probably meant") {
  const std::vector<std::string> names = {"vgg_small", "vgg16", "resnet20"};
  CHECK(nearest("vgg_smal", names) == "vgg_small");
  CHECK(nearest("vgg-small", names) == "vgg_small");
  CHECK(nearest("vgg61", names) == "");  // two edits of five letters are too many
  CHECK(nearest("vgg6", names) == "vgg16");
  CHECK(nearest("resnet20", names) == "resnet20");
  CHECK(nearest("mobilenet", names).empty());
  CHECK(nearest("", names).empty());
  CHECK(nearest("vgg", {}).empty());
}

TEST_CASE("suggestion says what was meant or what there is") {
  const std::vector<std::string> names = {"l1", "random"};
  CHECK(suggestion("l2", names) == " (did you mean 'l1'?)");
  CHECK(suggestion("taylor", names) == " (known: l1, random)");
  CHECK(suggestion("l2", {}).empty());
  CHECK(suggestion("taylor", std::vector<std::string>(21, "l1")).empty());
}
