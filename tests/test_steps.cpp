// How a tape computes what it recorded: operations in one step give what separate ones do, what
// nobody will look at is given back, and what an operation says of its backward is true.
#include "engine/steps.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "engine/kernels/columns.h"
#include "engine/kernels/norm.h"
#include "engine/ops.h"
#include "engine/ops/conv_with_norms.h"
#include "engine/ops/image_blocks.h"
#include "engine/ops/registry.h"
#include "engine/parallel.h"
#include "engine/random.h"
#include "engine/storage.h"
#include "engine/tape.h"
#include "tests/catch.h"
#include "tests/op_table.h"
#include "tests/thread_count.h"

using namespace bonsai;

namespace {

Tensor random_tensor(Shape shape, uint32_t which) {
  Random random(3, Purpose::test, 0, which);
  Tensor t = Tensor::uninitialized(std::move(shape));
  for (size_t i = 0; i < t.size(); ++i) t[i] = random.normal();
  return t;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.data(), b.data(), a.size() * sizeof(Scalar)) == 0;
}

bool same_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  bool same = a.size() == b.size();
  for (size_t i = 0; same && i < a.size(); ++i) same = same_bits(a[i], b[i]);
  return same;
}

// The parameters of a small network, made as they are asked for.
class Weights {
 public:
  explicit Weights(Tape& tape) : tape_(tape) { all_.reserve(64); }

  Var make(Shape shape) { return use(random_tensor(std::move(shape), next()), true); }
  Var conv(Var x, int out) {
    return conv2d(x, make({out, 3, 3, x.shape().back()}), {}, {.padding = 1});
  }
  Var norm(Var x) {
    const int c = x.shape().back();
    const Var gamma = make({c}), beta = make({c});
    return batch_norm(x, gamma, beta, use(Tensor({c}), false), use(Tensor({c}, 1), false));
  }

  // Values of buffers, gradients of the others.
  std::vector<Tensor> results() const {
    std::vector<Tensor> all;
    for (const Parameter& p : all_) all.push_back(p.trainable ? p.grad : p.value);
    return all;
  }

 private:
  uint32_t next() const { return static_cast<uint32_t>(all_.size()); }
  Var use(Tensor value, bool trainable) {
    all_.push_back({.name = "p", .value = std::move(value), .trainable = trainable});
    return tape_.use(all_.back());
  }

  Tape& tape_;
  std::vector<Parameter> all_;
};

Var residual_network(Weights& w, Var x) {
  x = relu(w.norm(w.conv(x, 6)));
  x = relu(add(w.norm(w.conv(x, 6)), x));                            // an identity beside it
  x = relu6(add(w.norm(w.conv(x, 5)), w.norm(w.conv(x, 5))));        // a projection
  x = add(leaky_relu(w.norm(w.conv(x, 5))), hard_swish(w.norm(x)));  // added afterwards
  return leaky_relu(add(x, w.norm(x)));                              // the same value twice
}

Var dense_network(Weights& w, Var x) {
  x = w.conv(x, 7);
  for (int layer = 0; layer < 4; ++layer) x = concat({x, w.conv(relu(w.norm(x)), 3)});
  x = concat({x, x});
  return relu(w.norm(x));
}

// Convolutions of every kind, each with a batch norm behind it; all but the last on maps so large
// that they are computed a few images at a time.
Var mixed_network(Weights& w, Var x) {
  x = relu(w.norm(conv2d(x, w.make({8, 3, 3, 3}), {}, {.padding = 1})));
  x = relu(add(w.norm(w.conv(x, 8)), x));
  x = relu6(w.norm(conv2d(x, w.make({8, 3, 3, 1}), {}, {.padding = 1, .groups = 8})));
  x = leaky_relu(w.norm(conv2d(x, w.make({20, 1, 1, 8}), w.make({20}))));
  x = add(w.norm(conv2d(x, w.make({20, 3, 3, 10}), {}, {.padding = 1, .groups = 2})), x);
  return relu(w.norm(conv2d(x, w.make({6, 3, 3, 20}), {}, {.stride = 2, .padding = 1})));
}

