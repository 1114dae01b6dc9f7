// A session computes what its graph computes, and asks nobody for memory while it runs.
#include "engine/session.h"

#include "engine/error.h"
#include "engine/ops.h"
#include "engine/parallel.h"
#include "engine/storage.h"
#include "tests/allocations.h"
#include "tests/catch.h"
#include "tests/compare_graphs.h"
#include "tests/random_network.h"
#include "tests/thread_count.h"

using namespace bonsai;

namespace {

Tensor run_session(Session& session, const Tensor& x) {
  Tensor y = Tensor::uninitialized(session.output_shape());
  session.run(x.data(), y.data());
  return y;
}

}  // namespace

TEST_CASE("a session agrees with its graph") {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    RandomNetwork layer(seed);
    Graph graph = trace(layer, RandomNetwork::input());
    for (const int batch : {1, 3}) {
      Session session(graph, {.batch = batch});
      const Tensor x = random_tensor(RandomNetwork::input(batch), seed + 100);
      const Tensor expected = run(graph, x);
      const Tensor y = run_session(session, x);
      INFO("seed " << seed << ", " << first_difference(graph, session.graph(), x, 1e-5));
      REQUIRE(relative_difference(y, expected) < 1e-5);
      REQUIRE(max_abs_difference(run_session(session, x), y) == 0);
    }
  }
}

TEST_CASE("a session has the same bits for any number of threads") {
  RandomNetwork layer(2);
  const Graph graph = trace(layer, RandomNetwork::input());
  const Tensor x = random_tensor(RandomNetwork::input(4), 1);
  Session session(graph, {.batch = 4});
  const Tensor y = run_session(session, x);
  for (const int threads : {1, 2, 3}) {
    const test::ThreadCount use(threads);
    CHECK(max_abs_difference(run_session(session, x), y) == 0);
  }
}

TEST_CASE("a warm session allocates nothing") {
  for (const int threads : {1, 2}) {
    const test::ThreadCount use(threads);
    for (uint64_t seed = 0; seed < 10; ++seed) {
      RandomNetwork layer(seed);
      Session session(trace(layer, RandomNetwork::input()), {.batch = 2});
      const Tensor x = random_tensor(RandomNetwork::input(2), seed);
      const Tensor y = Tensor::uninitialized(session.output_shape());
      // Which thread takes which piece of work is open, so each scratch buffer grows when it will.
      for (int i = 0; i < 20; ++i) session.run(x.data(), y.data());
      size_t heap = 1, storage = 1;
      for (int attempt = 0; attempt < 50 && heap + storage > 0; ++attempt) {
        const size_t calls = allocations().calls;
        const size_t asked = storage_stats().system_allocations;
        for (int i = 0; i < 5; ++i) session.run(x.data(), y.data());
        heap = allocations().calls - calls;
        storage = storage_stats().system_allocations - asked;
        if (threads == 1) break;
      }
      INFO("threads " << threads << ", seed " << seed);
      REQUIRE(heap == 0);
      REQUIRE(storage == 0);
    }
  }
}

TEST_CASE("the counter of allocations counts") {
  const size_t before = allocations().calls;
  const std::vector<int> something(100);
  CHECK(allocations().calls > before);
}

TEST_CASE("the arena holds less than all values, and grows with the batch") {
  RandomNetwork layer(3);
  const Graph graph = trace(layer, RandomNetwork::input());
  size_t all = 0;
  for (const Graph::Value& value : graph.values) {
    if (!value.parameter) all += element_count(value.shape) * sizeof(Scalar);
  }
  const Session one(graph), four(graph, {.batch = 4});
  CHECK(one.arena_bytes() < all);
  CHECK(four.arena_bytes() > 3 * one.arena_bytes());
  CHECK(peak_activation_bytes(graph) == static_cast<int64_t>(one.arena_bytes()));
  CHECK(four.output_shape()[0] == 4);
}

TEST_CASE("a session keeps its own network") {
  RandomNetwork layer(3);
  Graph graph = trace(layer, RandomNetwork::input());
  const Tensor x = random_tensor(RandomNetwork::input(), 1);
  Session session(graph);
  const Tensor y = run_session(session, x);
  for (Parameter* p : graph.parameters()) p->value.fill(0);
  Session moved = std::move(session);
  CHECK(max_abs_difference(run_session(moved, x), y) == 0);
}

TEST_CASE("a network that does nothing runs too; an empty batch is refused") {
  struct Nothing : Module {
    Var forward(Var x) override { return dropout(x, 0.5F); }
  } nothing;
  const Graph graph = trace(nothing, {1, 3});
  Session session(graph, {.batch = 2});
  const Tensor x = random_tensor({2, 3}, 1);
  CHECK(max_abs_difference(run_session(session, x), x) == 0);
  CHECK_THROWS_AS(Session(graph, {.batch = 0}), Error);
}
