#include "compress/reconstruct.h"

#include <algorithm>
#include <map>
#include <utility>

#include "compress/collect.h"
#include "compress/prune.h"
#include "compress/remaining.h"
#include "compress/solution.h"
#include "engine/error.h"

namespace bonsai {
namespace {

constexpr int most_columns = 8192;                       // of a layer that is solved for
constexpr size_t most_moment_bytes = size_t{256} << 20;  // of layers that are looked at together

std::vector<Reader> with_contributions(std::vector<Regression> regressions) {
  std::vector<Reader> readers;
  for (Regression& regression : regressions) {
    Contributions parts = contributions(regression);
    readers.push_back(
        {.regression = std::move(regression), .contributions = std::move(parts), .candidates = {}});
  }
  return readers;
}

class Reconstructor {
 public:
  Reconstructor(const Graph& original, const Coupling& coupling, std::vector<int> widths,
                const Selection& selection, const Pictures& pictures,
                const ReconstructOptions& options)
      : coupling_(coupling),
        selection_(selection),
        options_(options),
        mixers_(mixers(original)),
        l1_(l1_norm(original, coupling)),
        l2_(l2_norm(Evidence(original, coupling))),
        remaining_(original, coupling, std::move(widths), l1_),
        graph_(original),
        collector_(original, graph_, pictures,
                   {.positions = options.positions,
                    .seed = options.seed,
                    .residual_target = options.residual_target,
                    .stop = options.stop}) {}

  // These units go before anything is chosen.
  void remove(const std::set<int>& units) {
    remaining_.remove(units);
    mask();
  }

  // Nothing when stopped.
  std::optional<Reconstruction> run() {
    for (size_t i = 0; i < mixers_.size(); ++i) {
      if (options_.progress) {
        options_.progress(name(mixers_[i]), static_cast<int>(i), static_cast<int>(mixers_.size()));
      }
      if (!visit(mixers_[i])) return std::nullopt;
    }
    for (int g = 0; g < static_cast<int>(coupling_.groups.size()); ++g) {
      if (remaining_.is_open(g)) remaining_.decide(g);  // nobody reads it
    }
    mask();
    note_transposed();
    return Reconstruction{
        .graph = std::move(graph_), .gone = remaining_.gone(), .layers = std::move(layers_)};
  }

 private:
  std::string name(const Mixer& mixer) const {
    return graph_.node_name(static_cast<size_t>(mixer.node));
  }

  void mask() { graph_ = masked(graph_, coupling_, remaining_.gone()); }

  // Transposed convolutions that lost inputs, unless each of their channels is made of one alone.
  void note_transposed() {
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      const Node& node = graph_.nodes[n];
      if (node.op->name() != "conv_transpose2d") continue;
      const int channels = graph_.values[static_cast<size_t>(node.in[0])].shape[3];
      if (std::get<int64_t>(node.op->attributes().at("groups")) == channels) continue;
      int kept = 0;
      for (int c = 0; c < channels; ++c) {
        kept += remaining_.is_gone(remaining_.unit_at(node.in[0], c)) ? 0 : 1;
      }
      if (kept == channels) continue;
      layers_.push_back({.name = graph_.node_name(n),
                         .channels = channels,
                         .kept = kept,
                         .unsolved = "a transposed convolution reads different taps at different "
                                     "positions"});
    }
  }

  // Groups among the layer's inputs that are still to be chosen from.
  std::set<int> open_groups(const Mixer& mixer) const {
    std::set<int> groups;
    for (int i = 0; i < mixer.in; ++i) {
      const int group = remaining_.group_at(mixer.x, i);
      if (group >= 0 && remaining_.is_open(group)) groups.insert(group);
    }
    return groups;
  }

  // What the layer's outputs count; 0 where they are gone.
  std::vector<double> scales(const Mixer& mixer) const {
    std::vector<double> scales = output_scales(graph_, mixer);
    for (int o = 0; o < mixer.out; ++o) {
      if (remaining_.is_gone(remaining_.unit_at(mixer.y, o))) scales[static_cast<size_t>(o)] = 0;
    }
    return scales;
  }