// A dense block and a transition on maps as large.
Var large_dense_network(Weights& w, Var x) {
  x = w.conv(x, 10);
  for (int layer = 0; layer < 3; ++layer) {
    const Var narrow = conv2d(relu(w.norm(x)), w.make({9, 1, 1, x.shape().back()}), w.make({9}));
    x = concat({x, w.conv(hard_swish(w.norm(narrow)), 5)});
  }
  x = conv2d(relu(w.norm(x)), w.make({12, 1, 1, x.shape().back()}), {}, {.stride = 2});
  return relu(w.norm(x));
}

// A convolution of so many weights that their derivative is taken over the whole batch, while the
// rest goes through it in blocks of twelve images.
Var wide_network(Weights& w, Var x) {
  x = relu(w.norm(conv2d(x, w.make({160, 1, 1, 3}), {})));
  return relu(w.norm(conv2d(x, w.make({160, 1, 1, 160}), w.make({160}))));
}

// Channel c of x = channel c / groups of group c % groups, all groups of one width.
std::vector<int> in_turns(int channels, int groups) {
  std::vector<int> index;
  for (int c = 0; c < channels; ++c) index.push_back(c % groups * (channels / groups) + c / groups);
  return index;
}

// Grouped convolutions between a permutation of channels and the one back: by tiles, with another
// width and a bias, of three groups and larger kernels, without the way back, and with lists that
// only look alike.
Var interleaved_network(Weights& w, Var x) {
  const auto grouped = [&](Var v, int out, int groups, int kernel = 1, bool bias = false) {
    const Var weights = w.make({out, kernel, kernel, v.shape().back() / groups});
    return conv2d(v, weights, bias ? w.make({out}) : Var(),
                  {.padding = kernel / 2, .groups = groups});
  };
  x = select(relu(w.norm(w.conv(x, 24))), in_turns(24, 12));
  x = relu(w.norm(select(grouped(x, 24, 2), in_turns(24, 2))));
  x = select(grouped(select(x, in_turns(24, 6)), 32, 4, 1, true), in_turns(32, 4));
  x = select(grouped(select(relu(x), in_turns(32, 4)), 24, 8, 1, true), in_turns(24, 8));
  x = leaky_relu(w.norm(x));
  x = select(grouped(select(x, in_turns(24, 8)), 18, 3, 3, true), in_turns(18, 3));
  x = relu(w.norm(x));
  x = relu(w.norm(grouped(select(x, in_turns(18, 9)), 18, 2, 1, true)));
  x = select(grouped(select(x, in_turns(18, 9)), 18, 2), in_turns(18, 9));
  std::vector<int> index = in_turns(18, 9);
  std::swap(index[0], index[1]);
  x = select(grouped(select(x, index), 18, 2), in_turns(18, 2));
  index[0] = index[1];
  x = select(grouped(select(x, index), 18, 2), in_turns(18, 2));
  x = relu(w.norm(select(grouped(select(x, in_turns(12, 6)), 20, 2), in_turns(12, 2))));
  x = relu(w.norm(select(grouped(select(x, in_turns(8, 4)), 8, 2), in_turns(8, 2))));
  return w.norm(select(grouped(select(x, in_turns(8, 4)), 8, 2), {0, 2, 4, 1, 3}));
}

// Norms whose channels are shuffled on the way to a convolution, in blocks and in one, and before
// something else; a list that repeats a channel; one value added to itself.
Var shuffled_network(Weights& w, Var x) {
  x = select(relu(w.norm(w.conv(x, 24))), in_turns(24, 3));
  x = w.norm(conv2d(x, w.make({24, 3, 3, 1}), {}, {.stride = 2, .padding = 1, .groups = 24}));
  const Var shortcut = x = relu(add(x, x));
  x = conv2d(select(x, in_turns(24, 2)), w.make({24, 1, 1, 8}), w.make({24}), {.groups = 3});
  x = conv2d(select(leaky_relu(w.norm(x)), in_turns(24, 4)), w.make({24, 1, 1, 12}), {},
             {.groups = 2});
  x = relu(add(select(w.norm(x), in_turns(24, 6)), shortcut));
  std::vector<int> index = in_turns(24, 6);
  index[1] = index[0];
  return w.conv(select(relu(w.norm(x)), index), 5);
}

