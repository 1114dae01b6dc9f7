#include "compress/collect.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

#include "engine/parallel.h"
#include "engine/random.h"
#include "engine/storage.h"

namespace bonsai {
namespace {

constexpr size_t kept_bytes = size_t{96} << 20;  // of values, by each of the two networks

// Every tenth picture judges, until there are enough samples; too few pictures would not tell.
constexpr int judging_period = 10, most_judging = 2048, fewest_pictures = 100;

// The values of one batch that a layer's samples are made of.
struct View {
  Tensor x, y, y_original;
  Tensor other, other_original;  // of the addition; undefined: none
};

// One layer's sums.
class LayerSum {
 public:
  // `other`: the value whose difference is made up for as well; -1: none.
  LayerSum(const Collected& layer, int other_)
      : mixer(layer.mixer),
        other(other_),
        scales_(layer.scales),
        wanted_(layer.samples),
        solved_(static_cast<size_t>(layer.mixer.groups)),
        held_out_(static_cast<size_t>(layer.mixer.groups)) {
    for (int b = 0; b < mixer.groups; ++b) {
      sums_.emplace_back(mixer.columns(), mixer.block_out());
    }
  }

  // `holds_out`: some pictures are for judging alone.
  void add(const View& view, int first_picture, bool holds_out, const CollectOptions& options) {
    const int pictures = view.y.dim(0);
    const int samples = std::min(options.positions, mixer.positions);
    std::vector<int> order;  // pictures to solve for, then those that judge
    int judging = 0;
    for (int i = 0; i < pictures; ++i) {
      const bool judges = holds_out && (first_picture + i) % judging_period == judging_period - 1 &&
                          held_out_[0].rows + (judging + 1) * samples <= most_judging;
      order.insert(judges ? order.end() : order.end() - judging, i);
      judging += judges ? 1 : 0;
    }
    const int rows = (pictures - judging) * samples;
    x_.resize(static_cast<size_t>(pictures * samples) * static_cast<size_t>(mixer.columns()));
    d_.resize(static_cast<size_t>(pictures * samples) * static_cast<size_t>(mixer.block_out()));
    for (int block = 0; block < mixer.groups; ++block) {
      parallel_ranges(pictures, 1, [&](int64_t begin, int64_t end) {
        for (int64_t k = begin; k < end; ++k) {
          const int i = order[static_cast<size_t>(k)];
          const std::vector<int> positions =
              sample_positions(mixer.positions, samples, options.seed, first_picture + i);
          for (int s = 0; s < samples; ++s) {
            write_row(view, block, i, positions[static_cast<size_t>(s)],
                      static_cast<int>(k) * samples + s);
          }
        }
      });
      sums_[static_cast<size_t>(block)].add(x_.data(), d_.data(), rows);
      SampleRows& solved = solved_[static_cast<size_t>(block)];
      put_aside(solved, 0, std::min(rows, wanted_ - solved.rows));
      put_aside(held_out_[static_cast<size_t>(block)], rows, judging * samples);
    }
  }

  std::vector<Regression> finish(const Graph& changed) {
    const Tensor& w = changed.values[static_cast<size_t>(mixer.w)].parameter->value;
    std::vector<Regression> blocks;
    for (int b = 0; b < mixer.groups; ++b) {
      Regression& block = blocks.emplace_back();
      block.moments = sums_[static_cast<size_t>(b)].finish(mixer.has_intercept());
      block.taps = mixer.taps();
      block.channels = mixer.block_in();
      block.held_out = std::move(held_out_[static_cast<size_t>(b)]);
      block.solved = std::move(solved_[static_cast<size_t>(b)]);
      const auto columns = static_cast<size_t>(mixer.columns());
      block.w.reserve(static_cast<size_t>(mixer.block_out()) * columns);
      for (int o = b * mixer.block_out(); o < (b + 1) * mixer.block_out(); ++o) {
        const Scalar* row = w.data() + static_cast<size_t>(o) * columns;
        for (size_t c = 0; c < columns; ++c) {
          block.w.push_back(scales_[static_cast<size_t>(o)] * double{row[c]});
        }
      }
    }
    return blocks;
  }

  const Mixer mixer;
  const int other;

 private:
  // Rows of the batch from `first` on.
  void put_aside(SampleRows& samples, int first, int rows) const {
    const auto begin = static_cast<size_t>(first), n = static_cast<size_t>(rows);
    const auto columns = static_cast<size_t>(mixer.columns()),
               outputs = static_cast<size_t>(mixer.block_out());
    const Scalar *x = x_.data() + begin * columns, *d = d_.data() + begin * outputs;
    samples.x.insert(samples.x.end(), x, x + n * columns);
    samples.d.insert(samples.d.end(), d, d + n * outputs);
    samples.rows += rows;
  }

