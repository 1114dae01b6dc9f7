#include "compress/distillation.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "compress/stages.h"
#include "engine/error.h"
#include "engine/ops.h"

namespace bonsai {
namespace {

using Clock = std::chrono::steady_clock;

std::string text(float number) { return join(number); }

std::string text(const std::vector<LayerPair>& pairs) {
  std::string all;
  for (const auto& [student, teacher] : pairs) {
    all += (all.empty() ? "" : " ") + student + "=" + teacher;
  }
  return all;
}

void check(const DistillationOptions& o) {
  const std::pair<const char*, float> weights[] = {{"labels", o.labels},
                                                   {"answers", o.answers},
                                                   {"hints", o.hint_weight},
                                                   {"attention", o.attention_weight}};
  for (const auto& [what, weight] : weights) {
    require(weight >= 0 && std::isfinite(weight), "distillation: the weight of ", what, " is ",
            weight, ", should not be negative");
  }
  const bool hints = !o.hints.empty() && o.hint_weight > 0,
             attention = !o.attention.empty() && o.attention_weight > 0;
  require(o.labels > 0 || o.answers > 0 || hints || attention,
          "distillation: all weights are 0, one should be above");
}

const Shape& map_shape(const Graph& graph, int value, const std::string& name) {
  const Shape& shape = graph.values[static_cast<size_t>(value)].shape;
  require(shape.size() == 4, "distillation: ", name, " has shape ", shape,
          ", should be a map [N, H, W, C]");
  return shape;
}

// Both as [N, h, w, C] with the smaller height and the smaller width.
std::pair<Var, Var> of_one_size(Var a, Var b) {
  const int h = std::min(a.shape()[1], b.shape()[1]), w = std::min(a.shape()[2], b.shape()[2]);
  const auto pooled = [&](Var x) {
    return x.shape()[1] == h && x.shape()[2] == w ? x : adaptive_average_pool(x, h, w);
  };
  return {pooled(a), pooled(b)};
}

}  // namespace

std::vector<LayerPair> stage_pairs(const Graph& student, const Graph& teacher) {
  const auto names = [](const Graph& graph) {
    std::vector<std::string> all;
    for (const int end : stage_ends(graph)) {
      for (size_t n = 0; n < graph.nodes.size(); ++n) {
        if (graph.nodes[n].out == end) all.push_back(graph.node_name(n));
      }
    }
    return all;
  };
  const std::vector<std::string> ours = names(student), theirs = names(teacher);
  require(ours.size() == theirs.size() && !ours.empty(), "distillation: the student has ",
          ours.size(), " stages, the teacher ", theirs.size(), ": name the layers to compare");
  std::vector<LayerPair> pairs;
  for (size_t i = 0; i < ours.size(); ++i) pairs.push_back({ours[i], theirs[i]});
  return pairs;
}

Var attention_loss(Var student, Var teacher) {
  const auto [s, t] = of_one_size(student, teacher);
  return scale(mean_squared_error(attention_map(s), attention_map(t)), 0.5F);
}

Distillation::Distillation(Graph& student, const Graph& teacher, const Dataset& data,
                           const DistillationOptions& options)
    : student_(student), options_(options) {
  check(options);
  std::vector<int> taps;
  if (options.hint_weight > 0) hints_ = find(options.hints, teacher, taps);
  if (options.attention_weight > 0) attention_ = find(options.attention, teacher, taps);
  make_regressors(teacher, taps);
  teacher_.emplace(teacher, std::move(taps), data);
}

std::vector<Distillation::Compared> Distillation::find(const std::vector<LayerPair>& pairs,
                                                       const Graph& teacher,
                                                       std::vector<int>& taps) const {
  std::vector<Compared> found;
  for (const LayerPair& pair : pairs) {
    const int ours = value_named(student_, pair.student, "the student"),
              theirs = value_named(teacher, pair.teacher, "the teacher");
    map_shape(student_, ours, pair.student);
    map_shape(teacher, theirs, pair.teacher);
    found.push_back({.student = ours, .taken = taps.size()});
    taps.push_back(theirs);
  }
  return found;
}

void Distillation::make_regressors(const Graph& teacher, const std::vector<int>& taps) {
  for (size_t i = 0; i < hints_.size(); ++i) {
    Random init(options_.seed, Purpose::init, 1 + i);
    const auto channels = [](const Graph& graph, int value) {
      return graph.values[static_cast<size_t>(value)].shape.back();
    };
    regressor_.push_back(&regressors_.add_named<Conv2d>(
        join("hint.", i), channels(student_, hints_[i].student),
        channels(teacher, taps[hints_[i].taken]), 1, ConvOptions{}, init));
  }
}

bool Distillation::asks() const {
  return options_.answers > 0 || !hints_.empty() || !attention_.empty();
}

void Distillation::remember(const Dataset& data, const std::function<void(int, int)>& progress) {
  if (!hints_.empty() || !attention_.empty() || !asks()) return;
  remembered_ = teacher_->logits(data.train, data, progress);
}

Answer Distillation::ask(const Batch& batch) {
  if (!remembered_.defined()) return teacher_->answer(batch.images);
  const int classes = remembered_.dim(1), n = batch.images.dim(0);
  require(static_cast<int>(batch.places.size()) == n,
          "distillation: the teacher's answers are remembered, but the batch was augmented");
  Answer answer{Tensor::uninitialized({n, classes}), {}};
  Scalar* to = answer.logits.data();
  for (const int place : batch.places) {
    require(place >= 0 && place < remembered_.dim(0), "distillation: picture ", place, " of ",
            remembered_.dim(0), " that the teacher has seen");
    to = std::copy_n(remembered_.data() + static_cast<size_t>(place) * static_cast<size_t>(classes),
                     classes, to);
  }
  return answer;
}

std::pair<Var, Var> Distillation::compared(const Compared& layers, const std::vector<Var>& student,
                                           const Answer& answer) const {
  const Var ours = student[static_cast<size_t>(layers.student)];
  return of_one_size(ours, ours.tape().constant(answer.taps[layers.taken]));
}

Recorded Distillation::record(Tape& tape, Layer& net, const Batch& batch, float smoothing) {
  require(&net == &student_, "distillation: another network is trained than the student");
  const auto start = Clock::now();
  Answer answer;
  if (asks()) answer = ask(batch);
  teacher_seconds_ += std::chrono::duration<double>(Clock::now() - start).count();

  const std::vector<Var> values = replay(student_, tape.constant(batch.images));
  const Var logits = values[static_cast<size_t>(student_.output)];
  Var loss;
  const auto add_term = [&](Var term, float weight) {
    if (weight != 1) term = scale(term, weight);
    loss = loss ? add(loss, term) : term;
  };
  if (options_.labels > 0) {
    add_term(cross_entropy(logits, tape.constant(batch.labels), smoothing), options_.labels);
  }
  if (options_.answers > 0) {
    add_term(distillation_loss(logits, tape.constant(answer.logits), options_.temperature),
             options_.answers);
  }
  for (size_t i = 0; i < hints_.size(); ++i) {
    const auto [ours, theirs] = compared(hints_[i], values, answer);
    const std::vector<Parameter*> r = regressor_[i]->parameters();  // weight, bias
    add_term(hint_loss(ours, tape.use(*r[0]), tape.use(*r[1]), theirs), options_.hint_weight);
  }
  for (const Compared& layers : attention_) {
    const auto [ours, theirs] = compared(layers, values, answer);
    add_term(attention_loss(ours, theirs), options_.attention_weight);
  }
  return {logits, loss};
}

std::vector<Parameter*> Distillation::parameters() { return regressors_.parameters(); }

RunIdentity Distillation::identity() const {
  RunIdentity id = {{"teacher", teacher_->checksum()},
                    {"weight of labels", text(options_.labels)},
                    {"weight of the teacher's answers", text(options_.answers)},
                    {"temperature", text(options_.temperature)},
                    {"teacher's answers remembered", remembered_.defined() ? "yes" : "no"}};
  if (!hints_.empty()) {
    id["hints"] = text(options_.hints);
    id["weight of hints"] = text(options_.hint_weight);
  }
  if (!attention_.empty()) {
    id["attention"] = text(options_.attention);
    id["weight of attention"] = text(options_.attention_weight);
  }
  return id;
}

}  // namespace bonsai
