#include "engine/channels.h"

#include <algorithm>

namespace bonsai {

int Channels::id(Channel channel) {
  const auto [entry, is_new] = ids_.try_emplace(channel, static_cast<int>(parent_.size()));
  if (is_new) parent_.push_back(entry->second);
  return entry->second;
}

int Channels::root(int id) {
  auto parent = [&](int i) -> int& { return parent_[static_cast<size_t>(i)]; };
  while (parent(id) != id) {
    parent(id) = parent(parent(id));  // halves the path for the next caller
    id = parent(id);
  }
  return id;
}

void Channels::tie(Axis a, int i, Axis b, int j) {
  const int ra = root(id({a, i})), rb = root(id({b, j}));
  parent_[static_cast<size_t>(std::max(ra, rb))] = std::min(ra, rb);
}

void Channels::tie_all(Axis a, Axis b, int n) {
  for (int i = 0; i < n; ++i) tie(a, i, b, i);
}

void Channels::balance(Axis axis, int groups) {
  if (groups > 1) balances_.push_back({axis, groups});
}

void Channels::pin(Axis axis, int n) {
  for (int i = 0; i < n; ++i) {
    id({axis, i});
    pinned_.push_back({axis, i});
  }
}

std::vector<Channels::Class> Channels::classes() {
  std::vector<Class> classes;
  std::map<int, size_t> class_of_root;
  for (const auto& [channel, id] : ids_) {  // in order, so members come sorted
    const auto [entry, is_new] = class_of_root.try_emplace(root(id), classes.size());
    if (is_new) classes.emplace_back();
    classes[entry->second].members.push_back(channel);
  }
  for (const Channel& channel : pinned_) {
    classes[class_of_root.at(root(ids_.at(channel)))].pinned = true;
  }
  return classes;
}

}  // namespace bonsai
