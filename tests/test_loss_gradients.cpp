// Derivatives of the loss by gates and by filters, against differences of the loss itself, and the
// Taylor criteria on them.
#include "compress/loss_gradients.h"

#include <cmath>

#include "compress/criterion.h"
#include "compress/prune.h"
#include "compress/sites.h"
#include "engine/ops.h"
#include "tests/catch.h"
#include "tests/networks.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

constexpr int pictures_per_batch = 4;

std::vector<Batch> batches(const Graph& graph, int count) {
  std::vector<Batch> all;
  all.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    all.push_back(
        {.images = random_pictures(graph, pictures_per_batch, 3 + static_cast<uint64_t>(i)),
         .labels = Tensor::of({4}, {0, 3, 1, 4})});
  }
  return all;
}

// The loss of each picture, in double precision from the logits on, when the channel of a value is
// multiplied by a factor.
std::vector<double> losses(Graph& graph, const Batch& batch, int value, int channel,
                           double factor) {
  Tape tape(Mode::inference);
  const std::vector<Var> vars = replay(graph, tape.constant(batch.images), [&](int v, Var x) {
    if (v != value) return x;
    Tensor factors({x.shape().back()}, 1);
    factors[static_cast<size_t>(channel)] = static_cast<Scalar>(factor);
    return channel_scale(x, tape.constant(factors));
  });
  const Tensor logits = vars[static_cast<size_t>(graph.output)].value();
  std::vector<double> all;
  const size_t classes = static_cast<size_t>(logits.dim(1));
  for (size_t n = 0; n < static_cast<size_t>(logits.dim(0)); ++n) {
    double sum = 0;
    for (size_t k = 0; k < classes; ++k) sum += std::exp(double{logits[n * classes + k]});
    const size_t label = static_cast<size_t>(batch.labels[n]);
    all.push_back(std::log(sum) - double{logits[n * classes + label]});
  }
  return all;
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

}  // namespace

TEST_CASE("gates' derivatives are differences of each picture's loss") {
  for (const NetworkPtr& network : networks()) {
    Graph graph = traced(*network);
    const Coupling coupling = couple(graph);
    const std::vector<Batch> pictures = batches(graph, 2);
    const LossGradients gradients = loss_gradients(graph, coupling, pictures);
    const std::vector<Site> all = sites(graph, coupling);
    for (size_t p = 0; p < all.size(); ++p) {
      if (!gradients.gates[p].defined()) continue;
      INFO(network->name << ", producer " << p);
      const Tensor& gates = gradients.gates[p];
      REQUIRE(gates.dim(0) == 2 * pictures_per_batch);
      const auto slopes = [&](int c, double step) {
        const auto more = losses(graph, pictures[1], all[p].value, c, 1 + step),
                   less = losses(graph, pictures[1], all[p].value, c, 1 - step);
        std::vector<double> result;
        for (size_t n = 0; n < more.size(); ++n) result.push_back((more[n] - less[n]) / (2 * step));
        return result;
      };
      double largest = 0, error = 0;
      for (int c = 0; c < gates.dim(1); ++c) {
        // A wide step drowns rounding, a narrow one crosses fewer kinks of relu.
        const auto wide = slopes(c, 1.0 / 256), narrow = slopes(c, 1.0 / 2048);
        for (size_t n = 0; n < pictures_per_batch; ++n) {
          const double gate =
              double{gates[(pictures_per_batch + n) * static_cast<size_t>(gates.dim(1)) +
                           static_cast<size_t>(c)]};
          largest = std::max(largest, std::abs(gate));
          error = std::max(error, std::min(std::abs(gate - wide[n]), std::abs(gate - narrow[n])));
        }
      }
      CHECK(largest > 1e-4);
      CHECK(error <= 1e-2 * largest + 2e-5);
    }
  }
}

