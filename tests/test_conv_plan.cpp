// A plan of convolutions: its rows run and compute what the plain loops compute, packed weights
// keep to the plan that packed them, and what is measured follows the clock alone.
#include "engine/kernels/conv_plan.h"

#include <memory>
#include <string>
#include <vector>

#include "engine/conv_plan_json.h"
#include "engine/measured_plan.h"
#include "engine/ops.h"
#include "engine/ops/image_blocks.h"
#include "engine/session.h"
#include "layers/basic.h"
#include "layers/run_identity.h"
#include "layers/step.h"
#include "tests/catch.h"
#include "tests/compare_graphs.h"
#include "tests/error_of.h"
#include "tests/random_network.h"
#include "zoo/zoo.h"

using namespace bonsai;

namespace {

// Another plan for as long as it lives.
struct UsePlan {
  explicit UsePlan(ConvPlan plan) { use(std::move(plan)); }
  ~UsePlan() { set_conv_plan(before); }
  UsePlan(const UsePlan&) = delete;
  UsePlan& operator=(const UsePlan&) = delete;
  static void use(ConvPlan plan) {
    set_conv_plan(std::make_shared<const ConvPlan>(std::move(plan)));
  }
  const std::shared_ptr<const ConvPlan> before = conv_plan();
};

ConvPlan plan_of(const std::vector<ConvChoice>& choices) {
  ConvPlan plan;
  for (const ConvChoice& choice : choices) plan.add(choice);
  return plan;
}

ConvShape square(int n, int in, int out, int size, int kernel, int stride, int groups) {
  const int padding = kernel / 2, out_size = (size + 2 * padding - kernel) / stride + 1;
  return {n, size, size, in, out_size, out_size, out, kernel, kernel, stride, padding, 1, groups};
}

// Between them every row of every table but that of groups that take turns fits one.
const std::vector<ConvShape> shapes = {
    square(8, 16, 24, 9, 3, 1, 1), square(4, 3, 10, 8, 3, 1, 1),   square(6, 12, 20, 8, 3, 2, 1),
    square(4, 33, 18, 9, 1, 1, 1), square(24, 32, 16, 2, 3, 1, 1), square(4, 24, 24, 6, 3, 1, 6),
    square(4, 30, 15, 8, 1, 1, 3), square(5, 66, 20, 9, 1, 2, 1)};

struct Results {
  Tensor y, dx, dw;
};

Results computed(const ConvShape& s) {
  const Tensor x = random_tensor({s.n, s.h, s.w, s.in}, 1);
  const Tensor w = random_tensor({s.out, s.kh, s.kw, s.group_in()}, 2);
  const Tensor dy = random_tensor({s.n, s.out_h, s.out_w, s.out}, 3);
  const Results r{Tensor(dy.shape()), Tensor(x.shape()), Tensor(w.shape())};
  const Tensor packed = conv_pack(s, w.data()), packed_back = conv_pack_backward_data(s, w.data());
  conv_forward({.shape = s,
                .x = x.data(),
                .w = w.data(),
                .b = nullptr,
                .y = r.y.data(),
                .packed = packed.data()});
  conv_backward_data({.shape = s,
                      .dy = dy.data(),
                      .w = w.data(),
                      .dx = r.dx.data(),
                      .packed = packed_back.data()});
  conv_backward_weights({.shape = s, .x = x.data(), .dy = dy.data(), .dw = r.dw.data()});
  return r;
}

void check_same(const Results& a, const Results& b) {
  CHECK(relative_difference(a.y, b.y) < 1e-5);
  CHECK(relative_difference(a.dx, b.dx) < 1e-5);
  CHECK(relative_difference(a.dw, b.dw) < 1e-5);
}

std::string row_of(ConvTable table, const ConvShape& s) {
  return table == ConvTable::forward         ? conv_forward_row(s)
         : table == ConvTable::backward_data ? conv_backward_data_row(s)
                                             : conv_backward_weights_row(s);
}

constexpr ConvTable tables[] = {ConvTable::forward, ConvTable::backward_data,
                                ConvTable::backward_weights};

const zoo::Options small{.classes = 10, .seed = 1, .width = 0.5F, .input = {16, 16, 3}};

// A training of a few steps: its weights afterwards.
std::vector<Tensor> trained() {
  const auto net = zoo::make("resnet20", small);
  const auto optimiser = make_optimiser(net->parameters());
  Batch batch{random_tensor({8, 16, 16, 3}, 5), Tensor({8})};
  for (int step = 0; step < 2; ++step)
    train_step(*net, *optimiser, batch, {.learning_rate = 1e-3F, .step = step});
  std::vector<Tensor> weights;
  for (Parameter* p : net->parameters()) weights.push_back(p->value.clone());
  return weights;
}

// The clock says what `next` says, and the run runs.
PlanOptions by_clock(std::function<double()> next) {
  return {.batch = 8,
          .training = true,
          .seconds = 1e9,
          .clock = [next](const std::function<void()>& run) {
            run();
            return next();
          }};
}

int differing(const MeasuredPlan& plan) {
  int count = 0;
  for (const MeasuredChoice& m : plan.choices) count += m.choice.row != m.rule ? 1 : 0;
  return count;
}

}  // namespace

