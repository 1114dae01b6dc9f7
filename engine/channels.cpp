#include "engine/channels.h"

#include <algorithm>

namespace bonsai {

int Channels::id(Ids& ids, int index) {
  const size_t i = static_cast<size_t>(index);
  if (ids.size() <= i) ids.resize(i + 1, -1);
  if (ids[i] < 0) {
    ids[i] = static_cast<int>(parent_.size());
    parent_.push_back(ids[i]);
  }
  return ids[i];
}

// With room for indices below n.
Channels::Ids& Channels::ids_up_to(Axis axis, int n) {
  Ids& ids = ids_[axis];
  if (ids.size() < static_cast<size_t>(n)) ids.resize(static_cast<size_t>(n), -1);
  return ids;
}

int Channels::root(int id) {
  auto parent = [&](int i) -> int& { return parent_[static_cast<size_t>(i)]; };
  while (parent(id) != id) {
    parent(id) = parent(parent(id));  // halves the path for the next caller
    id = parent(id);
  }
  return id;
}

void Channels::join(int id_a, int id_b) {
  const int a = root(id_a), b = root(id_b);
  parent_[static_cast<size_t>(std::max(a, b))] = std::min(a, b);
}

void Channels::tie(Axis a, int i, Axis b, int j) {
  const int id_a = id(ids_[a], i), id_b = id(ids_[b], j);
  join(id_a, id_b);
}

void Channels::tie_all(Axis a, Axis b, int n, int offset) {
  Ids &of_a = ids_up_to(a, n), &of_b = ids_up_to(b, offset + n);
  for (int i = 0; i < n; ++i) {
    const int id_a = id(of_a, i), id_b = id(of_b, offset + i);
    join(id_a, id_b);
  }
}

void Channels::balance(Axis axis, int groups) {
  if (groups > 1) balances_.push_back({axis, groups});
}

void Channels::pin(Axis axis, int n) {
  Ids& ids = ids_up_to(axis, n);
  for (int i = 0; i < n; ++i) pinned_.push_back(id(ids, i));
}

std::vector<Channels::Class> Channels::classes() {
  // Counted first: a graph has hundreds of thousands of channels, and lists that grow move them.
  std::vector<int> class_of_root(parent_.size(), -1), sizes;
  for (const auto& [axis, ids] : ids_) {
    for (const int id : ids) {
      if (id < 0) continue;
      int& number = class_of_root[static_cast<size_t>(root(id))];
      if (number < 0) {
        number = static_cast<int>(sizes.size());
        sizes.push_back(0);
      }
      ++sizes[static_cast<size_t>(number)];
    }
  }
  const auto number_of = [&](int id) {
    return static_cast<size_t>(class_of_root[static_cast<size_t>(root(id))]);
  };
  std::vector<Class> classes(sizes.size());
  for (size_t c = 0; c < classes.size(); ++c)
    classes[c].members.reserve(static_cast<size_t>(sizes[c]));
  for (const auto& [axis, ids] : ids_)  // in order, so members come sorted
    for (size_t i = 0; i < ids.size(); ++i)
      if (ids[i] >= 0) classes[number_of(ids[i])].members.push_back({axis, static_cast<int>(i)});
  for (const int id : pinned_) classes[number_of(id)].pinned = true;
  return classes;
}

std::vector<int> Channels::class_numbers(Axis axis) {
  std::vector<int> numbers;
  for (const int id : ids_[axis]) numbers.push_back(id < 0 ? -1 : root(id));
  return numbers;
}

std::map<Axis, int> Channels::widths() const {
  std::map<Axis, int> widths;
  for (const auto& [axis, ids] : ids_)
    widths[axis] =
        static_cast<int>(std::count_if(ids.begin(), ids.end(), [](int id) { return id >= 0; }));
  return widths;
}

}  // namespace bonsai