// Norms whose result is pooled: windows that overlap and such that do not, in runs of images and in
// one, one of which a norm follows, and a norm with an addition, which is on its own.
Var pooled_network(Weights& w, Var x) {
  x = max_pool(relu(w.norm(w.conv(x, 48))), {.kernel = 3, .stride = 2, .padding = 1});
  x = w.norm(average_pool(leaky_relu(w.norm(w.conv(x, 12))), {.kernel = 2, .stride = 2}));
  x = max_pool(relu(add(w.norm(w.conv(x, 12)), x)), {.kernel = 2, .stride = 2});
  return max_pool(w.norm(w.conv(x, 6)), {.kernel = 2, .stride = 1});
}

// Norms that read the result of a convolution's norm, and columns that nobody else reads.
Var norms_in_a_row(Weights& w, Var x) {
  x = w.conv(w.norm(w.norm(w.conv(x, 6))), 6);
  return w.conv(relu(w.norm(concat({concat({x, x}), x}))), 5);
}

// A layer's norm on either side of its convolution.
Var shared_norm(Weights& w, Var x) {
  const Var gamma = w.make({6}), beta = w.make({6});
  const auto norm = [&](Var v) {
    Tape& tape = v.tape();
    return batch_norm(v, gamma, beta, tape.constant(Tensor({6})), tape.constant(Tensor({6}, 1)));
  };
  return relu(norm(conv2d(relu(norm(w.conv(x, 6))), w.make({6, 3, 3, 6}), beta)));
}

using Network = Var (*)(Weights&, Var);
constexpr Network networks[] = {
    residual_network, dense_network,       mixed_network, large_dense_network, norms_in_a_row,
    shared_norm,      interleaved_network, wide_network,  shuffled_network,    pooled_network};

std::vector<Tensor> train(Network network, bool together, Mode mode = Mode::training,
                          Scalar nudge = 0) {
  const bool large = network == mixed_network || network == large_dense_network ||
                     network == shuffled_network || network == pooled_network;
  const bool wide = network == wide_network;
  const int n = large ? 19 : wide ? 96 : 5, size = large ? 28 : wide ? 4 : 9;
  Tape tape(mode, 1);
  if (!together) tape.keep_all();
  Weights w(tape);
  const Tensor pictures = random_tensor({n, size, size, 3}, 100);
  pictures[0] += nudge;
  const Var x = tape.variable(pictures);
  const Var y = global_average_pool(network(w, x));
  std::vector<Scalar> numbers;
  for (int i = 0; i < n; ++i) numbers.push_back(static_cast<Scalar>(i % 5));
  const Var labels = tape.constant(Tensor::of({n}, numbers));
  const Var loss = cross_entropy(y, labels);
  std::vector<Tensor> results{y.value().clone(), loss.value().clone()};
  tape.backward(loss);
  results.push_back(x.grad());
  for (const Tensor& t : w.results()) results.push_back(t);
  return results;
}

std::function<const Shape&(int value)> shape_of(const Tape& tape) {
  return [&tape](int v) -> const Shape& { return tape.values()[static_cast<size_t>(v)].shape; };
}

size_t computed_values(const Tape& tape) {
  size_t count = 0;
  for (const Node& node : tape.nodes()) {
    count += tape.values()[static_cast<size_t>(node.out)].data.defined() ? 1 : 0;
  }
  return count;
}

// Gradients of one operation, after the numbers that it says its backward leaves alone, or those
// that it looks at, have been spoilt.
std::vector<Tensor> gradients(const Op& op, const OpCase& c, bool spoil_read, bool spoil_unread) {
  std::vector<Tensor> in;
  std::vector<Shape> shapes;
  for (const Tensor& t : c.in) {
    in.push_back(t.clone());
    shapes.push_back(t.shape());
  }
  Tensor out = Tensor::uninitialized(op.infer(shapes));
  std::vector<Tensor> saved;
  op.forward(in, out, {.training = true, .save = &saved, .seed = 1});
  const auto spoil = [&](const Tensor& t, bool is_read) {
    if (is_read ? spoil_read : spoil_unread) t.fill(std::numeric_limits<Scalar>::quiet_NaN());
  };
  for (size_t i = 0; i < in.size(); ++i) {
    const bool is_label = op.name() == "cross_entropy" && i == 1;  // an index: no number will do
    if (!is_label) spoil(in[i], op.backward_reads(i));
  }
  spoil(out, op.backward_reads_result());
  std::vector<Tensor> results(in.size());
  std::vector<Gradient> targets(in.size());
  for (size_t i = 0; i < in.size(); ++i) {
    results[i] = Tensor(in[i].shape());
    if (c.wanted[i]) targets[i] = {.tensor = &results[i], .fresh = true};
  }
  op.backward(in, out, saved, random_tensor(out.shape(), 50), targets);
  return results;
}