TEST_CASE("every row that a plan names runs and agrees with the plain loops") {
  for (const ConvShape& s : shapes) {
    ConvPlan plain;
    for (const ConvTable table : tables) plain.add({table, s, "plain"});
    const UsePlan use(plain);
    const Results expected = computed(s);
    for (const ConvTable table : tables) {
      for (const std::string& row : conv_rows(table, s)) {
        INFO(name_of(table) << " " << row << ": " << s.in << " to " << s.out << ", " << s.h);
        UsePlan::use(plan_of({{table, s, row}}));
        CHECK(row_of(table, s).starts_with(row));
        check_same(computed(s), expected);
      }
    }
    // Backward-data that is handed on to a forward row, be it one that packs nothing.
    if (conv_rows(ConvTable::backward_data, s).front() != "flipped") continue;
    for (const std::string& row : conv_rows(ConvTable::forward, conv_flipped(s))) {
      INFO("flipped " << row << ": " << s.in << " to " << s.out << ", " << s.h);
      UsePlan::use(plan_of({{ConvTable::forward, conv_flipped(s), row}}));
      CHECK(conv_backward_data_row(s) == "flipped " + row);
      check_same(computed(s), expected);
    }
  }
}

TEST_CASE("a row that does not fit a number of images gives way to the rule's") {
  const ConvShape s = square(8, 16, 24, 9, 3, 1, 1);
  ConvShape one = s;
  one.n = 1;
  const std::string row = conv_rows(ConvTable::forward, s).front();
  const UsePlan use(plan_of({{ConvTable::forward, s, row}}));
  CHECK(conv_forward_row(s) == row);
  CHECK(conv_forward_row(one) == conv_rows(ConvTable::forward, one).front());
}

TEST_CASE("the blocks of a batch take rows that read weights packed for the first") {
  const auto check = [](const ConvShape& s) {
    const ImageBlocks blocks(s);
    for (const std::string& row : conv_rows(ConvTable::forward, s)) {
      INFO(row << ": " << s.n << " images, " << s.in << " to " << s.out << ", " << s.h);
      ConvPlan plan;
      plan.add({ConvTable::forward, s, row});
      const auto pack = conv_forward_kernel(blocks[0].shape, &plan).pack;
      for (int block = 1; block < blocks.count(); ++block)
        REQUIRE(conv_forward_kernel(blocks[block].shape, &plan).pack == pack);
    }
  };
  Random random(1, Purpose::test);
  for (int i = 0; i < 2000; ++i) {
    const int size = random.between(1, 40), kernel = random.chance(0.4F) ? 1 : 3;
    check(square(random.between(1, 600), random.between(1, 64), random.between(2, 64), size, kernel,
                 random.between(1, 2), 1));
  }
  // Blocks of 23 and of 24 images, of which the latter alone are enough for the row of small maps.
  check({189, 6, 6, 10, 8, 8, 33, 3, 3, 1, 2, 1, 1});
}

