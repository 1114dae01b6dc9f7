#include "engine/ops/registry.h"

#include <cmath>
#include <map>

#include "engine/error.h"

namespace bonsai {
namespace {

using Maker = OpPtr (*)(AttributeReader&);

const std::map<std::string_view, Maker>& makers() {
  static const std::map<std::string_view, Maker> table = {
      {"conv2d", make_conv2d},
      {"conv_transpose2d", make_conv_transpose2d},
      {"linear", make_linear},
      {"batch_norm", make_batch_norm},
      {"relu", make_relu},
      {"relu6", make_relu6},
      {"leaky_relu", make_leaky_relu},
      {"sigmoid", make_sigmoid},
      {"hard_swish", make_hard_swish},
      {"add", make_add},
      {"scale", make_scale},
      {"channel_scale", make_channel_scale},
      {"concat", make_concat},
      {"select", make_select},
      {"pad_channels", make_pad_channels},
      {"pixel_shuffle", make_pixel_shuffle},
      {"pixel_unshuffle", make_pixel_unshuffle},
      {"max_pool", make_max_pool},
      {"average_pool", make_average_pool},
      {"global_average_pool", make_global_average_pool},
      {"adaptive_average_pool", make_adaptive_average_pool},
      {"flatten", make_flatten},
      {"dropout", make_dropout},
      {"softmax", make_softmax},
      {"cross_entropy", make_cross_entropy},
      {"mean_squared_error", make_mean_squared_error},
      {"distillation_loss", make_distillation_loss},
      {"hint_loss", make_hint_loss},
      {"attention_map", make_attention_map},
  };
  return table;
}

}  // namespace

OpPtr make_op(std::string_view name, const Attributes& attributes) {
  const auto entry = makers().find(name);
  require(entry != makers().end(), "operation '", name, "' is unknown to this version");
  AttributeReader reader(name, attributes);
  OpPtr op = entry->second(reader);
  reader.finish();
  return op;
}

std::vector<std::string_view> op_names() {
  std::vector<std::string_view> names;
  for (const auto& [name, maker] : makers()) names.push_back(name);
  return names;
}

const Attribute& AttributeReader::find(const std::string& key) {
  const auto entry = attributes_.find(key);
  require(entry != attributes_.end(), op_, ": attribute '", key, "' is missing");
  ++read_;
  return entry->second;
}

int AttributeReader::integer(const std::string& key, int low, int high) {
  const auto* value = std::get_if<int64_t>(&find(key));
  require(value != nullptr, op_, ": attribute '", key, "' should be a whole number");
  require(*value >= low && *value <= high, op_, ": ", key, " is ", *value, ", should be ", low,
          " to ", high);
  return static_cast<int>(*value);
}

float AttributeReader::number(const std::string& key, double low, double high) {
  const Attribute& attribute = find(key);
  const auto* whole = std::get_if<int64_t>(&attribute);
  const auto* real = std::get_if<double>(&attribute);
  require(whole != nullptr || real != nullptr, op_, ": attribute '", key, "' should be a number");
  const double value = real != nullptr ? *real : static_cast<double>(*whole);
  require(std::isfinite(value) && value >= low && value <= high, op_, ": ", key, " is ", value,
          ", should be ", low, " to ", high);
  return static_cast<float>(value);
}

std::vector<int> AttributeReader::integers(const std::string& key, int low, int high) {
  const auto* values = std::get_if<std::vector<int>>(&find(key));
  require(values != nullptr, op_, ": attribute '", key, "' should be a list of whole numbers");
  for (const int value : *values) {
    require(value >= low && value <= high, op_, ": ", key, " holds ", value, ", should be ", low,
            " to ", high);
  }
  return *values;
}

std::string AttributeReader::text(const std::string& key) {
  const auto* value = std::get_if<std::string>(&find(key));
  require(value != nullptr, op_, ": attribute '", key, "' should be a text");
  return *value;
}

void AttributeReader::finish() const {
  require(read_ == attributes_.size(), op_, ": the file holds attributes that it does not know");
}

}  // namespace bonsai
