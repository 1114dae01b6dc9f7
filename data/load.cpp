#include "data/dataset.h"
#include "data/synthetic.h"
#include "engine/error.h"

namespace bonsai {

Dataset load_dataset(const std::string& where, const DataOptions& options) {
  if (where == "synthetic") return synthetic_dataset(options);
  throw Error(join("data: ", where, " is not a dataset"));
}

}  // namespace bonsai
