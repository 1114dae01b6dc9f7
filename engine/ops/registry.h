// Makes operations from their names and attributes: how a model file becomes a graph again.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/op.h"

namespace bonsai {

// Throws Error on an unknown name, and on attributes that are missing, unknown or out of range.
OpPtr make_op(std::string_view name, const Attributes& attributes);

std::vector<std::string_view> op_names();  // of all operations, sorted

// Reads attributes one by one, with the operation's name in every error; finish() refuses what
// was not read, so that a file cannot carry a setting that nobody obeys.
class AttributeReader {
 public:
  AttributeReader(std::string_view op, const Attributes& attributes)
      : op_(op), attributes_(attributes) {}

  int integer(const std::string& key, int low, int high);
  float number(const std::string& key, double low, double high);
  std::vector<int> integers(const std::string& key, int low, int high);
  std::string text(const std::string& key);
  bool has(const std::string& key) const { return attributes_.count(key) != 0; }
  void finish() const;

 private:
  const Attribute& find(const std::string& key);

  std::string op_;
  const Attributes& attributes_;
  size_t read_ = 0;
};

// One per operation, defined in its own file.
OpPtr make_conv2d(AttributeReader& attributes);
OpPtr make_conv_transpose2d(AttributeReader& attributes);
OpPtr make_linear(AttributeReader& attributes);
OpPtr make_batch_norm(AttributeReader& attributes);
OpPtr make_relu(AttributeReader& attributes);
OpPtr make_relu6(AttributeReader& attributes);
OpPtr make_leaky_relu(AttributeReader& attributes);
OpPtr make_sigmoid(AttributeReader& attributes);
OpPtr make_hard_swish(AttributeReader& attributes);
OpPtr make_add(AttributeReader& attributes);
OpPtr make_scale(AttributeReader& attributes);
OpPtr make_channel_scale(AttributeReader& attributes);
OpPtr make_concat(AttributeReader& attributes);
OpPtr make_select(AttributeReader& attributes);
OpPtr make_pad_channels(AttributeReader& attributes);
OpPtr make_pixel_shuffle(AttributeReader& attributes);
OpPtr make_pixel_unshuffle(AttributeReader& attributes);
OpPtr make_max_pool(AttributeReader& attributes);
OpPtr make_average_pool(AttributeReader& attributes);
OpPtr make_global_average_pool(AttributeReader& attributes);
OpPtr make_adaptive_average_pool(AttributeReader& attributes);
OpPtr make_flatten(AttributeReader& attributes);
OpPtr make_dropout(AttributeReader& attributes);
OpPtr make_softmax(AttributeReader& attributes);
OpPtr make_cross_entropy(AttributeReader& attributes);
OpPtr make_mean_squared_error(AttributeReader& attributes);
OpPtr make_distillation_loss(AttributeReader& attributes);
OpPtr make_hint_loss(AttributeReader& attributes);
OpPtr make_attention_map(AttributeReader& attributes);

}  // namespace bonsai