TEST_CASE("a session keeps to the plan that it was made under") {
  const auto net = zoo::make("resnet20", small);
  randomize_norms(*net, 1);
  const Graph graph = trace(*net, {1, 16, 16, 3});
  const Tensor x = random_tensor({8, 16, 16, 3}, 1);
  const auto result = [&](Session& session) {
    Tensor y = Tensor::uninitialized(session.output_shape());
    session.run(x.data(), y.data());
    return y;
  };
  // By the rule, then by the last rows; each is run under the other's plan as well.
  const UsePlan use{ConvPlan()};
  double ms = 1;
  const MeasuredPlan last = measure_plan(graph, by_clock([&] { return ms *= 0.9; }));
  Session by_rule(graph, {.batch = 8});
  const Tensor expected = result(by_rule);
  UsePlan::use(last.plan);
  Session planned(graph, {.batch = 8});
  const Tensor other = result(planned);
  CHECK(relative_difference(other, expected) < 1e-5);
  CHECK((max_abs_difference(other, expected) > 0) == (differing(last) > 0));
  CHECK(max_abs_difference(result(by_rule), expected) == 0);
  UsePlan::use({});
  CHECK(max_abs_difference(result(planned), other) == 0);
}

TEST_CASE("what is measured is the clock's choice, and the rule's within its noise") {
  const auto net = zoo::make("resnet20", small);
  const Graph graph = trace(*net, {1, 16, 16, 3});
  const auto before = conv_plan();
  CHECK(differing(measure_plan(graph, by_clock([] { return 1; }))) == 0);
  // Each run a little quicker than the one before it, until the last of all is by 4 %.
  double slow = 1;
  CHECK(differing(measure_plan(graph, by_clock([&] { return slow *= 0.9999; }))) == 0);
  double quick = 1;
  const MeasuredPlan last = measure_plan(graph, by_clock([&] { return quick *= 0.9; }));
  CHECK(conv_plan() == before);
  // Forward, backward-data but for the pictures, backward-weights: all shapes of the network.
  CHECK(last.choices.size() == last.plan.choices().size());
  const ConvShape first = square(8, 3, 8, 16, 3, 1, 1);
  CHECK(last.plan.row<ConvForward>(first) != nullptr);
  CHECK(last.plan.row<ConvBackwardData>(first) == nullptr);
  CHECK(last.plan.row<ConvBackwardWeights>(first) != nullptr);
  PlanOptions hurried = by_clock([] { return 1; });
  hurried.seconds = 0;
  const MeasuredPlan unmeasured = measure_plan(graph, hurried);
  CHECK(differing(unmeasured) == 0);
  CHECK(unmeasured.choices.size() == last.choices.size());
  // What a strided 1x1 layer hands to the tables again is asked for, too.
  const Graph projected = trace(*zoo::make("resnet20_b", small), {1, 16, 16, 3});
  const ConvPlan handed_on = measure_plan(projected, hurried).plan;
  for (const ConvShape& s : {square(8, 8, 16, 16, 1, 2, 1), square(8, 8, 16, 8, 1, 1, 1)}) {
    CHECK(handed_on.row<ConvBackwardData>(s) != nullptr);
  }

  // Other rows, the same training but for roundings; the same rows, the same bits.
  if (differing(last) == 0) return skip("one row alone fits");
  const std::vector<Tensor> by_rule = trained();
  const UsePlan use(parse_conv_plan(to_json(last.plan), "plan"));
  const std::vector<Tensor> planned = trained(), again = trained();
  double apart = 0;
  for (size_t i = 0; i < planned.size(); ++i) {
    apart = std::max(apart, max_abs_difference(planned[i], by_rule[i]));
    REQUIRE(max_abs_difference(planned[i], again[i]) == 0);
  }
  CHECK(apart > 0);
  CHECK(apart < 1e-3);
}

