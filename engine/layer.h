// Layer: what has parameters and can be applied to a value. Networks are built by nesting layers;
// a traced graph is a layer too, so training, evaluation and saving know only this.
// Parameters have path names: "features.0.conv.weight".
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/tape.h"

namespace bonsai {

class Layer {
 public:
  Layer() = default;
  virtual ~Layer() = default;
  Layer(const Layer&) = delete;  // a copy would share or forget parameters: copy a graph instead
  Layer& operator=(const Layer&) = delete;

  virtual Var forward(Var x) = 0;

  // All parameters and buffers, in the order of their definition.
  virtual std::vector<Parameter*> parameters() = 0;
};

// A layer written by hand: declares its own parameters and children in its constructor.
class Module : public Layer {
 public:
  std::vector<Parameter*> parameters() final;

 protected:
  Parameter& param(std::string name, Tensor init);
  Parameter& buffer(std::string name, Tensor init);
  // Builds a child; its parameters are named "<name>.<their name>", and so is what it refuses.
  template <class L, class... Args>
  L& child(const std::string& name, Args&&... args) {
    std::unique_ptr<L> layer;
    try {
      layer = std::make_unique<L>(std::forward<Args>(args)...);
    } catch (const Error& error) {
      throw Error(join(name, ": ", error.what()));
    }
    return static_cast<L&>(adopt(name, std::move(layer)));
  }
  Layer& adopt(const std::string& name, std::unique_ptr<Layer> layer);

 private:
  std::vector<std::unique_ptr<Parameter>> own_;
  std::vector<std::unique_ptr<Layer>> children_;
  std::vector<Parameter*> all_;
};

void clear_gradients(std::span<Parameter* const> parameters);

}  // namespace bonsai
