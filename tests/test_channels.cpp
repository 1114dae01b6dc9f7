// Ties: the union-find, and what each operation says of its channels.
#include "engine/channels.h"

#include <utility>
#include <variant>
#include <vector>

#include "engine/error.h"
#include "engine/ops/registry.h"
#include "tests/catch.h"

using namespace bonsai;

namespace {

using Members = std::vector<Channel>;

Channel channel(int value, int axis, int index) { return {{value, axis}, index}; }

// A node of this operation whose inputs are values 0, 1, ... of these shapes; its result comes
// last.
struct OneNode {
  Node node;
  std::vector<Shape> shapes;
  Channels channels;

  OneNode(OpPtr op, std::vector<Shape> in) : shapes(std::move(in)) {
    node.op = std::move(op);
    node.out = static_cast<int>(shapes.size());
    for (int i = 0; i < node.out; ++i) node.in.push_back(i);
    shapes.push_back(node.op->infer(shapes));
    node.op->ties(node, shapes, channels);
  }

  Members class_of(const Channel& member) {
    for (const Channels::Class& one : channels.classes()) {
      for (const Channel& other : one.members) {
        if (other == member) return one.members;
      }
    }
    return {};
  }
};

}  // namespace

TEST_CASE("ties are joined through chains, in any order") {
  Channels channels;
  channels.tie({3, 0}, 1, {2, 0}, 5);
  channels.tie({0, 0}, 0, {1, 0}, 2);
  channels.tie({2, 0}, 5, {1, 0}, 2);
  channels.tie({7, 1}, 0, {7, 1}, 0);
  const auto classes = channels.classes();
  REQUIRE(classes.size() == 2);
  CHECK(classes[0].members ==
        Members{channel(0, 0, 0), channel(1, 0, 2), channel(2, 0, 5), channel(3, 0, 1)});
  CHECK(classes[1].members == Members{channel(7, 1, 0)});

  CHECK(channels.count() == 5);
  const int joined = channels.class_numbers({0, 0})[0];
  CHECK(channels.class_numbers({1, 0}) == std::vector{-1, -1, joined});
  CHECK(channels.class_numbers({3, 0}) == std::vector{-1, joined});
  CHECK(channels.class_numbers({7, 1})[0] != joined);
}

TEST_CASE("a long chain is one class") {
  Channels channels;
  const int n = 20000;
  for (int i = n - 1; i > 0; --i) channels.tie({i, 0}, 0, {i - 1, 0}, 0);
  REQUIRE(channels.classes().size() == 1);
  CHECK(channels.classes()[0].members.size() == n);
}

TEST_CASE("a pin holds all that is tied to it, whenever the tie came") {
  Channels channels;
  channels.tie_all({0, 0}, {1, 0}, 3);
  channels.pin({1, 0}, 2);
  channels.pin({5, 0}, 1);
  channels.tie({1, 0}, 0, {2, 0}, 0);
  const auto classes = channels.classes();
  REQUIRE(classes.size() == 4);
  CHECK(classes[0].pinned);
  CHECK(classes[0].members.size() == 3);
  CHECK(classes[1].pinned);
  CHECK_FALSE(classes[2].pinned);
  CHECK(classes[3].pinned);  // a pinned channel that nothing is tied to
}

TEST_CASE("balance is kept for real groups only") {
  Channels channels;
  channels.balance({0, 3}, 1);
  CHECK(channels.balances().empty());
  channels.balance({0, 3}, 4);
  REQUIRE(channels.balances().size() == 1);
  CHECK(channels.balances()[0].groups == 4);
}

TEST_CASE("flatten ties every position of a channel, on maps that are not square") {
  OneNode flatten(make_op("flatten", {}), {{1, 2, 3, 4}});
  for (int c = 0; c < 4; ++c) {
    Members expected{channel(0, 3, c)};
    for (int h = 0; h < 2; ++h) {
      for (int w = 0; w < 3; ++w) expected.push_back(channel(1, 1, (h * 3 + w) * 4 + c));
    }
    CHECK(flatten.class_of(channel(0, 3, c)) == expected);
  }
}

