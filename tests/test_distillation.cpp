// Learning from a teacher: what it must not change, where gradients must not go, what must not be
// saved, and that it can be stopped and resumed.
#include "compress/distillation.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "compress/stages.h"
#include "data/hash.h"
#include "engine/error.h"
#include "engine/file.h"
#include "engine/ops.h"
#include "engine/tensor_file.h"
#include "tests/catch.h"
#include "tests/compare_graphs.h"
#include "tests/error_of.h"
#include "tests/train_fixture.h"
#include "zoo/zoo.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

Graph small_graph(uint64_t seed = 1, int width = 8) {
  SmallNet net(seed, width);
  return trace(net, small_data().input_shape());
}

uint64_t hash_of(Graph& graph) {
  Hash hash;
  for (const Parameter* p : graph.parameters()) {
    hash.add(p->value.data(), p->value.size() * sizeof(Scalar));
  }
  return hash.value();
}

// With running statistics that differ from those of a batch.
const Graph& small_teacher() {
  static const Graph teacher = [] {
    Graph graph = small_graph(7, 12);
    fit(graph, small_data(), {.epochs = 2, .batch = 24, .lr = 0.05F});
    return graph;
  }();
  return teacher;
}

std::string relu_of(const Graph& graph, int which) {
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    if (graph.nodes[n].op->name() == "relu" && which-- == 0) return graph.node_name(n);
  }
  throw Error("no such relu");
}

std::vector<LayerPair> hint_at(const Graph& student, int which) {
  return {{relu_of(student, which), relu_of(small_teacher(), which)}};
}

uint64_t distilled(const TrainOptions& training, const DistillationOptions& options,
                   bool remembers = false) {
  Graph student = small_graph();
  Distillation lessons(student, small_teacher(), small_data(), options);
  if (remembers) lessons.remember(small_data());
  TrainOptions with = training;
  with.objective = &lessons;
  const TrainResult result = fit(student, small_data(), with);
  return fingerprint(student, result);
}

Batch batch_of(int n, bool augmented = false) {
  Loader loader(small_data().train, small_data().mean, small_data().std,
                {.batch = n, .augment = augmented ? Augment{} : Augment::none()});
  Batch batch;
  loader.start(0);
  loader.next(batch);
  return batch;
}

}  // namespace

TEST_CASE("a teacher answers as its network does in inference, in batches of any size") {
  Graph graph = small_teacher();
  const uint64_t before = hash_of(graph);
  const std::vector<int> values = {value_named(graph, relu_of(graph, 0), "it"),
                                   value_named(graph, "net.block2.conv", "it")};
  const Teacher teacher(graph, values, small_data());
  for (const int n : {1, 5, 24}) {
    const Tensor images = batch_of(n).images;
    const Answer answer = teacher.answer(images);
    CHECK(relative_difference(answer.logits, run(graph, images)) < 1e-5);
    const std::vector<Tensor> expected = taps(graph, images, values);
    for (size_t i = 0; i < values.size(); ++i) {
      CHECK(relative_difference(answer.taps[i], expected[i]) < 1e-5);
    }
    CHECK(max_abs_difference(teacher.answer(images).logits, answer.logits) == 0);
  }
  CHECK(hash_of(graph) == before);
  Tape tape(Mode::training);  // what a teacher that is not in inference mode would say
  const Tensor images = batch_of(24).images;
  const Tensor other = graph.forward(tape.constant(images)).value().clone();
  CHECK(relative_difference(teacher.answer(images).logits, other) > 1e-2);
  CHECK(hash_of(graph) != before);
}

TEST_CASE("a teacher sees pictures as it was trained to see them") {
  Graph graph = small_teacher();
  Dataset data = small_data();
  graph.info = data.info("small");
  for (float& mean : data.mean) mean += 0.1F;
  data.std = {0.2F, 0.4F, 0.5F};
  const Images& images = data.train;
  const auto first = [&](const Dataset& as) {
    Loader loader(images, as.mean, as.std, {.batch = 8});
    Batch batch;
    loader.start(0);
    loader.next(batch);
    return batch.images;
  };
  const Tensor expected = run(graph, first(small_data()));
  CHECK(relative_difference(Teacher(graph, {}, data).answer(first(data)).logits, expected) < 1e-5);
  graph.info = {};  // says nothing: pictures are taken as they are
  CHECK(relative_difference(Teacher(graph, {}, data).answer(first(data)).logits, expected) > 1e-2);
}

