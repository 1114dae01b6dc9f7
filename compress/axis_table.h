// A table by axis, found without a search: surgery looks up the axis of every channel of a graph.
#pragma once

#include <vector>

#include "engine/channels.h"

namespace bonsai {

template <class T>
class AxisTable {
 public:
  // What stands at the axis; new entries are T{}.
  T& operator[](Axis axis) {
    const size_t value = static_cast<size_t>(axis.value), place = static_cast<size_t>(axis.axis);
    if (rows_.size() <= value) rows_.resize(value + 1);
    if (rows_[value].size() <= place) rows_[value].resize(place + 1);
    return rows_[value][place];
  }

  // Null where nothing was put there or at a later axis of the value.
  const T* find(Axis axis) const {
    const size_t value = static_cast<size_t>(axis.value), place = static_cast<size_t>(axis.axis);
    if (rows_.size() <= value || rows_[value].size() <= place) return nullptr;
    return &rows_[value][place];
  }
  bool empty() const { return rows_.empty(); }

  // Calls f(axis, entry) in the order of axes, for T{} as well where an axis lies before others.
  template <class F>
  void for_each(const F& f) {
    for (size_t value = 0; value < rows_.size(); ++value)
      for (size_t place = 0; place < rows_[value].size(); ++place)
        f(Axis{static_cast<int>(value), static_cast<int>(place)}, rows_[value][place]);
  }

 private:
  std::vector<std::vector<T>> rows_;  // by value, then axis
};

}  // namespace bonsai