TEST_CASE("concat ties by offset") {
  OneNode concat(make_op("concat", {}), {{1, 2}, {1, 3}});
  CHECK(concat.class_of(channel(0, 1, 1)) == Members{channel(0, 1, 1), channel(2, 1, 1)});
  CHECK(concat.class_of(channel(1, 1, 2)) == Members{channel(1, 1, 2), channel(2, 1, 4)});
}

TEST_CASE("batch_norm, channel_scale and linear tie their vectors") {
  OneNode norm(make_op("batch_norm", {{"eps", 1e-5}, {"momentum", 0.1}}),
               {{1, 2, 2, 3}, {3}, {3}, {3}, {3}});
  CHECK(norm.class_of(channel(0, 3, 2)).size() == 6);
  OneNode scale(make_op("channel_scale", {}), {{1, 2, 2, 3}, {1, 3}});
  CHECK(scale.class_of(channel(0, 3, 1)) ==
        Members{channel(0, 3, 1), channel(1, 1, 1), channel(2, 3, 1)});
  OneNode linear(make_op("linear", {}), {{1, 3}, {2, 3}, {2}});
  CHECK(linear.class_of(channel(0, 1, 2)) == Members{channel(0, 1, 2), channel(1, 1, 2)});
  CHECK(linear.class_of(channel(2, 0, 1)) ==
        Members{channel(1, 0, 1), channel(2, 0, 1), channel(3, 1, 1)});
}

TEST_CASE("softmax and cross_entropy keep their classes") {
  OneNode softmax(make_op("softmax", {}), {{1, 3}});
  OneNode loss(make_op("cross_entropy", {{"smoothing", 0.0}}), {{1, 3}, {1}});
  for (OneNode* one : {&softmax, &loss}) {
    const auto classes = one->channels.classes();
    REQUIRE(classes.size() == 3);
    for (const Channels::Class& c : classes) CHECK(c.pinned);
  }
}

TEST_CASE("select follows its list, and is rewritten when channels go") {
  OneNode select(make_op("select", {{"index", std::vector<int>{4, 0, 2, 0}}}), {{1, 5}});
  CHECK(select.class_of(channel(0, 1, 0)) ==
        Members{channel(0, 1, 0), channel(1, 1, 1), channel(1, 1, 3)});
  CHECK(select.class_of(channel(0, 1, 1)).empty());  // read by nobody

  auto shrunk = [&](const Keep& keep) {
    const OpPtr op = select.node.op->shrunk(select.node, select.shapes, keep);
    return op ? std::get<std::vector<int>>(op->attributes().at("index")) : std::vector<int>{};
  };
  CHECK(shrunk({}).empty());
  Keep without_two;
  without_two.set({0, 1}, {0, 1, 3, 4});
  without_two.set({1, 1}, {0, 1, 3});
  CHECK(shrunk(without_two) == std::vector<int>{3, 0, 0});
  Keep without_unread;
  without_unread.set({0, 1}, {0, 2, 4});
  CHECK(shrunk(without_unread) == std::vector<int>{2, 0, 1, 0});
  Keep fewer_outputs;
  fewer_outputs.set({1, 1}, {0, 3});
  CHECK(shrunk(fewer_outputs) == std::vector<int>{4, 0});
  Keep contradiction;  // channel 2 is removed but its reader stays
  contradiction.set({0, 1}, {0, 1, 3, 4});
  CHECK_THROWS_AS(shrunk(contradiction), Error);
}

TEST_CASE("a shuffle of a pruned input keeps its order") {
  // ShuffleNet's shuffle of 2 groups of 3: reads 0 3 1 4 2 5.
  OneNode shuffle(make_op("select", {{"index", std::vector<int>{0, 3, 1, 4, 2, 5}}}), {{1, 6}});
  Keep keep;
  keep.set({0, 1}, {0, 2, 4, 5});  // without 1 and 3, that is
  keep.set({1, 1}, {0, 3, 4, 5});  // without outputs 1 and 2
  const OpPtr op = shuffle.node.op->shrunk(shuffle.node, shuffle.shapes, keep);
  REQUIRE(op != nullptr);
  CHECK(std::get<std::vector<int>>(op->attributes().at("index")) == std::vector<int>{0, 2, 1, 3});
}
