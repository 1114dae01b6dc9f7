// Distillation: a student learns from a teacher's answers besides the labels, and may be shown what
// the teacher makes of a picture on the way. The losses add up, each with a weight:
//   labels     cross-entropy of the student's answers and the labels;
//   answers    T^2 KL(softmax(teacher / T), softmax(student / T)), Hinton et al. 2015,
//              arXiv:1503.02531: which wrong classes are near ones;
//   hints      mean of (r(student's layer) - teacher's layer)^2, r a 1x1 convolution that is learnt
//              along and left behind, Romero et al. 2015, "FitNets", arXiv:1412.6550. Alone, with
//              weights of 0 for labels and answers, they are that paper's first stage: nothing
//              behind the hinted layers gets a gradient;
//   attention  half the mean of (attention map of the student's layer - that of the teacher's)^2,
//              Zagoruyko and Komodakis 2017, arXiv:1612.03928, which needs no r. As in the authors'
//              program the mean is over all pixels, so the usual weight is as large as 1000.
// Layers of different height or width are compared after average pooling to the smaller one.
// A pruned network keeps the layers of the one that it was pruned from, which makes a teacher for
// it that fits everywhere.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "compress/teacher.h"
#include "engine/graph.h"
#include "layers/basic.h"
#include "layers/objective.h"

namespace bonsai {

// Layers that are compared, by their names in either network (Graph::node_name).
struct LayerPair {
  std::string student, teacher;
};

struct DistillationOptions {
  float temperature = 4;
  float labels = 0.1F, answers = 0.9F;  // weights; that of anything may be 0
  std::vector<LayerPair> hints = {}, attention = {};
  float hint_weight = 10, attention_weight = 1000;
  uint64_t seed = 1;  // of the regressors' weights
};

// The ends of the networks' stages, in order (compress/stages.h). Throws Error when they have
// different numbers of them.
std::vector<LayerPair> stage_pairs(const Graph& student, const Graph& teacher);

// [1] from two layers' results, [N, H, W, C] and [N, H', W', C'].
Var attention_loss(Var student, Var teacher);

class Distillation : public Objective {
 public:
  // The student is the network that is trained; it must outlive this. Throws Error on a layer that
  // does not exist or has no map, on a weight below 0, and when no weight is above.
  Distillation(Graph& student, const Graph& teacher, const Dataset& data,
               const DistillationOptions& options);

  // Asks the teacher once about each training picture and never again, which is right when pictures
  // are not augmented; those of batches that are stay an Error. Does nothing when the teacher's
  // layers are looked at. `progress`, after every few pictures, may throw to end it.
  void remember(const Dataset& data, const std::function<void(int done, int total)>& progress = {});

  // `net` must be the student.
  Recorded record(Tape& tape, Layer& net, const Batch& batch, float smoothing) override;
  std::vector<Parameter*> parameters() override;  // the regressors', "hint.0.weight" and so on
  RunIdentity identity() const override;

  double teacher_seconds() const { return teacher_seconds_; }  // spent on asking in steps

 private:
  struct Compared {
    int student;   // value
    size_t taken;  // position in Answer::taps
  };
  std::vector<Compared> find(const std::vector<LayerPair>& pairs, const Graph& teacher,
                             std::vector<int>& taps) const;
  void make_regressors(const Graph& teacher, const std::vector<int>& taps);
  // What is compared, as maps of one size.
  std::pair<Var, Var> compared(const Compared& layers, const std::vector<Var>& student,
                               const Answer& answer) const;
  bool asks() const;
  Answer ask(const Batch& batch);

  Graph& student_;
  DistillationOptions options_;
  std::vector<Compared> hints_, attention_;
  std::optional<Teacher> teacher_;
  Sequential regressors_;
  std::vector<Conv2d*> regressor_;  // per hint
  Tensor remembered_;               // [pictures, classes]; undefined: none
  double teacher_seconds_ = 0;
};

}  // namespace bonsai