TEST_CASE("filters' products are differences of the batch's loss by a factor on the filter") {
  Graph graph = traced(*biased());
  const Coupling coupling = couple(graph);
  const std::vector<Batch> pictures = batches(graph, 2);
  const LossGradients gradients = loss_gradients(graph, coupling, pictures);
  const Tensor w = graph.find("a.weight")->value;
  const int value = coupling.producers[0].parameters[0].value;
  const Tensor& products = gradients.filters.at(value);
  REQUIRE(products.shape() == Shape{2, 6});
  const size_t length = w.size() / 6;
  const auto loss = [&](size_t filter, double factor) {
    Graph scaled = graph;
    const Tensor weights = scaled.find("a.weight")->value;
    for (size_t i = filter * length; i < (filter + 1) * length; ++i) {
      weights[i] = static_cast<Scalar>(factor * double{weights[i]});
    }
    return mean(losses(scaled, pictures[1], -1, 0, 1));
  };
  constexpr double step = 1.0 / 1024;
  for (size_t f = 0; f < 6; ++f) {
    const double difference = (loss(f, 1 + step) - loss(f, 1 - step)) / (2 * step);
    CHECK(double{products[6 + f]} == Approx(difference).epsilon(2e-3).margin(1e-4));
  }
}

TEST_CASE("measuring leaves the graph alone") {
  Graph graph = traced(*chain());
  const Tensor before = output(graph, random_pictures(graph, 2, 9));
  loss_gradients(graph, couple(graph), batches(graph, 1));
  CHECK(max_abs_difference(before, output(graph, random_pictures(graph, 2, 9))) == 0);
  for (const Parameter* p : graph.parameters()) CHECK_FALSE(p->grad.defined());
}

TEST_CASE("taylor is the mean square of the derivatives, blocks of a stage averaged before") {
  const Graph graph = traced(*residual());
  const Coupling coupling = couple(graph);
  const std::vector<Batch> pictures = batches(graph, 2);
  const Evidence evidence(graph, coupling, pictures);
  const Scores scores = taylor(evidence), by_weights = taylor_weights(evidence);
  const LossGradients& gradients = evidence.gradients();
  const Group& stage = coupling.groups[0];
  REQUIRE(stage.producers.size() == 3);
  for (size_t c = 0; c < stage.units.size(); ++c) {
    double squares = 0, weights = 0;
    for (size_t n = 0; n < 8; ++n) {
      double sum = 0;
      for (const int p : stage.producers) {
        sum += double{gradients.gates[static_cast<size_t>(p)][n * 6 + c]};
      }
      squares += (sum / 3) * (sum / 3);
    }
    for (size_t b = 0; b < 2; ++b) {
      double sum = 0;
      for (const int p : stage.producers) {
        const Axis axis = coupling.producers[static_cast<size_t>(p)].parameters[0];
        sum += double{gradients.filters.at(axis.value)[b * 6 + c]};
      }
      weights += (sum / 3) * (sum / 3);
    }
    const size_t u = static_cast<size_t>(stage.units[c]);
    CHECK(scores[u] == Approx(squares / 8));
    CHECK(by_weights[u] == Approx(weights / 2));
  }
}

// Made a thousand times smaller, a channel changes the loss as its derivative says.
TEST_CASE("where the loss is as good as linear, taylor is the change of the loss by removal") {
  Graph graph = traced(*chain());
  const Coupling coupling = couple(graph);
  const std::vector<Batch> pictures = batches(graph, 1);
  constexpr size_t channel = 4;
  graph.find("a.bn.weight")->value[channel] *= 3e-3F;
  graph.find("a.bn.bias")->value[channel] = 2e-3F;
  const int unit = coupling.groups[0].units[channel];
  const double score = taylor(Evidence(graph, coupling, pictures))[static_cast<size_t>(unit)];
  Graph without = masked(graph, coupling, {unit});
  const auto before = losses(graph, pictures[0], -1, 0, 1),
             after = losses(without, pictures[0], -1, 0, 1);
  double squares = 0;
  for (size_t n = 0; n < before.size(); ++n) squares += std::pow(after[n] - before[n], 2);
  CHECK(score == Approx(squares / static_cast<double>(before.size())).epsilon(0.02));
}

TEST_CASE("taylor does not depend on a scale that batch norm undoes") {
  Graph graph = traced(*chain());
  const Coupling coupling = couple(graph);
  const std::vector<Batch> pictures = batches(graph, 1);
  const Scores before = taylor(Evidence(graph, coupling, pictures));
  scale_before_norm(graph, "a");
  const Scores after = taylor(Evidence(graph, coupling, pictures));
  for (size_t u = 0; u < before.size(); ++u) {
    CHECK(after[u] == Approx(before[u]).epsilon(1e-3).margin(1e-9));
  }
}
