// What must hold for every operation, over the operation test table.
#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/graph.h"
#include "engine/ops/activation.h"
#include "engine/storage.h"
#include "tests/allocations.h"
#include "tests/catch.h"
#include "tests/op_table.h"
#include "tests/thread_count.h"

using namespace bonsai;

namespace {

std::vector<Shape> shapes_of(const std::vector<Tensor>& tensors) {
  std::vector<Shape> shapes;
  for (const Tensor& t : tensors) shapes.push_back(t.shape());
  return shapes;
}

Tensor forward(const Op& op, const std::vector<Tensor>& in) {
  Tensor out = Tensor::uninitialized(op.infer(shapes_of(in)));
  op.forward(in, out, {});
  return out;
}

template <class Check>
void for_each_case(const Check& check) {
  for (const OpRow& row : op_table()) {
    for (int i = 0; i < op_cases; ++i) {
      INFO(row.name << ", case " << i);
      const OpCase c = draw_case(row, i);
      check(row.name, c, make_op(row.name, c.attributes));
    }
  }
}

// The operation as a layer: its first input is x, the others are parameters.
class OneOp : public Module {
 public:
  OneOp(OpPtr op, const std::vector<Tensor>& in) : op_(std::move(op)) {
    for (size_t i = 1; i < in.size(); ++i) {
      rest_.push_back(&param("input" + std::to_string(i), in[i].clone()));
    }
  }
  Var forward(Var x) override {
    std::vector<Var> in{x};
    for (Parameter* p : rest_) in.push_back(x.tape().use(*p));
    return x.tape().apply(op_, in);
  }

 private:
  OpPtr op_;
  std::vector<Parameter*> rest_;
};

}  // namespace

TEST_CASE("an operation is made again from its attributes") {
  for_each_case([](const char* name, const OpCase& c, const OpPtr& op) {
    CHECK(op->name() == name);
    CHECK(op->attributes() == c.attributes);
    CHECK(make_op(name, op->attributes())->attributes() == c.attributes);
    Attributes more = c.attributes;
    more["surprise"] = int64_t{1};
    CHECK_THROWS_AS(make_op(name, more), Error);
    for (const auto& [key, value] : c.attributes) {
      Attributes fewer = c.attributes;
      fewer.erase(key);
      CHECK_THROWS_AS(make_op(name, fewer), Error);
    }
  });
}

TEST_CASE("a trace of an operation replays it") {
  for_each_case([](const char*, const OpCase& c, const OpPtr& op) {
    if (c.in[0].dim(0) != 1) return;
    OneOp layer(op, c.in);
    Graph graph = trace(layer, c.in[0].shape());
    const Tensor expected = forward(*op, c.in);
    CHECK(graph.output_shape() == expected.shape());
    Tape tape(Mode::inference);
    const Tensor replayed = graph.forward(tape.constant(c.in[0])).value();
    CHECK(max_abs_difference(replayed, expected) == 0);
  });
}

TEST_CASE("prepared operations give the same result and need no memory of their own") {
  // One thread, for which of several takes a piece of work, and sizes its scratch then, is open.
  const test::ThreadCount use(1);
  for_each_case([](const char*, const OpCase& c, const OpPtr& op) {
    Tensor out = forward(*op, c.in);
    const Tensor expected = out.clone();
    const OpPtr packed = op->prepared(c.in, out);
    const Op& prepared = packed ? *packed : *op;
    prepared.forward(c.in, out, {});  // the first call sizes each thread's scratch
    reset_storage_peak();
    const StorageStats before = storage_stats();
    const size_t heap_calls = allocations().calls;
    prepared.forward(c.in, out, {});
    const size_t asked = allocations().calls - heap_calls;
    CHECK(asked == 0);
    CHECK(storage_stats().peak_bytes == before.live_bytes);
    CHECK(max_abs_difference(out, expected) < 1e-5);
  });
}

TEST_CASE("an operation fused with an activation equals the two in turn") {
  const std::vector<Activation> activations = {{Activation::relu, 0},
                                               {Activation::relu6, 0},
                                               {Activation::leaky_relu, 0.25F},
                                               {Activation::sigmoid, 0},
                                               {Activation::hard_swish, 0}};
  int fused_ops = 0;
  for_each_case([&](const char* name, const OpCase& c, const OpPtr& op) {
    for (const Activation& f : activations) {
      const OpPtr fused = op->with_activation(f);
      if (fused == nullptr) continue;
      ++fused_ops;
      const Tensor expected = forward(*op, c.in);
      activate(f, expected.data(), expected.data(), static_cast<int64_t>(expected.size()));
      CHECK(max_abs_difference(forward(*fused, c.in), expected) < 1e-6);
      const OpPtr again = make_op(name, fused->attributes());
      CHECK(again->attributes() == fused->attributes());
      CHECK(max_abs_difference(forward(*again, c.in), expected) < 1e-6);
      CHECK(fused->with_activation(f) == nullptr);
      std::vector<Tensor> saved;
      const std::vector<Gradient> nobody(c.in.size());
      CHECK_THROWS_AS(fused->backward(c.in, expected, saved, expected, nobody), Error);
    }
  });
  CHECK(fused_ops > 0);
}

