#include "engine/text.h"

#include <limits>

#include "tests/catch.h"

using namespace bonsai;

TEST_CASE("a table's columns are as wide as their widest cell, and no line ends in blanks") {
  const std::vector<std::vector<std::string>> rows = {
      {"layer", "kind", "ms"}, {"a", "convolution", "12.5"}, {"µ", "", ""}};
  CHECK(text_table(rows) ==
        "layer         kind    ms\n"
        "a      convolution  12.5\n"
        "µ\n");
  CHECK(text_table(rows, 2) ==
        "layer  kind           ms\n"
        "a      convolution  12.5\n"
        "µ\n");
  CHECK(text_table({}).empty());
  CHECK(screen_width("µm²") == 3);
}

TEST_CASE("numbers are grouped in thousands, and no zero is negative") {
  CHECK(grouped(1234567) == "1,234,567");
  CHECK(grouped(-1234) == "-1,234");
  CHECK(grouped(-123456) == "-123,456");
  CHECK(grouped(123) == "123");
  CHECK(fixed(3.14159, 2) == "3.14");
  CHECK(fixed(-0.001, 2) == "0.00");
  CHECK(fixed(std::numeric_limits<double>::infinity(), 1) == "inf");
}