  void write_row(const View& view, int block, int picture, int position, int row) {
    const size_t inputs = static_cast<size_t>(mixer.in_h) * static_cast<size_t>(mixer.in_w) *
                          static_cast<size_t>(mixer.in);
    copy_patch(mixer, block, view.x.data() + static_cast<size_t>(picture) * inputs, position,
               x_.data() + static_cast<size_t>(row) * static_cast<size_t>(mixer.columns()));
    const int outputs = mixer.block_out(), first = block * outputs;
    const size_t from = (static_cast<size_t>(picture) * static_cast<size_t>(mixer.positions) +
                         static_cast<size_t>(position)) *
                            static_cast<size_t>(mixer.out) +
                        static_cast<size_t>(first);
    Scalar* d = d_.data() + static_cast<size_t>(row) * static_cast<size_t>(outputs);
    for (int o = 0; o < outputs; ++o) {
      const size_t i = from + static_cast<size_t>(o);
      const double scale = scales_[static_cast<size_t>(first + o)];
      double lack = scale * (double{view.y_original[i]} - double{view.y[i]});
      if (view.other.defined()) lack += double{view.other_original[i]} - double{view.other[i]};
      d[o] = static_cast<Scalar>(scale != 0 ? lack : 0);
    }
  }

  std::vector<double> scales_;
  int wanted_;                                 // samples to keep
  std::vector<MomentSum> sums_;                // per group of channels
  std::vector<SampleRows> solved_, held_out_;  // per group of channels
  std::vector<Scalar> x_, d_;                  // the rows of one batch
};

}  // namespace

Collector::Collector(const Graph& original, const Graph& changed, const Pictures& pictures,
                     const CollectOptions& options)
    : original_(original),
      changed_(changed),
      pictures_(pictures),
      options_(options),
      batch_(rerun_batch(original)),
      run_original_(original, pictures, batch_, kept_bytes),
      run_changed_(changed, pictures, batch_, kept_bytes) {}

void Collector::settle(int node) {
  const int made = changed_.nodes[static_cast<size_t>(node)].out;
  for (size_t n = 0; n < original_.nodes.size(); ++n) {
    if (original_.nodes[n].out == made) run_original_.settle(static_cast<int>(n));
  }
  run_changed_.settle(node);
}

std::vector<std::vector<Regression>> Collector::collect(std::span<const Collected> layers) {
  std::vector<LayerSum> sums;
  sums.reserve(layers.size());
  std::set<int> original_values, changed_values;
  for (const Collected& layer : layers) {
    const int other = options_.residual_target ? earlier_operand(changed_, layer.mixer) : -1;
    const LayerSum& sum = sums.emplace_back(layer, other);
    changed_values.insert({sum.mixer.x, sum.mixer.y});
    original_values.insert(sum.mixer.y);
    if (sum.other < 0) continue;
    changed_values.insert(sum.other);
    original_values.insert(sum.other);
  }
  const std::vector<int> of_original(original_values.begin(), original_values.end());
  const std::vector<int> of_changed(changed_values.begin(), changed_values.end());
  const auto find = [](const std::vector<int>& values, const std::vector<Tensor>& tensors, int v) {
    const auto place = std::lower_bound(values.begin(), values.end(), v) - values.begin();
    return tensors[static_cast<size_t>(place)];
  };
  for (int b = 0; b < run_changed_.batches(); ++b) {
    if (options_.stop != nullptr && *options_.stop) return {};
    const std::vector<Tensor> original = run_original_.run(b, of_original);
    const std::vector<Tensor> changed = run_changed_.run(b, of_changed);
    for (LayerSum& sum : sums) {
      View view{.x = find(of_changed, changed, sum.mixer.x),
                .y = find(of_changed, changed, sum.mixer.y),
                .y_original = find(of_original, original, sum.mixer.y),
                .other = {},
                .other_original = {}};
      if (sum.other >= 0) {
        view.other = find(of_changed, changed, sum.other);
        view.other_original = find(of_original, original, sum.other);
      }
      sum.add(view, b * batch_, pictures_.count >= fewest_pictures, options_);
    }
  }
  run_original_.advance();
  run_changed_.advance();
  release_cached_storage();  // what follows needs memory for matrices, not for activations
  std::vector<std::vector<Regression>> result;
  result.reserve(sums.size());
  for (LayerSum& sum : sums) result.push_back(sum.finish(changed_));
  return result;
}

// Floyd's algorithm: one draw per number.
std::vector<int> sample_positions(int n, int wanted, uint64_t seed, int picture) {
  std::vector<int> all;
  if (wanted >= n) {
    all.resize(static_cast<size_t>(n));
    std::iota(all.begin(), all.end(), 0);
    return all;
  }
  std::set<int> drawn;
  Random random(seed, Purpose::choice, static_cast<uint64_t>(picture) + 2,
                static_cast<uint32_t>(n));
  for (int i = n - wanted; i < n; ++i) {
    const int number = static_cast<int>(random.below(static_cast<uint32_t>(i) + 1));
    if (!drawn.insert(number).second) drawn.insert(i);
  }
  return {drawn.begin(), drawn.end()};
}

}  // namespace bonsai
