#include "layers/init.h"

#include <cmath>

#include "engine/error.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

float root(double x) { return static_cast<float>(std::sqrt(x)); }

double fan_mean(const Tensor& weight) {
  return (static_cast<double>(fan(weight, Fan::in)) + static_cast<double>(fan(weight, Fan::out))) /
         2;
}

// Large networks have 10^8 weights, so the pieces of a tensor are drawn in parallel, each from its
// own place in the randomness of a seed that is drawn from `random`.
template <class Draw>
void fill(const Tensor& tensor, Random& random, const Draw& draw) {
  if (&random == &no_weights()) return;
  constexpr int64_t piece = 1 << 14;
  const uint64_t high = random.next(), low = random.next();
  parallel_ranges(static_cast<int64_t>(tensor.size()), piece, [&](int64_t begin, int64_t end) {
    Random own(high << 32 | low, Purpose::init, static_cast<uint64_t>(begin / piece));
    for (int64_t i = begin; i < end; ++i) tensor.data()[i] = draw(own);
  });
}

}  // namespace

int64_t fan(const Tensor& weight, Fan mode) {
  require(weight.rank() == 2 || weight.rank() == 4, "init: weight ", weight.shape(),
          " should be [out, kh, kw, in / groups] or [out, in]");
  const int64_t out = weight.dim(0), in = weight.dim(-1);
  const int64_t area = weight.rank() == 4 ? int64_t{weight.dim(1)} * weight.dim(2) : 1;
  return (mode == Fan::in ? in : out) * area;
}

void kaiming_normal(const Tensor& weight, Fan mode, Random& random, float gain) {
  normal(weight, gain / root(static_cast<double>(fan(weight, mode))), random);
}

void kaiming_uniform(const Tensor& weight, Fan mode, Random& random, float gain) {
  const float bound = gain * root(3 / static_cast<double>(fan(weight, mode)));
  uniform(weight, -bound, bound, random);
}

void xavier_normal(const Tensor& weight, Random& random, float gain) {
  normal(weight, gain / root(fan_mean(weight)), random);
}

void xavier_uniform(const Tensor& weight, Random& random, float gain) {
  const float bound = gain * root(3 / fan_mean(weight));
  uniform(weight, -bound, bound, random);
}

void uniform_fan_in(const Tensor& tensor, int64_t fan_in, Random& random) {
  const float bound = 1 / root(static_cast<double>(fan_in));
  uniform(tensor, -bound, bound, random);
}

Random& no_weights() {
  static Random none(0, Purpose::init);  // known by its address, never drawn from
  return none;
}

void uniform(const Tensor& tensor, float low, float high, Random& random) {
  fill(tensor, random, [&](Random& r) { return r.uniform(low, high); });
}

void normal(const Tensor& tensor, float deviation, Random& random) {
  fill(tensor, random, [&](Random& r) { return deviation * r.normal(); });
}

}  // namespace bonsai
