#include "compress/evidence.h"

#include <set>

#include "compress/sites.h"
#include "engine/error.h"

namespace bonsai {

void Evidence::require_pictures() const {
  require(!pictures_.empty(),
          "the criterion looks at how the network behaves, and there are no pictures to show it");
}

const std::map<int, Activity>& Evidence::activity() const {
  require_pictures();
  if (!activity_) {
    std::set<int> values;
    for (const Site& site : sites(graph_, coupling_)) values.insert(site.value);
    for (const int v : activated(graph_, feature_activations())) values.insert(v);
    for (const int v : gates(graph_)) values.insert(v);
    const std::vector<int> list(values.begin(), values.end());
    activity_ = measure_activity(graph_, pictures_, list);
  }
  return *activity_;
}

const LossGradients& Evidence::gradients() const {
  require_pictures();
  if (!gradients_) gradients_ = loss_gradients(graph_, coupling_, pictures_);
  return *gradients_;
}

}  // namespace bonsai