  // Of one group of the layer's channels, numbered from its beginning.
  std::vector<int> kept_channels(const Mixer& mixer, size_t block,
                                 const std::set<int>& gone) const {
    std::vector<int> kept;
    const int first = static_cast<int>(block) * mixer.block_in();
    for (int i = 0; i < mixer.block_in(); ++i) {
      if (gone.count(remaining_.unit_at(mixer.x, first + i)) == 0) kept.push_back(i);
    }
    return kept;
  }
  int kept_count(const Mixer& mixer) const {
    size_t kept = 0;
    for (size_t b = 0; b < static_cast<size_t>(mixer.groups); ++b) {
      kept += kept_channels(mixer, b, remaining_.gone()).size();
    }
    return static_cast<int>(kept);
  }

  // False when stopped.
  bool visit(const Mixer& mixer) {
    const std::set<int> open = open_groups(mixer);
    const auto will_shrink = [&](int g) { return remaining_.will_shrink(g); };
    if (kept_count(mixer) == mixer.in && std::none_of(open.begin(), open.end(), will_shrink)) {
      return true;
    }
    ReconstructedLayer row{.name = name(mixer), .channels = mixer.in};
    if (mixer.columns() > most_columns) {
      for (const int g : open) remaining_.decide(g);
      mask();
      row.unsolved = join("reads ", mixer.columns(), " numbers at once, more than the ",
                          most_columns, " whose moments fit memory");
    } else {
      collector_.settle(mixer.node);
      const Collected layer{.mixer = mixer, .scales = scales(mixer)};
      std::vector<std::vector<Regression>> found = collector_.collect({&layer, 1});
      if (found.empty()) return false;
      std::vector<Reader> readers = with_contributions(std::move(found[0]));
      for (const int g : open) {
        if (!choose(g, mixer, readers, row)) return false;
      }
      solve(mixer, readers, row);
    }
    row.kept = kept_count(mixer);
    layers_.push_back(std::move(row));
    return true;
  }

  bool looks_at_layers() const { return options_.compare || selection_.looks_at_layers; }

  // Says of each channel of the layer which of the units it is.
  void number_candidates(const Mixer& mixer, const std::vector<int>& units,
                         std::vector<Reader>& readers) const {
    std::map<int, int> number;
    for (size_t i = 0; i < units.size(); ++i) number[units[i]] = static_cast<int>(i);
    int channel = 0;
    for (Reader& reader : readers) {
      reader.candidates.clear();
      for (int i = 0; i < mixer.block_in(); ++i, ++channel) {
        const auto entry = number.find(remaining_.unit_at(mixer.x, channel));
        reader.candidates.push_back(entry == number.end() ? -1 : entry->second);
      }
    }
  }

  // The layers after this one that read the group, as many at a time as memory holds; those of the
  // first time are kept where someone looks at them. False when stopped.
  bool add_later_readers(int group, const Mixer& first, const std::vector<int>& units,
                         LassoProblem& problem, std::vector<std::vector<Reader>>& kept) {
    std::vector<Collected> later;
    size_t bytes = 0;
    const auto flush = [&] {
      if (later.empty()) return true;
      std::vector<std::vector<Regression>> found = collector_.collect(later);
      if (found.empty()) return false;
      const bool is_kept = kept.empty() && looks_at_layers();
      for (size_t i = 0; i < later.size(); ++i) {
        std::vector<Reader> readers = with_contributions(std::move(found[i]));
        number_candidates(later[i].mixer, units, readers);
        add_problem(readers, problem);
        if (is_kept) kept.push_back(std::move(readers));
      }
      later.clear();
      bytes = 0;
      return true;
    };
    for (const Mixer& mixer : mixers_) {
      if (mixer.node <= first.node || mixer.columns() > most_columns) continue;
      if (open_groups(mixer).count(group) == 0) continue;
      const size_t own =
          moment_bytes(mixer.columns(), mixer.block_out()) * static_cast<size_t>(mixer.groups);
      if (bytes + own > most_moment_bytes && !flush()) return false;
      later.push_back({.mixer = mixer, .scales = scales(mixer)});
      bytes += own;
    }
    return flush();
  }