void check_reads(const Op& op, const OpCase& c) {
  INFO(op.name());
  CHECK(same_bits(gradients(op, c, false, false), gradients(op, c, false, true)));
}

}  // namespace

// Sums of several shares are added up in another order.
TEST_CASE("operations computed together give what separate ones do") {
  for (const Network network : networks) {
    for (const Mode mode : {Mode::training, Mode::frozen}) {
      const auto together = train(network, true, mode), apart = train(network, false, mode);
      const auto nudged = train(network, false, mode, 1);
      REQUIRE(together.size() == apart.size());
      double changed = 0;
      for (size_t i = 0; i < apart.size(); ++i) {
        const double largest = max_abs_difference(apart[i], Tensor(apart[i].shape()));
        INFO(i << ": " << largest);
        CHECK(max_abs_difference(together[i], apart[i]) < 2e-5 * largest + 1e-6);
        changed = std::max(changed, max_abs_difference(nudged[i], apart[i]) / (largest + 1e-6));
      }
      CHECK(changed > 1e-3);
    }
  }
}

TEST_CASE("the wide network's weights are summed over the batch, and its images are not") {
  const ConvShape s{96, 4, 4, 160, 4, 4, 160, 1, 1, 1, 0, 1, 1};
  const ImageBlocks blocks(s);
  CHECK(blocks.count() == 8);
  CHECK_FALSE(conv_backward_weights_in_blocks(blocks[0].shape));
}

TEST_CASE("the moments of columns beside each other are those of the parts, in order") {
  const Tensor a = random_tensor({37, 5}, 1), b = random_tensor({37, 3}, 2), both({37, 8});
  copy_columns(a.data(), 5, both.data(), 8, 37, 5, false);
  copy_columns(b.data(), 3, both.data() + 5, 8, 37, 3, false);
  const Tensor expected = channel_moments(all_rows(both));
  const std::vector<Tensor> parts{channel_moments(all_rows(a)), channel_moments(all_rows(b))};
  const std::vector<Tensor> turned{parts[1], parts[0]};
  CHECK(max_abs_difference(joined_moments(parts), expected) < 1e-4);
  CHECK(max_abs_difference(joined_moments(turned), expected) > 0.1);
}

// With a padding of two the result is larger than the input: of 31 images the derivative by it has
// tiles enough for another row than that by the input.
TEST_CASE("blocks of a batch end in the row that their weights are packed for") {
  const auto gradient = [](bool together) {
    Tape tape(Mode::training);
    if (!together) tape.keep_all();
    Weights w(tape);
    const Var x = tape.variable(random_tensor({252, 3, 3, 16}, 1));
    const Var y = w.norm(conv2d(x, w.make({16, 3, 3, 16}), {}, {.padding = 2}));
    tape.backward(cross_entropy(global_average_pool(y), tape.constant(Tensor({252}, 3))));
    return x.grad().clone();
  };
  const Tensor apart = gradient(false);
  const double largest = max_abs_difference(apart, Tensor(apart.shape()));
  CHECK(max_abs_difference(gradient(true), apart) < 2e-5 * largest);
}

TEST_CASE("a step's backward finds factors that nobody holds any more") {
  Tape tape(Mode::training);
  Weights w(tape);
  const Var x = tape.variable(random_tensor({4, 5, 5, 3}, 1));
  const Var half = scale(tape.variable(random_tensor({6}, 2)), 0.5F);
  Var y = batch_norm(w.conv(x, 6), scale(half, 2), tape.variable(random_tensor({6}, 3)),
                     tape.constant(Tensor({6})), tape.constant(Tensor({6}, 1)));
  y = relu(y);
  tape.backward(cross_entropy(global_average_pool(y), tape.constant(Tensor({4}, 1))));
  CHECK(max_abs_difference(x.grad(), Tensor(x.shape())) > 0);
}