TEST_CASE("an activation is recognised as such") {
  CHECK(as_activation(*make_op("relu", {}))->kind == Activation::relu);
  CHECK(as_activation(*make_op("leaky_relu", {{"slope", 0.5}}))->slope == 0.5F);
  CHECK(as_activation(*make_op("add", {})) == nullptr);
}

namespace {

// Entries `kept` of one axis of t, the others removed or, with `zero`, set to zero.
Tensor cut(const Tensor& t, int axis, const std::vector<int>& kept, bool zero) {
  Shape shape = t.shape();
  int64_t outer = 1, inner = 1;
  for (int a = 0; a < axis; ++a) outer *= t.dim(a);
  for (int a = axis + 1; a < t.rank(); ++a) inner *= t.dim(a);
  const int before = t.dim(axis), after = zero ? before : static_cast<int>(kept.size());
  shape[static_cast<size_t>(axis)] = after;
  const Tensor result(shape);
  for (int64_t o = 0; o < outer; ++o) {
    for (size_t k = 0; k < kept.size(); ++k) {
      const int to = zero ? kept[k] : static_cast<int>(k);
      std::copy_n(t.data() + (o * before + kept[k]) * inner, inner,
                  result.data() + (o * after + to) * inner);
    }
  }
  return result;
}

// What is kept of each axis when some classes are removed at random. Channels that are in no
// class (those that select does not read) stay.
Keep remove_some(const std::vector<Shape>& shapes, Channels& channels, Random& random) {
  std::map<Axis, std::vector<bool>> stays;
  for (const Channels::Class& one : channels.classes()) {
    const bool gone = !one.pinned && random.chance(0.4F);
    for (const auto& [axis, index] : one.members) {
      const Shape& shape = shapes[static_cast<size_t>(axis.value)];
      auto& flags = stays[axis];
      flags.resize(static_cast<size_t>(shape[static_cast<size_t>(axis.axis)]), true);
      if (gone) flags[static_cast<size_t>(index)] = false;
    }
  }
  Keep keep;
  for (const auto& [axis, flags] : stays) {
    std::vector<int> kept;
    for (size_t i = 0; i < flags.size(); ++i) {
      if (flags[i]) kept.push_back(static_cast<int>(i));
    }
    keep.set(axis, kept);
  }
  return keep;
}

bool leaves_something(const Keep& keep) {
  return std::none_of(keep.all().begin(), keep.all().end(),
                      [](const auto& entry) { return entry.second.empty(); });
}

}  // namespace

TEST_CASE("zeroed channels and removed channels give the same result") {
  Random random(11, Purpose::test);
  int compared = 0;
  for_each_case([&](const char*, const OpCase& c, const OpPtr& op) {
    Node node{.op = op, .out = static_cast<int>(c.in.size())};
    std::vector<Shape> shapes = shapes_of(c.in);
    for (int i = 0; i < node.out; ++i) node.in.push_back(i);
    shapes.push_back(op->infer(shapes_of(c.in)));
    Channels channels;
    op->ties(node, shapes, channels);
    if (!channels.balances().empty()) return;  // the compressor's business
    const Keep keep = remove_some(shapes, channels, random);
    if (keep.all().empty() || !leaves_something(keep)) return;
    std::vector<Tensor> zeroed = c.in, removed = c.in;
    for (const auto& [axis, kept] : keep.all()) {
      if (axis.value == node.out) continue;
      const auto v = static_cast<size_t>(axis.value);
      zeroed[v] = cut(zeroed[v], axis.axis, kept, true);
      removed[v] = cut(removed[v], axis.axis, kept, false);
    }
    const OpPtr shrunk = op->shrunk(node, shapes, keep);
    Tensor expected = forward(*op, zeroed);
    for (const auto& [axis, kept] : keep.all()) {
      if (axis.value == node.out) expected = cut(expected, axis.axis, kept, false);
    }
    CHECK(max_abs_difference(forward(shrunk ? *shrunk : *op, removed), expected) < 1e-5);
    ++compared;
  });
  CHECK(compared > 60);
}