  // Chooses which units of the group stay. False when stopped.
  bool choose(int group, const Mixer& mixer, std::vector<Reader>& readers,
              ReconstructedLayer& row) {
    const std::vector<int> units = remaining_.units(group);
    if (!remaining_.will_shrink(group)) {
      remaining_.decide(group);
      return true;
    }
    number_candidates(mixer, units, readers);
    const size_t n = units.size();
    Candidates candidates{
        .problem = {.gram = std::vector<double>(n * n), .correlation = std::vector<double>(n)},
        .layers = {},
        .l1 = {},
        .l2 = {},
        .seed = options_.seed + static_cast<uint64_t>(group)};
    for (const int u : units) {
      candidates.l1.push_back(l1_[static_cast<size_t>(u)]);
      candidates.l2.push_back(l2_[static_cast<size_t>(u)]);
    }
    add_problem(readers, candidates.problem);
    candidates.layers.emplace_back(readers);
    std::vector<std::vector<Reader>> later;
    if (!add_later_readers(group, mixer, units, candidates.problem, later)) return false;
    candidates.layers.insert(candidates.layers.end(), later.begin(), later.end());
    if (options_.compare) compare(group, mixer, units, candidates, row);
    Ranking ranking = selection_.rank(candidates, remaining_.width(group));
    row.solution = std::move(ranking.solution);
    remaining_.decide(group, named(units, ranking.order));
    mask();
    return true;
  }

  static std::vector<int> named(const std::vector<int>& units, const std::vector<int>& order) {
    std::vector<int> names;
    names.reserve(order.size());
    for (const int i : order) names.push_back(units[static_cast<size_t>(i)]);
    return names;
  }

  // What every rule would lead to at this layer.
  void compare(int group, const Mixer& mixer, const std::vector<int>& units,
               const Candidates& candidates, ReconstructedLayer& row) const {
    for (const Selection& selection : selections()) {
      const std::vector<int> order = selection.rank(candidates, remaining_.width(group)).order;
      const std::set<int> gone = remaining_.gone_after(group, named(units, order));
      Trial trial{.selection = selection.name};
      for (size_t b = 0; b < candidates.layers[0].size(); ++b) {
        const Reader& reader = candidates.layers[0][b];
        const RegressionFit found =
            fit(reader.regression, reader.contributions, kept_channels(mixer, b, gone));
        trial.error += found.error;
        trial.held_out += found.held_out;
      }
      row.trials.push_back(std::move(trial));
    }
  }

  void solve(const Mixer& mixer, const std::vector<Reader>& readers, ReconstructedLayer& row) {
    const std::vector<double> counts = scales(mixer);
    for (size_t b = 0; b < readers.size(); ++b) {
      const RegressionFit solution = fit(readers[b].regression, readers[b].contributions,
                                         kept_channels(mixer, b, remaining_.gone()));
      row.error += solution.error;
      row.held_out += solution.held_out;
      write_solution(solution, mixer, static_cast<int>(b), counts, graph_);
    }
  }

  const Coupling& coupling_;
  const Selection& selection_;
  ReconstructOptions options_;
  std::vector<Mixer> mixers_;
  Scores l1_, l2_;
  Remaining remaining_;
  Graph graph_;
  Collector collector_;
  std::vector<ReconstructedLayer> layers_;
};

}  // namespace

std::optional<Reconstruction> prune_by_reconstruction(
    const Graph& original, const Coupling& coupling, const std::vector<int>& widths,
    const Selection& selection, const Pictures& pictures, const ReconstructOptions& options) {
  require(widths.size() == coupling.groups.size(), "reconstruct: ", widths.size(), " widths for ",
          coupling.groups.size(), " groups");
  for (size_t g = 0; g < widths.size(); ++g) {
    require(widths[g] >= 1, "reconstruct: group '", coupling.groups[g].name, "' should keep ",
            widths[g], " units, should be at least 1");
  }
  return Reconstructor(original, coupling, widths, selection, pictures, options).run();
}

std::optional<Reconstruction> repair(const Graph& original, const Coupling& coupling,
                                     const std::set<int>& gone, const Pictures& pictures,
                                     const ReconstructOptions& options) {
  std::vector<int> widths;
  for (const Group& group : coupling.groups) widths.push_back(static_cast<int>(group.units.size()));
  Reconstructor reconstructor(original, coupling, std::move(widths), selections().front(), pictures,
                              options);
  reconstructor.remove(gone);
  return reconstructor.run();
}

}  // namespace bonsai
