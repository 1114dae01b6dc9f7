#include "layers/step.h"

#include <atomic>
#include <bit>
#include <cmath>
#include <type_traits>

#include "engine/parallel.h"
#include "engine/simd.h"
#include "engine/stopwatch.h"
#include "layers/evaluate.h"

namespace bonsai {
namespace {

using Bits = std::conditional_t<sizeof(Scalar) == 4, uint32_t, uint64_t>;
constexpr Bits exponent_bits = sizeof(Scalar) == 4 ? Bits{0x7F800000} : Bits(0x7FF0000000000000);

// Infinite and undefined numbers have all bits of the exponent set. Integer arithmetic, so that
// the loop is as fast as memory and no compiler option can talk it away.
BONSAI_SIMD Bits not_finite(const Scalar* x, int64_t n) {
  Bits found = 0;
  for (int64_t i = 0; i < n; ++i) {
    found |= (std::bit_cast<Bits>(x[i]) & exponent_bits) == exponent_bits ? Bits{1} : Bits{0};
  }
  return found;
}

bool is_finite(const Tensor& t) {
  std::atomic<bool> finite = true;
  parallel_ranges(static_cast<int64_t>(t.size()), 1 << 16, [&](int64_t begin, int64_t end) {
    if (not_finite(t.data() + begin, end - begin) != 0) finite = false;
  });
  return finite;
}

bool all_finite(const std::vector<Parameter*>& parameters) {
  for (const Parameter* p : parameters) {
    if (!is_finite(p->value) || (p->grad.defined() && !is_finite(p->grad))) return false;
  }
  return true;
}

// "3 of 4096 numbers": how many of a tensor's are not finite.
std::string count_text(const Tensor& t) {
  size_t count = 0;
  for (size_t i = 0; i < t.size(); ++i) count += std::isfinite(t[i]) ? 0 : 1;
  return join(count, " of ", t.size(), " numbers are not finite");
}

// "conv2d 'features.3'", or "relu (operation 5)" when it has no parameter to name it.
std::string describe(const Tape& tape, size_t index) {
  const Node& node = tape.nodes()[index];
  for (const int v : node.in) {
    const Parameter* p = tape.values()[static_cast<size_t>(v)].parameter;
    if (p == nullptr) continue;
    const size_t dot = p->name.rfind('.');
    return join(node.op->name(), " '", dot == std::string::npos ? p->name : p->name.substr(0, dot),
                "'");
  }
  return join(node.op->name(), " (operation ", index, ")");
}

// What went wrong first in a recorded forward pass; empty when all of it is finite. Buffers are
// left out: training does not read them, and the pass before may have spoilt them already.
std::string fault_in_forward(const Tape& tape) {
  for (size_t n = 0; n < tape.nodes().size(); ++n) {
    const Node& node = tape.nodes()[n];
    for (const int v : node.in) {
      const Tape::Value& value = tape.values()[static_cast<size_t>(v)];
      if (value.parameter != nullptr && value.parameter->trainable && !is_finite(value.data)) {
        return join(value.parameter->name, ", read by ", describe(tape, n), ": ",
                    count_text(value.data), "; all that was computed before it is finite");
      }
    }
    const Tensor& out = tape.values()[static_cast<size_t>(node.out)].data;
    if (!is_finite(out)) {
      return join("result of ", describe(tape, n), ": ", count_text(out),
                  "; all that it read is finite");
    }
  }
  return {};
}

// Backward goes from the last layer to the first: the last parameter was spoilt first.
std::string fault_in_gradients(const std::vector<Parameter*>& parameters) {
  for (size_t i = parameters.size(); i-- > 0;) {
    const Parameter& p = *parameters[i];
    if (p.grad.defined() && !is_finite(p.grad)) {
      return join("gradient of ", p.name, ": ", count_text(p.grad), "; the forward pass is finite");
    }
  }
  for (const Parameter* p : parameters) {
    if (!is_finite(p->value)) return join(p->name, ": ", count_text(p->value));
  }
  return "the loss is not finite";
}

Recorded record(Tape& tape, Layer& net, const Batch& batch, const StepOptions& options) {
  Classification classification;
  Objective& objective = options.objective ? *options.objective : classification;
  return objective.record(tape, net, batch, options.label_smoothing);
}

// The pass is repeated, for backward has freed its values. Its random numbers are the same.
[[noreturn]] void diagnose(Layer& net, const Batch& batch, const StepOptions& options) {
  Tape tape(Mode::training, options.seed, static_cast<uint64_t>(options.step));
  tape.keep_all();
  record(tape, net, batch, options).loss.value();
  const std::vector<Parameter*> parameters = learnt_parameters(net, options.objective);
  std::string fault;
  if (!is_finite(batch.images)) {
    fault = join("pictures: ", count_text(batch.images));
  } else {
    fault = fault_in_forward(tape);
  }
  if (fault.empty()) fault = fault_in_gradients(parameters);
  clear_gradients(parameters);
  throw Diverged(join("training diverged in step ", options.step + 1, ": ", fault));
}

// Tells of the time since it was made, or last told, if there is somebody to tell.
class Phases {
 public:
  explicit Phases(StepObserver* observer) : observer_(observer), watch_(observer != nullptr) {}

  void end(std::string_view what) {
    if (observer_ == nullptr) return;
    observer_->spent(what, watch_.seconds());
    watch_ = Stopwatch();
  }

 private:
  StepObserver* observer_;
  Stopwatch watch_;
};

int count_right(const Tensor& logits, const Tensor& labels) {
  const int n = logits.dim(0), classes = logits.dim(1);
  int right = 0;
  for (int i = 0; i < n; ++i) {
    const int guess =
        argmax(logits.data() + static_cast<size_t>(i) * static_cast<size_t>(classes), classes);
    right += guess == static_cast<int>(labels[static_cast<size_t>(i)]) ? 1 : 0;
  }
  return right;
}

}  // namespace

StepResult train_step(Layer& net, Optimiser& optimiser, const Batch& batch,
                      const StepOptions& options) {
  const std::vector<Parameter*> parameters = learnt_parameters(net, options.objective);
  StepResult result;
  {
    Tape tape(Mode::training, options.seed, static_cast<uint64_t>(options.step));
    tape.observe(options.observer);
    const auto [logits, loss] = record(tape, net, batch, options);
    result.loss = static_cast<double>(loss.value().item());
    result.right = count_right(logits.value(), batch.labels);
    if (std::isfinite(result.loss)) tape.backward(loss);
  }
  Phases phases(options.observer);
  if (!std::isfinite(result.loss) || !all_finite(parameters)) diagnose(net, batch, options);
  phases.end("check of numbers");
  if (options.penalty != nullptr) options.penalty->add_to_gradients();
  optimiser.step(options.learning_rate);
  if (options.penalty != nullptr) {
    options.penalty->after_update(optimiser.reach(options.learning_rate));
  }
  clear_gradients(parameters);
  phases.end("update of weights");
  return result;
}

}  // namespace bonsai
