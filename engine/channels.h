// Who lives and dies together. A channel is an entry of an axis of a value (an activation, a
// weight, a bias); removing one means removing every channel tied to it, directly or through
// others. Ops only state their ties; a union-find turns the ties into classes.
#pragma once

#include <compare>
#include <cstddef>
#include <map>
#include <vector>

namespace bonsai {

struct Axis {  // one axis of one value of a graph
  int value, axis;
  auto operator<=>(const Axis&) const = default;
};

struct Channel {
  Axis axis;
  int index;
  auto operator<=>(const Channel&) const = default;
};

// An axis read in `groups` equal blocks that must keep equal numbers of channels, though not the
// same positions (a grouped convolution). On the weights of a grouped convolution the input axis
// (3) is numbered through all groups, 0 .. in - 1, though only in / groups are stored: block g
// belongs to the filters of block g of the output axis (0), and is sliced for these alone. In a
// transposed convolution the two axes change places, and axis 3 is numbered in the same way.
struct Balance {
  Axis axis;
  int groups;
};

class Channels {
 public:
  void tie(Axis a, int i, Axis b, int j);
  void tie_all(Axis a, Axis b, int n, int offset = 0);  // a[i] with b[offset + i], i in [0, n)
  void balance(Axis axis, int groups);
  void pin(Axis axis, int n);  // these channels, and all tied to them, always stay

  struct Class {
    std::vector<Channel> members;  // sorted
    bool pinned = false;
  };
  // The classes, ordered by their smallest member.
  std::vector<Class> classes();
  // Of an axis, by index: a number below count() that a channel shares with all that are tied to it
  // and with no others; -1: not named.
  std::vector<int> class_numbers(Axis axis);
  std::size_t count() const { return parent_.size(); }  // of channels that were named
  const std::vector<Balance>& balances() const { return balances_; }
  // Of every axis that was named: how many of its channels were.
  std::map<Axis, int> widths() const;

 private:
  using Ids = std::vector<int>;  // of an axis, by index; -1: not named
  int id(Ids& ids, int index);
  Ids& ids_up_to(Axis axis, int n);
  int root(int id);
  void join(int id_a, int id_b);

  std::map<Axis, Ids> ids_;
  std::vector<int> parent_;
  std::vector<int> pinned_;  // ids
  std::vector<Balance> balances_;
};

}  // namespace bonsai
