// A file of results of single layers in PyTorch (tests/fixtures/layers.py), read back.
#pragma once

#include <map>
#include <string>

#include "engine/error.h"
#include "engine/tensor_file.h"
#include "tests/known_number.h"

namespace bonsai::testing {

class LayerFixture {
 public:
  explicit LayerFixture(const std::string& name) {
    TensorFile file = read_tensor_file(join(BONSAI_FIXTURES "/", name, ".safetensors"));
    for (auto& [tensor_name, tensor] : file.tensors) tensors_[tensor_name] = tensor;
  }

  bool holds(const std::string& name) const { return tensors_.count(name) != 0; }

  const Tensor& get(const std::string& name) const {
    require(holds(name), "the fixture holds no ", name);
    return tensors_.at(name);
  }

  // What a layer was given, of which the file holds the stream and the shape.
  Tensor given(const std::string& name) const {
    const Tensor& source = get(name);
    Shape shape;
    for (size_t i = 1; i < source.size(); ++i) shape.push_back(static_cast<int>(source[i]));
    Tensor result(shape);
    for (size_t i = 0; i < result.size(); ++i) {
      result[i] = 2 * known_number(static_cast<uint64_t>(source[0]), i);
    }
    return result;
  }

 private:
  std::map<std::string, Tensor> tensors_;
};

}  // namespace bonsai::testing
