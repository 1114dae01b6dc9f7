#include "engine/layer.h"

namespace bonsai {

std::vector<Parameter*> Module::parameters() { return all_; }

Parameter& Module::param(std::string name, Tensor init) {
  own_.push_back(std::make_unique<Parameter>(
      Parameter{.name = std::move(name), .value = std::move(init), .grad = {}, .trainable = true}));
  all_.push_back(own_.back().get());
  return *own_.back();
}

Parameter& Module::buffer(std::string name, Tensor init) {
  Parameter& p = param(std::move(name), std::move(init));
  p.trainable = false;
  return p;
}

Layer& Module::adopt(const std::string& name, std::unique_ptr<Layer> layer) {
  require(layer != nullptr, "layer ", name, ": nothing to adopt");
  for (Parameter* p : layer->parameters()) {
    p->name.insert(0, name + ".");
    all_.push_back(p);
  }
  children_.push_back(std::move(layer));
  return *children_.back();
}

void clear_gradients(std::span<Parameter* const> parameters) {
  for (Parameter* p : parameters) p->grad = {};
}

}  // namespace bonsai
