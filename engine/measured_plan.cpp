#include "engine/measured_plan.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <tuple>
#include <utility>

#include "engine/ops/blockwise_weights.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/conv_operands.h"
#include "engine/ops/image_blocks.h"
#include "engine/parallel.h"
#include "engine/stopwatch.h"
#include "engine/storage.h"

namespace bonsai {
namespace {

struct Question {
  ConvTable table;
  ConvShape shape;
};

bool same(const Question& a, const Question& b) {
  const auto figures = [](const ConvShape& s) {
    return std::tuple(s.n, s.h, s.w, s.in, s.out_h, s.out_w, s.out, s.kh, s.kw, s.stride, s.padding,
                      s.dilation, s.groups);
  };
  return a.table == b.table && figures(a.shape) == figures(b.shape);
}

// Each once, and what a row hands to the tables again before it.
void ask(std::vector<Question>& all, ConvTable table, const ConvShape& shape) {
  const std::string row = conv_rows(table, shape).front();
  if (row == "flipped") ask(all, ConvTable::forward, conv_flipped(shape));
  if (row == "subsampled") ask(all, table, conv_subsampled_dense(shape));
  const Question question{table, shape};
  if (std::none_of(all.begin(), all.end(), [&](const Question& q) { return same(q, question); }))
    all.push_back(question);
}

std::vector<Question> questions(const Graph& graph, const PlanOptions& options) {
  std::vector<Question> all;
  const std::vector<Shape> shapes = graph.shapes();
  for (const Node& node : graph.nodes) {
    const auto conv = plain_conv2d(*node.op);
    if (!conv) continue;
    const auto shape_of = [&](int value) { return shapes[static_cast<size_t>(value)]; };
    ConvShape s = conv_shape(*conv, shape_of(node.in[0]), shape_of(node.in[1]), shape_of(node.out));
    s.n = options.batch;
    ask(all, ConvTable::forward, s);
    if (!options.training) continue;
    if (node.in[0] != graph.input) ask(all, ConvTable::backward_data, s);
    ask(all, ConvTable::backward_weights, s);
  }
  return all;
}

// Memory for all trials, as large as the largest needs: ones to read, and room for results.
struct Operands {
  Tensor x, w, y, result;

  explicit Operands(const std::vector<Question>& all) {
    int64_t most_x = 0, most_w = 0, most_y = 0;
    for (const auto& [table, s] : all) {
      most_x = std::max(most_x, int64_t{s.n} * s.h * s.w * s.in);
      most_w = std::max(most_w, weights(s));
      most_y = std::max(most_y, s.pixels() * s.out);
    }
    x = ones(most_x), w = ones(most_w), y = ones(most_y);
    result = ones(std::max({most_x, most_w, most_y}));
  }

  static int64_t weights(const ConvShape& s) { return int64_t{s.out} * s.depth(); }
  static Tensor ones(int64_t count) {
    constexpr int columns = 1 << 10;
    return Tensor({static_cast<int>(count / columns) + 1, columns}, 1);
  }
};

// A convolution, to be run by the plan of the process.
class Trial {
 public:
  Trial(const Question& question, const Operands& operands, bool training)
      : table_(question.table),
        shape_(question.shape),
        operands_(operands),
        training_(training),
        cut_(shape_) {}

  // Weights of a session are packed once, which is not a part of what is timed.
  std::function<void()> run() const {
    const Tensor kept = training_ ? Tensor() : packed();
    switch (table_) {
      case ConvTable::forward:
        return [this, kept] { forward(kept.defined() ? kept : packed()); };
      case ConvTable::backward_data:
        return [this] { backward_data(packed()); };
      case ConvTable::backward_weights:
        return [this] { backward_weights(); };
    }
    return {};
  }

 private:
  int blocks() const { return training_ ? cut_.count() : 1; }
  ImageBlock block(int64_t i) const {
    return training_ ? cut_[static_cast<int>(i)] : ImageBlock{shape_, 0, 0};
  }
  const Scalar* x(const ImageBlock& block) const {
    return operands_.x.data() + block.in_row * shape_.in;
  }
  const Scalar* y(const ImageBlock& block) const {
    return operands_.y.data() + block.out_row * shape_.out;
  }
  const Scalar* w() const { return operands_.w.data(); }
  Scalar* result(int64_t first) const { return operands_.result.data() + first; }

  Tensor packed() const {
    return table_ == ConvTable::backward_data ? conv_pack_backward_data(block(0).shape, w())
                                              : conv_pack(block(0).shape, w());
  }

  void forward(const Tensor& packed) const {
    parallel_chunks(blocks(), [&](int64_t i) {
      const ImageBlock b = block(i);
      conv_forward({.shape = b.shape,
                    .x = x(b),
                    .w = w(),
                    .b = nullptr,
                    .y = result(b.out_row * shape_.out),
                    .packed = packed.data()});
    });
  }

  void backward_data(const Tensor& packed) const {
    parallel_chunks(blocks(), [&](int64_t i) {
      const ImageBlock b = block(i);
      conv_backward_data({.shape = b.shape,
                          .dy = y(b),
                          .w = w(),
                          .dx = result(b.in_row * shape_.in),
                          .packed = packed.data()});
    });
  }