TEST_CASE("shared rows and fused passes have the same bits for any number of threads",
          "[threads]") {
  const int before = thread_count();
  for (const Network network : networks) {
    set_thread_count(1);
    const std::vector<Tensor> expected = train(network, true);
    set_thread_count(3);
    CHECK(same_bits(train(network, true), expected));
  }
  set_thread_count(before);
}

TEST_CASE("backward looks at nothing but what an operation says") {
  size_t changed = 0;
  for (const OpRow& row : op_table()) {
    for (int i = 0; i < op_cases; ++i) {
      const OpCase c = draw_case(row, i);
      const OpPtr op = make_op(row.name, c.attributes);
      if (op->name() == "batch_norm" && c.in[0].size() < 2 * c.in[1].size()) continue;
      check_reads(*op, c);
      const bool differs =
          !same_bits(gradients(*op, c, false, false), gradients(*op, c, true, false));
      changed += differs ? 1 : 0;
    }
  }
  CHECK(changed > 50);  // what is looked at cannot be spoilt unseen
}

TEST_CASE("batch norm goes on with an addition and an activation") {
  OpCase c = draw_case({"batch_norm", op_table_detail::batch_norm}, 0);
  const OpPtr norm = make_op("batch_norm", c.attributes), sum = make_op("add", {});
  const OpPtr relu = make_op("relu", {}), leaky = make_op("leaky_relu", {{"slope", 0.125}});
  const OpPtr with_relu = norm->followed_by(*relu, 0), with_sum = norm->followed_by(*sum, 1);
  REQUIRE(with_relu);
  REQUIRE(with_sum);
  check_reads(*with_relu, c);
  CHECK_FALSE(with_relu->followed_by(*relu, 0));
  CHECK_FALSE(with_relu->followed_by(*sum, 0));
  CHECK_FALSE(norm->followed_by(*make_op("sigmoid", {}), 0));  // its derivative is of the result
  CHECK_FALSE(with_sum->followed_by(*leaky, 0));               // and this one's is not
  const OpPtr all = with_sum->followed_by(*relu, 0);
  REQUIRE(all);
  c.in.push_back(random_tensor(c.in[0].shape(), 7));
  c.wanted.push_back(true);
  check_reads(*with_sum, c);
  check_reads(*all, c);
}

TEST_CASE("a permutation, a grouped convolution and the permutation back are one step") {
  const auto follows = [](std::vector<int> before, int groups, std::vector<int> after) {
    const auto list = [](std::vector<int>& index) {
      return make_op("select", {{"index", std::move(index)}});
    };
    const OpPtr conv = make_op("conv2d", {{"stride", int64_t{1}},
                                          {"padding", int64_t{0}},
                                          {"dilation", int64_t{1}},
                                          {"groups", int64_t{groups}}});
    const OpPtr first = list(before)->followed_by(*conv, 0);
    if (first == nullptr) return 1;
    return first->followed_by(*list(after), 0) == nullptr ? 2 : 3;
  };
  CHECK(follows(in_turns(24, 12), 2, in_turns(24, 2)) == 3);
  CHECK(follows(in_turns(24, 6), 4, in_turns(48, 4)) == 3);
  CHECK(follows(in_turns(24, 6), 4, in_turns(24, 6)) == 2);
  CHECK(follows(in_turns(24, 2), 2, in_turns(24, 2)) == 1);
  CHECK(follows(in_turns(24, 24), 1, in_turns(24, 1)) == 1);
  CHECK(follows({0, 2, 1, 2}, 2, {0, 2, 1, 3}) == 1);
  CHECK(follows({0, 2, 1, 3}, 2, {0, 2, 1}) == 2);
  CHECK(follows({0, 2, 1, 3}, 2, {0, 2, 1, 3}) == 3);
}

TEST_CASE("a batch norm and a pool are one step, which leaves alone what it says") {
  OpCase c = draw_case({"batch_norm", op_table_detail::batch_norm}, 0);
  c.in[0] = random_tensor({5, 7, 6, c.in[0].shape().back()}, 3);
  const OpPtr norm = make_op("batch_norm", c.attributes);
  for (const char* name : {"max_pool", "average_pool"}) {
    const OpPtr pool =
        make_op(name, {{"kernel", int64_t{2}}, {"stride", int64_t{2}}, {"padding", int64_t{0}}});
    const OpPtr both = norm->followed_by(*pool, 0);
    REQUIRE(both);
    CHECK(both->gives_moments());
    check_reads(*both, c);
  }
  CHECK_FALSE(norm->followed_by(*make_op("global_average_pool", {}), 0));
}