TEST_CASE("a plan goes through its text, and a training is another one under another plan") {
  const ConvShape a = square(8, 16, 24, 9, 3, 1, 1), b = square(4, 24, 24, 6, 3, 1, 6);
  const ConvPlan plan = plan_of({{ConvTable::forward, a, "im2col"},
                                 {ConvTable::backward_data, a, "col2im"},
                                 {ConvTable::backward_weights, b, "plain"}});
  const std::string text = to_json(plan);
  const ConvPlan read = parse_conv_plan(text, "plan");
  CHECK(to_json(read) == text);
  CHECK(std::string(read.row<ConvForward>(a)->name) == "im2col");
  CHECK(std::string(read.row<ConvBackwardData>(a)->name) == "col2im");
  CHECK(std::string(read.row<ConvBackwardWeights>(b)->name) == "plain");
  CHECK(read.row<ConvForward>(b) == nullptr);
  CHECK(to_json(parse_conv_plan(to_json(ConvPlan()), "plan")) == to_json(ConvPlan()));

  const Dataset data = load_dataset("synthetic", {.train_images = 8, .test_images = 4});
  const RunIdentity without = run_identity({}, data);
  const UsePlan use(plan);
  const RunIdentity with = run_identity({}, data);
  CHECK(error_of([&] { require_same_run("c", without, with); }).find("plan of convolutions") !=
        std::string::npos);
  CHECK(error_of([&] { require_same_run("c", with, run_identity({}, data)); }).empty());
}

TEST_CASE("a text that is no plan is refused in one line that says where") {
  const std::string good = to_json(plan_of({{ConvTable::forward, shapes[0], "im2col"}}));
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    return text.replace(text.find(from), from.size(), to);
  };
  const std::string choice = good.substr(good.find("{\"table"));
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"", "plan.json: "},
      {"[]", "plan.json: should be {\"format\": \"bonsai plan 1\""},
      {good.substr(0, good.size() / 2), "plan.json: "},
      {changed("plan 1", "plan 2"), "should be {\"format\""},
      {changed("\"forward\"", "\"sideways\""), "choice 1: table 'sideways' should be forward"},
      {changed("im2col", "quick"), "choice 1: plan: forward has no row 'quick'"},
      {changed("im2col", "interleaved"), "row 'interleaved' does not fit"},
      {changed("\"im2col\"", "7"), "row should be a name"},
      {changed("\"stride\":1", "\"stride\":0"), "stride should be whole numbers from 1 to"},
      {changed("\"groups\":1", "\"groups\":5"), "5 groups do not divide 16 input"},
      {changed("\"groups\":1", "\"groups\":1.5"), "groups should be whole numbers"},
      {changed("\"padding\":1", "\"padding\":-1"), "padding should be whole numbers from 0"},
      {changed("[3,3]", "[3]"), "kernel should be 2 numbers"},
      {changed("[3,3]", "[3,99999999999]"), "kernel should be whole numbers"},
      {changed("\"dilation\":1", "\"dilatation\":1"), "dilation is missing"},
      {changed(",\"stride\":1", ""), "should be a table, a convolution"},
      {changed("\"input\":[8,", "\"input\":[7,"), "input and output differ in images"},
      {changed(choice, choice.substr(0, choice.find('\n')) + "," + choice),
       "choice 2: plan: a convolution has two forward rows"}};
  for (const auto& [text, complaint] : wrong) {
    const std::string error = error_of([&] { parse_conv_plan(text, "plan.json"); });
    INFO(text << "\n" << error);
    CHECK(error.starts_with("plan.json: "));
    CHECK(error.find(complaint) != std::string::npos);
    CHECK(error.find('\n') == std::string::npos);
  }
  CHECK(error_of([&] { parse_conv_plan(good, "plan.json"); }).empty());
  ConvShape turns = shapes.back();
  turns.interleaved = true;
  CHECK(error_of([&] {
          plan_of({{ConvTable::forward, turns, "im2col"}});
        }).find("does not fit") != std::string::npos);
}
