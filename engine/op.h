// Op: all that the library knows of one operation, in one file per operation: its shape check,
// its value, its derivative, which channels it ties together, what a model file must hold of it.
// Ops are immutable, so tapes and graphs share them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/channel_line.h"
#include "engine/channels.h"
#include "engine/tensor.h"

namespace bonsai {

struct Activation;
class Op;
using OpPtr = std::shared_ptr<const Op>;

// One step of a computation. `in` and `out` number the values of the tape or graph it stands in.
struct Node {
  OpPtr op{};
  std::vector<int> in{};
  int out = 0;
};

// How a forward pass is run.
struct Pass {
  bool training = false;                // batch statistics, dropout on
  const Tensor* moments = nullptr;      // of input 0, for those who take_moments(); else null
  Tensor* result_moments = nullptr;     // where to put those of the result; null: nobody asks
  std::vector<Tensor>* save = nullptr;  // what backward will want to see; null: no backward follows
  uint64_t seed = 0;                    // randomness is drawn from (seed, step, node)
  uint64_t step = 0;
  int node = 0;
};

// Reads a derivative as its rows are completed, while they are in the cache.
class GradientReader {
 public:
  virtual ~GradientReader() = default;
  virtual void begin(int blocks) = 0;  // how many there will be
  // Rows [first, first + count), which are block number `block`: on any thread, in any order.
  virtual void read(int block, int64_t first, int64_t count) = 0;
};

// Where a derivative goes. Several readers of a value add up their shares; the first one finds
// unwritten memory and stores, which saves a pass over it.
struct Gradient {
  Tensor* tensor = nullptr;     // null: nobody asks for it
  bool fresh = true;            // the memory is unwritten: store; otherwise add
  ChannelLine* line = nullptr;  // takes what is linear in the input; null: add it to the tensor
  GradientReader* reader = nullptr;  // for those who complete rows one by one (completes_rows())

  bool wanted() const { return tensor != nullptr; }
  Scalar* data() const { return tensor->data(); }
  // Where unwritten memory is asked for: that of the derivative by the result, of the same shape,
  // becomes this one's, as it is, and both are one from now on. Whether that was done.
  bool take(const Tensor& grad_out) const {
    if (!wanted() || !fresh) return false;
    *tensor = grad_out;
    return true;
  }
  // The memory for a kernel that can only add.
  Scalar* summable() const {
    if (fresh) tensor->fill(0);
    return tensor->data();
  }
};

// The derivative by a result: of those who take it, the sum of a tensor and a line.
struct Derivative {
  const Tensor& tensor;
  ChannelLine line{};
  const GradientReader* reader = nullptr;  // what read all of the tensor, of those who had one
};

// A part of an operation's work: its value, all derivatives at once, or those by its data (input 0)
// and by its weights (the others) apart.
enum class Direction { forward, backward, backward_data, backward_weights };

using Attribute = std::variant<int64_t, double, std::string, std::vector<int>>;
using Attributes = std::map<std::string, Attribute>;

// Which channels of an axis survive, in ascending order; an axis not named keeps all.
class Keep {
 public:
  void set(Axis axis, std::vector<int> kept) { kept_[axis] = std::move(kept); }
  const std::vector<int>* find(Axis axis) const {
    const auto entry = kept_.find(axis);
    return entry == kept_.end() ? nullptr : &entry->second;
  }
  const std::map<Axis, std::vector<int>>& all() const { return kept_; }

 private:
  std::map<Axis, std::vector<int>> kept_;
};

class Op {
 public:
  virtual ~Op() = default;

  virtual std::string_view name() const = 0;

  // The shape of the result. The only shape check: throws Error with what is and what should be.
  virtual Shape infer(std::span<const Shape> in) const = 0;

  // out: uninitialised memory of the inferred shape.
  virtual void forward(std::span<const Tensor> in, Tensor& out, const Pass& pass) const = 0;