TEST_CASE("a batch norm, a shuffle and a convolution are one step") {
  OpCase c = draw_case({"batch_norm", op_table_detail::batch_norm}, 0);
  const OpPtr norm = make_op("batch_norm", c.attributes);
  const int channels = c.in[0].shape().back();
  const auto shuffled = [&](const std::vector<int>& index) {
    return norm->followed_by(*make_op("select", {{"index", index}}), 0);
  };
  std::vector<int> index;
  for (int i = channels - 1; i >= 0; --i) index.push_back(i);
  const OpPtr both = shuffled(index);
  REQUIRE(both);
  check_reads(*both, c);
  const OpPtr conv = make_op("conv2d", {{"stride", int64_t{1}},
                                        {"padding", int64_t{0}},
                                        {"dilation", int64_t{1}},
                                        {"groups", int64_t{channels}}});
  const OpPtr all = both->followed_by(*conv, 0);
  REQUIRE(all);
  CHECK(all->gives_moments());
  CHECK_FALSE(both->followed_by(*conv, 1));
  CHECK_FALSE(both->followed_by(*make_op("relu", {}), 0));
  index[0] = index[1];
  CHECK_FALSE(shuffled(index));
  index.pop_back();
  CHECK_FALSE(shuffled(index));
}

// Passes its input on, row by row, and notes whether somebody reads the derivative as it does.
class PassedOn : public Op {
 public:
  explicit PassedOn(bool& read) : read_(read) {}
  std::string_view name() const override { return "passed on"; }
  Shape infer(std::span<const Shape> in) const override { return in[0]; }
  void forward(std::span<const Tensor> in, Tensor& out, const Pass&) const override {
    out.copy_from(in[0]);
  }
  void backward(std::span<const Tensor> in, const Tensor&, std::span<const Tensor>,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    for (size_t i = 0; i < grad_out.size(); ++i) {
      grad[0].data()[i] = (grad[0].fresh ? Scalar{0} : grad[0].data()[i]) + grad_out[i];
    }
    read_ = grad[0].reader != nullptr;
    if (!read_) return;
    grad[0].reader->begin(1);
    grad[0].reader->read(0, 0, static_cast<int64_t>(in[0].size()) / in[0].dim(-1));
  }
  bool completes_rows(size_t) const override { return true; }
  void ties(const Node&, std::span<const Shape>, Channels&) const override {}

 private:
  bool& read_;
};

TEST_CASE("a tape has the derivative read by the step that completes it, and by no other") {
  enum Others { none, before, after };
  const auto gradients_with = [](Others others, bool together, bool& read) {
    Tape tape(Mode::training);
    if (!together) tape.keep_all();
    Weights w(tape);
    const Var x = tape.variable(random_tensor({3, 4, 4, 3}, 1));
    const Var y = relu(w.norm(w.conv(x, 5)));
    Var z = y;
    const auto pass_on = [&] { return tape.apply(std::make_shared<PassedOn>(read), {y}); };
    if (others == before) z = leaky_relu(y);
    const Var passed = pass_on();
    if (others == none) z = passed;
    if (others == before) z = add(z, passed);
    if (others == after) z = add(passed, leaky_relu(y));  // whose share comes first
    tape.backward(cross_entropy(global_average_pool(z), tape.constant(Tensor({3}, 1))));
    std::vector<Tensor> all = w.results();
    all.push_back(x.grad());
    return all;
  };
  for (const Others others : {none, before, after}) {
    bool read = false, read_apart = false;
    const auto together = gradients_with(others, true, read);
    const auto apart = gradients_with(others, false, read_apart);
    INFO(others);
    CHECK(read == (others != before));
    CHECK_FALSE(read_apart);
    for (size_t i = 0; i < apart.size(); ++i) {
      CHECK(max_abs_difference(together[i], apart[i]) < 1e-5);
    }
  }
}

