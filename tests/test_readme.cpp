// The README shows apps/hello.cpp, which is compiled, word for word.
#include <fstream>
#include <sstream>
#include <string>

#include "tests/catch.h"

namespace {

std::string read(const std::string& name) {
  std::ifstream file(BONSAI_SOURCE_DIR "/" + name);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The first block of C++ in a Markdown text.
std::string code_block(const std::string& markdown) {
  const std::string begin = "```cpp\n";
  const size_t start = markdown.find(begin);
  if (start == std::string::npos) return {};
  const size_t first = start + begin.size();
  return markdown.substr(first, markdown.find("```", first) - first);
}

}  // namespace

TEST_CASE("the README's program is apps/hello.cpp") {
  const std::string program = read("apps/hello.cpp");
  REQUIRE_FALSE(program.empty());
  CHECK(code_block(read("README.md")) == program);
  CHECK(code_block("text\n```cpp\nint x;\n```\n") == "int x;\n");
}
