#include "compress/activity.h"

#include <cmath>

#include "engine/parallel.h"

namespace bonsai {
namespace {

void add(Activity& activity, const Tensor& x) {
  const size_t channels = static_cast<size_t>(x.dim(-1)), rows = x.size() / channels;
  activity.zeros.resize(channels);
  activity.magnitude.resize(channels);
  activity.count += static_cast<int64_t>(rows);
  for (size_t r = 0; r < rows; ++r) {
    const Scalar* row = x.data() + r * channels;
    for (size_t c = 0; c < channels; ++c) {
      activity.zeros[c] += row[c] == 0 ? 1 : 0;
      activity.magnitude[c] += std::abs(double{row[c]});
    }
  }
}

}  // namespace

std::map<int, Activity> measure_activity(const Graph& graph, std::span<const Batch> pictures,
                                         std::span<const int> values) {
  Graph copy = graph;
  std::vector<Activity> all(values.size());
  for (const Batch& batch : pictures) {
    const std::vector<Tensor> taken = taps(copy, batch.images, values);
    parallel_chunks(static_cast<int64_t>(values.size()), [&](int64_t i) {
      add(all[static_cast<size_t>(i)], taken[static_cast<size_t>(i)]);
    });
  }
  std::map<int, Activity> of_value;
  for (size_t i = 0; i < values.size(); ++i) of_value[values[i]] = std::move(all[i]);
  return of_value;
}

}  // namespace bonsai