// A residual block reads its input twice: in the convolution, which adds the last share of the
// derivative, and in the addition, in one step where there is no layer between.
TEST_CASE("sums of a derivative are taken as its last reader completes it") {
  const OpPtr plain = make_op("conv2d", {{"stride", int64_t{1}},
                                         {"padding", int64_t{0}},
                                         {"dilation", int64_t{1}},
                                         {"groups", int64_t{1}}});
  const OpPtr conv = conv_alone(*plain);
  const OpPtr norm = make_op("batch_norm", {{"eps", 1e-5}, {"momentum", 0.1}});
  const OpPtr both = conv->followed_by(*norm, 0);
  REQUIRE(both);
  CHECK(conv->completes_rows(0));
  CHECK_FALSE(conv->completes_rows(1));
  CHECK_FALSE(norm->followed_by(*plain, 0)->completes_rows(0));  // its line comes at the end
  const Tensor x = random_tensor({2, 3, 3, 4}, 1), w = random_tensor({4, 1, 1, 4}, 2);
  const Tensor ones({4}, 1), zeros({4});
  const std::vector<Tensor> in{x, w, ones, zeros, zeros.clone(), ones.clone()};
  Tensor out = Tensor::uninitialized(x.shape());
  std::vector<Tensor> saved;
  both->forward(in, out, {.training = true, .save = &saved});
  const Tensor by_out = random_tensor(out.shape(), 3);
  const auto gradient = [&](const GradientReader* reader) {
    Tensor dx = Tensor::uninitialized(x.shape());
    std::vector<Gradient> wanted(in.size());
    wanted[0].tensor = &dx;
    std::vector<Tensor> kept;
    for (const Tensor& t : saved) kept.push_back(t.clone());
    both->backward_of(in, out, kept, {.tensor = by_out, .reader = reader}, wanted);
    return dx;
  };
  const auto reader = both->gradient_reader(in, out, saved, by_out);
  REQUIRE(reader);
  reader->begin(3);
  for (const int block : {1, 0}) reader->read(block, block * 5, 5);
  CHECK(max_abs_difference(gradient(reader.get()), gradient(nullptr)) > 1e-3);  // rows are missing
  reader->read(2, 10, 8);
  CHECK(max_abs_difference(gradient(reader.get()), gradient(nullptr)) < 1e-5);
}

TEST_CASE("what somebody may ask for is the result of a step") {
  Tape tape(Mode::training);
  Weights w(tape);
  const Var x = tape.constant(random_tensor({2, 5, 5, 3}, 1));
  const Var a = w.norm(w.conv(x, 4)), b = relu(a), c = relu(w.norm(w.conv(x, 4)));
  const auto steps = [&](const std::vector<int>& visible) {
    return plan_steps(
        tape.nodes(), 0,
        [&](int v) { return std::find(visible.begin(), visible.end(), v) != visible.end(); },
        shape_of(tape));
  };
  REQUIRE(tape.nodes().size() == 6);
  CHECK(steps({}).size() == 2);
  CHECK(steps({a.index()}).size() == 3);
  CHECK(steps({b.index(), c.index()}).size() == 2);
  const Var again = add(a, b);  // a second reader
  CHECK(steps({}).size() == 4);
  CHECK(steps({}).back().nodes.back() == 6);
}

TEST_CASE("a batch norm is computed by the convolution that reads it, unless others do") {
  Tape tape(Mode::training);
  Weights w(tape);
  const Var x = tape.constant(random_tensor({2, 5, 5, 3}, 1));
  const Var first = w.conv(x, 4);
  const Var a = relu(w.norm(first)), b = w.norm(w.conv(a, 4)), c = relu(w.norm(w.conv(b, 4)));
  const auto lengths = [&](int visible) {
    std::vector<size_t> all;
    const auto is_visible = [&](int v) { return v == visible; };
    for (const TapeStep& step : plan_steps(tape.nodes(), 0, is_visible, shape_of(tape)))
      all.push_back(step.nodes.size());
    return all;
  };
  using Lengths = std::vector<size_t>;
  CHECK(lengths(c.index()) == Lengths{1, 3, 4});
  CHECK(lengths(a.index()) == Lengths{3, 1, 4});
  CHECK(lengths(first.index()) == Lengths{1, 3, 4});
  add(first, w.norm(first));  // a second reader, a norm that none follows
  CHECK(lengths(-1) == Lengths{1, 3, 4, 2});
}