  // grad_out has the shape of out; grad[i] that of in[i]. Nobody reads grad_out afterwards: it may
  // be overwritten, unless derivatives_apart(). `saved` is what forward put aside. The
  // gradients are given in the order of the inputs: two inputs may be one value, whose gradient the
  // first of them stores and the second adds to.
  virtual void backward(std::span<const Tensor> in, const Tensor& out,
                        std::span<const Tensor> saved, const Tensor& grad_out,
                        std::span<const Gradient> grad) const = 0;

  // The same, and by_out is more than a tensor, for those who take a line or had a reader.
  virtual void backward_of(std::span<const Tensor> in, const Tensor& out,
                           std::span<const Tensor> saved, const Derivative& by_out,
                           std::span<const Gradient> grad) const;

  // Whether it takes the derivative by its result with what is linear in the result apart; it may
  // add that to the tensor. Others are given the tensor when it has been added.
  virtual bool takes_line() const;

  // What shall read the derivative by the result, grad_out, before backward: all that it will be.
  // The references outlive it. Null: nothing.
  virtual std::unique_ptr<GradientReader> gradient_reader(std::span<const Tensor> in,
                                                          const Tensor& out,
                                                          std::span<const Tensor> saved,
                                                          const Tensor& grad_out) const;

  // Whether backward completes the derivative by input number `which` row by row.
  virtual bool completes_rows(size_t which) const;

  // Whether backward looks at the numbers of input number `which`, and of the result. Those that no
  // backward looks at come to it as shapes without memory, which was given back.
  virtual bool backward_reads(size_t which) const;
  virtual bool backward_reads_result() const;

  // Whether backward computes the derivative by the data and those by the weights each on its own,
  // so that asking for one after the other does the same work, to the bit.
  virtual bool derivatives_apart(std::span<const Shape> in, const Shape& out) const;

  // This operation and then `reader`, which takes its result as input number `which`, as one op
  // with the same derivative; null when there is none. Its inputs are this one's, then the other
  // inputs of the reader. Nothing is written between the two, and nothing kept for backward.
  virtual OpPtr followed_by(const Op& reader, size_t which) const;

  // Whether input number `which`, and its gradient, may be joined of several tensors.
  virtual bool takes_parts(size_t which) const;

  // Whether forward, in training, asks for the moments of input 0 over the batch: [2, C], per
  // channel the mean and the sum of squared deviations. They are computed once for all that ask.
  virtual bool takes_moments() const;

  // Whether forward gives the moments of its result.
  virtual bool gives_moments() const;
  // The same operation as one that does; null if there is none.
  virtual OpPtr giving_moments() const;

  // Whether the result is the channels of the inputs as they are, one after the other (concat).
  // Where all that read it take parts, it is not computed: it is the inputs, joined.
  virtual bool joins_inputs() const;

  // shapes[v] is the shape of value v of the graph in which the node stands. An operation that
  // mixes channels within an axis in an unknown way must not inherit this: it throws by name.
  virtual void ties(const Node& node, std::span<const Shape> shapes, Channels& channels) const = 0;

  // The same operation after its node lost channels; null when nothing in it changes.
  virtual OpPtr shrunk(const Node& node, std::span<const Shape> shapes, const Keep& keep) const;

  // Everything that a model file must hold to make this op again (engine/ops/registry.h).
  virtual Attributes attributes() const { return {}; }

  // Multiply-accumulates of convolutions and fully connected layers for inputs of these shapes.
  virtual int64_t macs(std::span<const Shape> in, const Shape& out) const;

  // The row of a table of kernels that does this part of it for such shapes; empty where there is
  // one way to do it.
  virtual std::string kernel(Direction direction, std::span<const Shape> in,
                             const Shape& out) const;

  // This operation followed by an activation as one op, for inference only (its backward throws);
  // null when it cannot. Fused, the result is not written and read once more.
  virtual OpPtr with_activation(const Activation& activation) const;

  // The same operation with its weights put in the order in which its kernel reads them, for many
  // runs with inputs and an output of these shapes (the weights hold their values already, and
  // never change); null when there is nothing to prepare.
  virtual OpPtr prepared(std::span<const Tensor> in, const Tensor& out) const;
};

}  // namespace bonsai