TEST_CASE("without weight for the teacher, distillation is the plain training to the bit") {
  TrainOptions training = small_options();
  Graph plain = small_graph();
  const TrainResult result = fit(plain, small_data(), training);
  const uint64_t expected = fingerprint(plain, result);
  CHECK(distilled(training, {.labels = 1, .answers = 0}) == expected);
  CHECK(distilled(training, {.labels = 0.9F, .answers = 0.1F}) != expected);
}

TEST_CASE("a student learns from answers alone what labels never told it") {
  Graph student = small_graph();
  Graph teacher = small_teacher();
  Dataset data = small_data();
  std::fill(data.train.labels.begin(), data.train.labels.end(), 0);
  Distillation lessons(student, teacher, data, {.labels = 0, .answers = 1});
  TrainOptions training{.epochs = 12, .batch = 24, .lr = 0.05F, .augment = Augment::none()};
  training.objective = &lessons;
  const uint64_t before = hash_of(teacher);
  const TrainResult result = fit(student, data, training);
  CHECK(hash_of(teacher) == before);
  CHECK(result.history.back().loss < 0.3 * result.history.front().loss);
  CHECK(lessons.teacher_seconds() > 0);
  const Tensor images = batch_of(72).images;
  const Tensor ours = run(student, images), theirs = run(teacher, images);
  int agree = 0;
  for (size_t i = 0; i < 72; ++i) {
    agree += argmax(ours.data() + 10 * i, 10) == argmax(theirs.data() + 10 * i, 10) ? 1 : 0;
  }
  CHECK(agree > 54);
}

TEST_CASE("hints alone reach no layer behind them, and the regressor learns along") {
  Graph student = small_graph();
  Distillation lessons(student, small_teacher(), small_data(),
                       {.labels = 0, .answers = 0, .hints = hint_at(student, 0)});
  Tape tape(Mode::training);
  tape.backward(lessons.record(tape, student, batch_of(24), 0).loss);
  for (const Parameter* p : student.parameters()) {
    INFO(p->name);
    const bool before = p->name.find("block1") != std::string::npos && p->trainable;
    CHECK(p->grad.defined() == before);
  }
  REQUIRE(lessons.parameters().size() == 2);
  CHECK(lessons.parameters()[0]->value.shape() == Shape{12, 1, 1, 8});
  for (const Parameter* p : lessons.parameters()) CHECK(p->grad.defined());
  clear_gradients(student.parameters());
  clear_gradients(lessons.parameters());

  // With labels, everything learns: the check above can fail.
  Distillation both(student, small_teacher(), small_data(), {.hints = hint_at(student, 0)});
  Tape other(Mode::training);
  other.backward(both.record(other, student, batch_of(24), 0).loss);
  for (const Parameter* p : student.parameters()) CHECK(p->grad.defined() == p->trainable);
}

TEST_CASE("hints and attention train; regressors are in the checkpoint, not in the model") {
  const Folder folder;
  Graph student = small_graph();
  Distillation lessons(
      student, small_teacher(), small_data(),
      {.hints = hint_at(student, 1), .attention = stage_pairs(student, small_teacher())});
  const Tensor before = lessons.parameters()[0]->value.clone();
  TrainOptions training = small_options();
  training.folder = folder.path();
  training.objective = &lessons;
  const TrainResult result = fit(student, small_data(), training);
  CHECK(result.history.back().loss < result.history.front().loss);
  CHECK(max_abs_difference(lessons.parameters()[0]->value, before) > 0);
  const auto names_hint = [](const std::string& file) {
    const auto tensors = read_tensor_file(file).tensors;
    return std::any_of(tensors.begin(), tensors.end(),
                       [](const auto& t) { return t.first.find("hint.0") != std::string::npos; });
  };
  const std::string model = (folder / "model.bonsai").string();
  save(model, student);
  CHECK_FALSE(names_hint(model));
  CHECK(names_hint((folder / "checkpoint.bonsai").string()));
  CHECK(load(model).parameters().size() == small_graph().parameters().size());
}