TEST_CASE(
    "the concats of a dense block are what they read, joined, unless somebody wants a whole") {
  const auto joined = [](bool other_reader, bool visible) {
    Tape tape(Mode::training);
    Weights w(tape);
    Var x = tape.constant(random_tensor({2, 5, 5, 3}, 1));
    x = concat({x, w.conv(x, 2)});
    const int first = x.index();
    if (other_reader) relu(x);
    x = concat({x, w.conv(relu(w.norm(x)), 2)});
    x = concat({x, w.conv(relu(w.norm(x)), 2)});
    const auto is_visible = [&](int v) { return visible && v == first; };
    return plan_joined(plan_steps(tape.nodes(), 0, is_visible, shape_of(tape)), is_visible).size();
  };
  CHECK(joined(false, false) == 3);
  CHECK(joined(true, false) == 2);
  CHECK(joined(false, true) == 2);
}

// Which of three concats, each of the one before and a convolution's result, join what they read.
TEST_CASE("a tape joins what has gradients of its own, or none, and only once") {
  enum Second { conv, same, nothing };
  const auto joined = [](Mode mode, bool variable, Second second) {
    Tape tape(mode);
    Weights w(tape);
    const Tensor pictures = random_tensor({2, 5, 5, 3}, 1);
    Var x = variable ? tape.variable(pictures) : tape.constant(pictures);
    std::vector<int> concats;
    for (int layer = 0; layer < 3; ++layer) {
      const Var y = second == conv   ? w.conv(relu(w.norm(x)), 2)
                    : second == same ? x
                                     : tape.variable(Tensor({2, 5, 5, 0}));
      x = concat({x, y});
      concats.push_back(x.index());
    }
    x = w.conv(relu(w.norm(x)), 2);
    x.value();
    std::vector<size_t> parts;
    for (const int v : concats) parts.push_back(tape.values()[static_cast<size_t>(v)].parts.size());
    return parts;
  };
  using Parts = std::vector<size_t>;
  CHECK(joined(Mode::training, true, conv) == Parts{2, 3, 4});
  CHECK(joined(Mode::inference, false, conv) == Parts{2, 3, 4});
  CHECK(joined(Mode::training, false, conv) == Parts{0, 2, 3});  // the first reads the pictures
  CHECK(joined(Mode::training, true, same) == Parts{0, 0, 0});
  CHECK(joined(Mode::frozen, true, nothing) == Parts{0, 0, 0});
}

TEST_CASE("a forward pass gives back what nobody will look at") {
  Tensor pictures({1, 100, 100, 10}, 1);
  const size_t one = pictures.size() * sizeof(Scalar);
  reset_storage_peak();
  const size_t before = storage_stats().live_bytes;
  Tape tape(Mode::inference);
  Var x = tape.constant(pictures);
  for (int i = 0; i < 5; ++i) x = hard_swish(x);
  const Var kept = x;
  for (int i = 0; i < 5; ++i) x = hard_swish(x);
  x.value();
  CHECK(storage_stats().peak_bytes < before + 4 * one);  // the kept one and two at work
  CHECK(computed_values(tape) == 2);
  CHECK(kept.value().size() == pictures.size());
}

// With one thread: others get their scratch memory whenever they first win a share of the work.
TEST_CASE("a dense network's step asks nothing of the system after the first ones") {
  const test::ThreadCount use(1);
  for (int i = 0; i < 2; ++i) train(dense_network, true);
  const size_t before = storage_stats().system_allocations;
  for (int i = 0; i < 3; ++i) train(dense_network, true);
  CHECK(storage_stats().system_allocations == before);
}

TEST_CASE("training keeps what backward reads, once") {
  Tape tape(Mode::training);
  Weights w(tape);
  Var x = tape.constant(random_tensor({2, 8, 8, 3}, 1));
  for (int i = 0; i < 3; ++i) x = relu(w.norm(w.conv(x, 4)));
  x = average_pool(x);
  x.value();
  CHECK(computed_values(tape) == 3 + 1);  // inputs of two convolutions and of the last norm
}