  void backward_weights() const {
    Tensor dw = operands_.result;
    const Gradient gradient{.tensor = &dw};
    BlockwiseWeights weights(shape_, cut_, gradient);
    parallel_chunks(weights.shares(), [&](int64_t chunk) {
      const auto share = static_cast<int>(chunk);
      for (int i = weights.first(share); i < weights.first(share + 1); ++i)
        conv_backward({}, weights.of_block(share, i, x(cut_[i]), y(cut_[i])));
    });
    weights.end(operands_.x.data(), operands_.y.data());
  }

  ConvTable table_;
  ConvShape shape_;
  const Operands& operands_;
  bool training_;
  ImageBlocks cut_;
};

struct Row {
  std::string name;
  double seconds = std::numeric_limits<double>::infinity();
};

bool is_quicker(const Row& a, const Row& b) { return a.seconds < b.seconds; }

class Measuring {
 public:
  Measuring(const std::vector<Question>& all, const PlanOptions& options)
      : operands_(all), options_(options) {
    if (options_.clock) return;
    options_.clock = [](const std::function<void()>& run) {
      const Stopwatch watch;
      run();
      return watch.seconds();
    };
  }
  ~Measuring() { set_conv_plan(before_); }
  Measuring(const Measuring&) = delete;
  Measuring& operator=(const Measuring&) = delete;

  // `left`: how many questions share the time that is left, this one among them.
  void answer(const Question& question, size_t left) {
    constexpr double enough = 0.95;
    std::vector<Row> rows = fitting(question);
    const double share = (options_.seconds - spent_) / static_cast<double>(left);
    if (rows.size() > 1 && share > 0) rows = promising(question, std::move(rows));
    if (rows.size() > 1 && share > 0) compare(question, rows, share);
    const Row rule = rows.front();
    const Row quickest = *std::min_element(rows.begin(), rows.end(), is_quicker);
    const Row& taken = quickest.seconds < enough * rule.seconds ? quickest : rule;
    const ConvChoice choice{question.table, question.shape, taken.name};
    measured_.plan.add(choice);
    measured_.choices.push_back({.choice = choice,
                                 .rule = rule.name,
                                 .seconds = taken.seconds,
                                 .rule_seconds = rule.seconds});
  }

  const MeasuredPlan& measured() const { return measured_; }

 private:
  // The first is the rule's.
  static std::vector<Row> fitting(const Question& question) {
    std::vector<Row> rows;
    for (std::string& name : conv_rows(question.table, question.shape))
      if (rows.empty() || name != "plain") rows.push_back({.name = std::move(name)});
    return rows;
  }

  // Without those that take twice as long for a part of the batch.
  std::vector<Row> promising(Question question, std::vector<Row> rows) {
    constexpr int part = 4;
    constexpr double hopeless = 2;
    question.shape.n = std::max(1, question.shape.n / part);
    const std::vector<std::string> names = conv_rows(question.table, question.shape);
    const Trial trial(question, operands_, options_.training);
    time(question, trial, names.front());  // brings the memory near
    std::vector<Row> timed;
    for (const std::string& name : names)
      if (name != "plain") timed.push_back({name, time(question, trial, name)});
    const double least = std::min_element(timed.begin(), timed.end(), is_quicker)->seconds;
    const std::string rule = rows.front().name;
    for (const Row& slow : timed) {
      if (slow.seconds > hopeless * least && slow.name != rule)
        std::erase_if(rows, [&](const Row& row) { return row.name == slow.name; });
    }
    return rows;
  }

  // The least of several runs of each, in turns.
  void compare(const Question& question, std::vector<Row>& rows, double share) {
    constexpr int least_rounds = 3, most_rounds = 20;
    const Trial trial(question, operands_, options_.training);
    const double end = spent_ + share;
    for (int round = 0; round < most_rounds && (round < least_rounds || spent_ < end); ++round)
      for (Row& row : rows) row.seconds = std::min(row.seconds, time(question, trial, row.name));
  }

  double time(const Question& question, const Trial& trial, const std::string& row) {
    auto plan = std::make_shared<ConvPlan>(measured_.plan);
    plan->add({question.table, question.shape, row});
    set_conv_plan(std::move(plan));
    const double seconds = options_.clock(trial.run());
    spent_ += seconds;
    return seconds;
  }

  Operands operands_;
  PlanOptions options_;
  std::shared_ptr<const ConvPlan> before_ = conv_plan();
  double spent_ = 0;
  MeasuredPlan measured_;
};

}  // namespace

MeasuredPlan measure_plan(const Graph& graph, const PlanOptions& options) {
  const std::vector<Question> all = questions(graph, options);
  MeasuredPlan measured;
  {
    Measuring measuring(all, options);
    for (size_t i = 0; i < all.size(); ++i) measuring.answer(all[i], all.size() - i);
    measured = measuring.measured();
  }
  release_cached_storage();  // sizes that a step has no use for
  return measured;
}

}  // namespace bonsai