TEST_CASE("distillation that is stopped and resumed gives the same bits") {
  const DistillationOptions options{.hints = hint_at(small_graph(), 0),
                                    .attention = hint_at(small_graph(), 1)};
  TrainOptions training = small_options();
  training.ema = 0.9F;
  const uint64_t unbroken = distilled(training, options);
  const Folder folder;
  training.folder = folder.path();
  training.resume = true;
  std::atomic<bool> stop = false;
  training.stop = &stop;
  training.progress = [&](const Progress& p) { stop = p.epoch == 2 && p.done == 48; };
  distilled(training, options);
  stop = false;
  training.progress = {};
  CHECK(distilled(training, options) == unbroken);

  const auto refused = [&](const DistillationOptions& others) {
    return error_of([&] { distilled(training, others); });
  };
  DistillationOptions warmer = options;
  warmer.temperature = 5;
  CHECK(refused(warmer).find("temperature was 4, is now 5") != std::string::npos);
  CHECK(error_of([&] {
          Graph student = small_graph();
          fit(student, small_data(), training);
        }).find("is now nothing") != std::string::npos);
}

TEST_CASE("remembered answers are those that asking gives, for pictures that are not augmented") {
  TrainOptions training = small_options();
  training.augment = Augment::none();
  const Tensor images = batch_of(24).images;
  const auto loss = [&](bool remembers, bool augmented) {
    Graph student = small_graph();
    Distillation lessons(student, small_teacher(), small_data(), {});
    if (remembers) lessons.remember(small_data());
    Tape tape(Mode::training);
    return lessons.record(tape, student, batch_of(24, augmented), 0).loss.value().item();
  };
  CHECK(loss(true, false) == Approx(loss(false, false)).epsilon(1e-5));
  CHECK(error_of([&] { loss(true, true); }) ==
        "distillation: the teacher's answers are remembered, but the batch was augmented");
  CHECK(distilled(training, {}, true) == distilled(training, {}, true));
}

namespace {

// Whether some way leads from the input to the output past this value.
bool can_be_avoided(const Graph& graph, int value) {
  std::set<int> reached = {graph.input};
  for (const Node& node : graph.nodes) {
    const bool reads =
        std::any_of(node.in.begin(), node.in.end(), [&](int v) { return reached.count(v) != 0; });
    if (reads && node.out != value) reached.insert(node.out);
  }
  return reached.count(graph.output) != 0;
}

}  // namespace

TEST_CASE("stages end at the last value of their size that no way avoids") {
  for (const char* name : {"resnet20", "vgg_small", "densenet40", "mobilenet_v2", "shufflenet"}) {
    INFO(name);
    const Graph graph =
        trace(*zoo::make(name, {.classes = 10, .width = 0.25F, .weights = false}), {1, 32, 32, 3});
    std::map<int, int> expected;  // by height
    for (const Node& node : graph.nodes) {
      const Shape& shape = graph.values[static_cast<size_t>(node.out)].shape;
      if (shape.size() == 4 && shape[1] > 1 && !can_be_avoided(graph, node.out))
        expected[-shape[1]] = node.out;
    }
    std::vector<int> last;
    for (const auto& [height, value] : expected) last.push_back(value);
    CHECK(stage_ends(graph) == last);
    CHECK(last.size() >= 3);
  }
}

TEST_CASE("distillation names what does not fit") {
  Graph student = small_graph();
  const auto made = [&](const Graph& teacher, const DistillationOptions& options) {
    return error_of([&] { Distillation(student, teacher, small_data(), options); });
  };
  CHECK(made(small_teacher(), {.labels = 0, .answers = 0}) ==
        "distillation: all weights are 0, one should be above");
  CHECK(made(small_teacher(), {.labels = -1}) ==
        "distillation: the weight of labels is -1, should not be negative");
  CHECK(made(small_teacher(), {.hints = {{"net.block9.conv", "net.block1.conv"}}})
            .find("the student has no layer 'net.block9.conv'") == 0);
  CHECK(made(small_teacher(), {.hints = {{"net.head", "net.head"}}}) ==
        "distillation: net.head has shape [1, 10], should be a map [N, H, W, C]");
  const Graph larger =
      trace(*zoo::make("vgg_small", {.classes = 10, .width = 0.125F}), {1, 32, 32, 3});
  CHECK(made(larger, {}) ==
        "teacher: reads pictures of shape [1, 32, 32, 3], the student learns from [1, 16, 16, 3]");
  Graph broken = small_teacher();
  broken.parameters().back()->value.fill(NAN);
  CHECK(error_of([&] { Teacher(broken, {}, small_data()).answer(batch_of(2).images); }) ==
        "teacher: its answer to picture 0 of the batch is not finite");
}
