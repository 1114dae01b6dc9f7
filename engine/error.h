// The one exception type, and the one way to raise it. A text says what is and what should be:
// require(k > 0, "max_pool: kernel is ", k, ", should be at least 1").
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace bonsai {

struct Error : std::runtime_error {
  using runtime_error::runtime_error;
};

namespace detail {

template <class T>
void write_part(std::ostream& out, const T& part) {
  out << part;
}

template <class T>
void write_part(std::ostream& out, const std::vector<T>& parts) {
  out << '[';
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out << ", ";
    write_part(out, parts[i]);
  }
  out << ']';
}

}  // namespace detail

// The parts as one text; vectors such as shapes print as [1, 32, 32, 3].
template <class... Parts>
std::string join(const Parts&... parts) {
  std::ostringstream out;
  (detail::write_part(out, parts), ...);
  return out.str();
}

// Throws Error with the joined parts unless `ok`.
template <class... Parts>
void require(bool ok, const Parts&... parts) {
  if (!ok) [[unlikely]]
    throw Error(join(parts...));
}

}  // namespace bonsai
