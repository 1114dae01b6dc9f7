// The README shows apps/hello.cpp, which is compiled, word for word; links between pages lead to
// files.
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

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

// Links that lead nowhere in a page of this folder; those to other sites are not looked at.
std::vector<std::string> broken_links(const std::string& markdown,
                                      const std::filesystem::path& folder) {
  static const std::regex link("\\]\\(([^)#]+)[^)]*\\)");
  std::vector<std::string> broken;
  for (std::sregex_iterator it(markdown.begin(), markdown.end(), link), end; it != end; ++it) {
    const std::string target = (*it)[1];
    if (target.starts_with("http")) continue;
    if (!std::filesystem::exists(folder / target)) broken.push_back(target);
  }
  return broken;
}

}  // namespace

TEST_CASE("the README's program is apps/hello.cpp") {
  const std::string program = read("apps/hello.cpp");
  REQUIRE_FALSE(program.empty());
  CHECK(code_block(read("README.md")) == program);
  CHECK(code_block("text\n```cpp\nint x;\n```\n") == "int x;\n");
}

TEST_CASE("links between the pages lead to files") {
  const std::filesystem::path root = BONSAI_SOURCE_DIR;
  std::vector<std::filesystem::path> pages = {root / "README.md", root / "CONTRIBUTING.md"};
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root / "docs")) {
    if (entry.path().extension() == ".md") pages.push_back(entry.path());
  }
  CHECK(pages.size() > 10);
  for (const auto& page : pages) {
    INFO(page);
    const std::string name = std::filesystem::relative(page, root).string();
    CHECK(broken_links(read(name), page.parent_path()) == std::vector<std::string>{});
  }
  CHECK(broken_links("[a](docs/none.md) [b](README.md#limits) [c](https://x.org/y)", root) ==
        std::vector<std::string>{"docs/none.md"});
}
