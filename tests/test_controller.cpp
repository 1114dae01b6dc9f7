// The controller on a simulated landscape of accuracy, where what it should find is known; then on
// real trainings: interrupted anywhere, out of time, replayed, always with the same bits.
#include "compress/controller.h"

#include <fstream>
#include <iterator>

#include "compress/calibration.h"
#include "compress/choose.h"
#include "compress/prune.h"
#include "compress/recalibrate.h"
#include "compress/recorder.h"
#include "engine/file.h"
#include "layers/checksum.h"
#include "tests/catch.h"
#include "tests/compare_graphs.h"
#include "tests/networks.h"
#include "tests/train_fixture.h"
#include "zoo/zoo.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

// 16x16 pictures, ten classes, two stages' worth of coupling.
const Graph& network() {
  static const Graph graph = [] {
    Network n("controlled", {1, 16, 16, 3}, 3);
    Layer& stem = n.block("stem", 3, 16, 3, {.stride = 2, .padding = 1});
    Layer& a = n.block("a", 16, 12, 3, {.stride = 1, .padding = 1});
    Layer& b = n.add<Conv2d>("b", 12, 16, 3, ConvOptions{.padding = 1}, n.init);
    Layer& norm = n.add<BatchNorm>("norm", 16);
    Layer& c = n.block("c", 16, 24, 3, {.stride = 2, .padding = 1});
    Layer& head = n.add<Linear>("out", 24, 10, n.init);
    n.run = [&](Var x) {
      const Var y = stem.forward(x);
      const Var z = relu(add(y, norm.forward(b.forward(a.forward(y)))));
      return head.forward(global_average_pool(c.forward(z)));
    };
    return traced(n);
  }();
  return graph;
}

// Hundreds of small files are flushed: in memory, where there is such a place, at no cost.
std::filesystem::path parent() {
  const std::filesystem::path memory = "/dev/shm";
  return std::filesystem::exists(memory) ? memory : std::filesystem::temp_directory_path();
}

// A clock that moves by one second whenever it is read, and layers that take their MACs.
struct Setting {
  Folder folder{parent()};
  double seconds = 0;
  ControllerOptions options;

  explicit Setting(double part = 0.6) {
    options.target = {Resource::macs, part};
    options.max_drop = 100;
    options.round_to = 2;
    options.calibration = 24;
    options.recovery = small_options();
    options.recovery.epochs = 1;
    options.folder = folder.path();
    options.clock = [this] { return seconds += 1; };
    options.layer_timer = [](const Op& op, std::span<const Tensor> in, Tensor& out) {
      std::vector<Shape> shapes;
      for (const Tensor& t : in) shapes.push_back(t.shape());
      return 1e-6 * static_cast<double>(op.macs(shapes, out.shape())) + 1e-4;
    };
    options.network_timer = [](const Graph&) { return 1.0; };
  }
  ControlledPruning run() const { return prune_to_target(network(), small_data(), options); }
};

template <class T>
std::vector<T> all(const std::vector<Record>& journal) {
  std::vector<T> found;
  for (const Record& record : journal)
    if (const T* what = std::get_if<T>(&record.what)) found.push_back(*what);
  return found;
}

EndReason reason(const ControlledPruning& run) {
  return std::get<EndRecord>(run.journal.back().what).reason;
}

double part_left(const Graph& graph) {
  return static_cast<double>(total_cost(graph).macs) /
         static_cast<double>(total_cost(network()).macs);
}

// Accuracy as a function of the MACs that are left, relative to the original's.
void simulate(Setting& setting, const std::function<double(double part)>& change) {
  setting.options.train = [change](Graph& graph, const Dataset& data, const TrainOptions&) {
    Graph original = network();
    TrainResult result;
    result.test.accuracy =
        evaluate(original, data.test, data.mean, data.std).accuracy + change(part_left(graph));
    return result;
  };
}

std::string decisions_of(const std::vector<Record>& journal) {
  std::string text;
  for (Record record : journal) {
    record.seconds = 0;
    record.times = {};
    text += to_json(record) + "\n";
  }
  return text;
}

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string checksum(Graph graph) { return weight_checksum(graph); }

}  // namespace

TEST_CASE("the controller comes down to its target where accuracy allows it") {
  Setting setting(0.5);
  simulate(setting, [](double) { return 0.0; });
  const ControlledPruning run = setting.run();
  CHECK(reason(run) == EndReason::target);
  CHECK(part_left(run.graph) <= 0.5);
  CHECK(part_left(run.graph) > 0.5 - 1.25 * setting.options.step);
  double cost = 1;
  int number = 0;
  for (const ResultRecord& result : all<ResultRecord>(run.journal)) {
    CHECK(result.kept);
    CHECK(result.number == ++number);
  }
  for (const PlanRecord& plan : all<PlanRecord>(run.journal)) {
    const double part =
        static_cast<double>(plan.cost.macs) / static_cast<double>(total_cost(network()).macs);
    CHECK(part < cost);
    cost = part;
  }
  CHECK(cost == part_left(run.graph));
}

TEST_CASE("the controller goes back and takes smaller steps at a cliff, and ends beside it") {
  Setting setting(0.4);
  setting.options.max_drop = 1;
  simulate(setting, [](double part) { return part >= 0.7 ? 0.0 : -0.1; });
  const ControlledPruning run = setting.run();
  CHECK(reason(run) == EndReason::drop);
  CHECK(part_left(run.graph) >= 0.7);
  CHECK(part_left(run.graph) < 0.8);
  const auto plans = all<PlanRecord>(run.journal);
  const auto results = all<ResultRecord>(run.journal);
  REQUIRE(plans.size() == results.size());
  REQUIRE(results.size() > 3);
  int failures = 0;
  for (size_t i = 0; i + 1 < plans.size(); ++i) {
    CHECK(results[i].epochs == 1 + failures);  // longer after every failure
    failures = results[i].kept ? 0 : failures + 1;
    if (results[i].kept) continue;
    const bool single = plans[i].moves.size() == 1;
    CHECK(plans[i + 1].saving == (single ? plans[i].saving : plans[i].saving / 2));
    for (const Move& move : plans[i + 1].moves) {
      for (const Move& earlier : plans[i].moves)  // as wide as before the step
        if (earlier.group == move.group) CHECK(move.from == earlier.from);
      if (single) CHECK(move.group != plans[i].moves[0].group);
    }
  }
  CHECK(failures + 1 == setting.options.patience);
}

TEST_CASE("the controller keeps what it had when nothing may be lost") {
  Setting setting;
  setting.options.max_drop = 0.5;
  simulate(setting, [](double) { return -0.2; });
  const ControlledPruning run = setting.run();
  CHECK(reason(run) == EndReason::drop);
  CHECK(checksum(run.graph) == checksum(network()));
}

TEST_CASE("training that diverges is a step that is taken back") {
  Setting setting;
  setting.options.recovery.lr = 1e30F;
  const ControlledPruning run = setting.run();
  CHECK(reason(run) == EndReason::drop);
  for (const ResultRecord& result : all<ResultRecord>(run.journal)) CHECK(result.diverged);
  CHECK(checksum(run.graph) == checksum(network()));
}

TEST_CASE("a run that ends is replayed to the bit") {
  const Setting first(0.8);
  const ControlledPruning run = first.run();
  REQUIRE(reason(run) == EndReason::target);
  const std::vector<Record> journal = read_journal(first.folder / "journal.jsonl");
  REQUIRE(journal.size() >= 4);

  Setting second(0.8);
  second.options.replay = journal;
  second.options.layer_timer = [](const Op&, std::span<const Tensor>, Tensor&) -> double {
    throw Error("a replay times nothing");
  };
  const ControlledPruning again = second.run();
  CHECK(checksum(again.graph) == checksum(run.graph));
  CHECK(text_of(second.folder / "journal.jsonl") == text_of(first.folder / "journal.jsonl"));
}

TEST_CASE("a journal that lies, is another run's or does not end is not replayed") {
  Setting first(0.9);
  simulate(first, [](double) { return 0.0; });
  const std::vector<Record> journal = first.run().journal;
  REQUIRE(journal.size() >= 4);
  for (size_t line = 0; line < journal.size(); ++line) {
    std::vector<Record> wrong = journal;
    std::visit(
        [](auto& what) {
          using T = std::decay_t<decltype(what)>;
          if constexpr (std::is_same_v<T, StartRecord>) what.validation.loss += 1e-12;
          if constexpr (std::is_same_v<T, PlanRecord>) what.recalibrated.loss += 1e-12;
          if constexpr (std::is_same_v<T, ResultRecord>) what.network[0] ^= 1;
          if constexpr (std::is_same_v<T, EndRecord>) what.reason = EndReason::nothing;
        },
        wrong[line].what);
    Setting third(0.9);
    simulate(third, [](double) { return 0.0; });
    third.options.replay = wrong;
    CHECK(contains(complaint([&] { third.run(); }),
                   join("line ", line + 1, " of the journal came out differently")));
  }
  Setting other(0.9);
  other.options.replay = journal;
  other.options.recovery.seed = 2;
  CHECK(contains(complaint([&] { other.run(); }), "seed was 1, is now 2"));
  other.options.recovery.seed = 1;
  other.options.replay.pop_back();
  CHECK(contains(complaint([&] { other.run(); }), "the journal does not end"));
}

TEST_CASE("a run that is interrupted anywhere ends as one that was not") {
  Setting whole(0.8);
  const ControlledPruning run = whole.run();
  const std::string expected = decisions_of(run.journal);

  SECTION("by a request to stop, at every batch") {
    Setting setting(0.8);
    setting.options.resume = true;
    int stops = 0;
    for (;; ++stops) {
      std::atomic<bool> stop = false;
      int left = 2;  // so that something is done each time
      setting.options.stop = &stop;
      setting.options.progress = [&](const Progress&) { stop = --left <= 0; };
      const ControlledPruning part = setting.run();
      if (!part.stopped) break;
      REQUIRE(stops < 100);
    }
    CHECK(stops >= 3);
    const ControlledPruning last = setting.run();
    CHECK(decisions_of(last.journal) == expected);
    CHECK(checksum(last.graph) == checksum(run.graph));
  }
  SECTION("by death, after every line of the journal") {
    const std::vector<Record> journal = read_journal(whole.folder / "journal.jsonl");
    for (size_t lines = 1; lines <= journal.size(); ++lines) {
      Setting setting(0.8);
      std::filesystem::copy(whole.folder.path(), setting.folder.path());
      write_journal(setting.folder / "journal.jsonl",
                    {journal.begin(), journal.begin() + static_cast<std::ptrdiff_t>(lines)});
      setting.options.resume = true;
      const ControlledPruning last = setting.run();
      CHECK(decisions_of(last.journal) == expected);
      CHECK(checksum(last.graph) == checksum(run.graph));
    }
  }
}

// Solving for the weights on all pictures that the other steps are calibrated on.
SolveOptions solving(const std::string& selection) {
  return {.selection = selection, .pictures = 24, .reconstruction = {.positions = 4}};
}

TEST_CASE("without training, steps by the LASSO come to what it makes of the original at once") {
  Setting setting(0.6);
  setting.options.solve = solving("lasso");
  setting.options.recovery.epochs = 0;
  const ControlledPruning run = setting.run();
  CHECK(reason(run) == EndReason::target);
  CHECK(part_left(run.graph) <= 0.6);
  const auto plans = all<PlanRecord>(run.journal);
  REQUIRE(plans.size() >= 3);
  for (const PlanRecord& plan : plans) {
    CHECK(plan.solved);
    CHECK(plan.chosen_by == "lasso");
  }
  for (const ResultRecord& result : all<ResultRecord>(run.journal)) {
    CHECK(result.epochs == 0);
    CHECK(result.validation.loss ==
          plans[static_cast<size_t>(result.number) - 1].recalibrated.loss);
  }
  // The widths of the last step, whose units are the original's.
  const Coupling coupling = couple(network());
  const std::vector<int>& gone = plans.back().gone;
  const std::vector<int> widths = kept_units(coupling, {gone.begin(), gone.end()});
  for (const PlanRecord& plan : plans)
    for (const Move& move : plan.moves)
      for (size_t g = 0; g < widths.size(); ++g)
        if (coupling.groups[g].name == move.group) CHECK(widths[g] <= move.to);
  const Dataset& data = small_data();
  const Pictures pictures = sample_pictures(data.train, data.mean, data.std, 24, 1);
  ReconstructOptions options = solving("lasso").reconstruction;
  options.seed = setting.options.recovery.seed;
  Reconstruction at_once = *prune_by_reconstruction(network(), coupling, widths,
                                                    find_selection("lasso"), pictures, options);
  Graph small = prune(at_once.graph, coupling, at_once.gone);
  const Tensor x = pictures.read(0, 8);
  CHECK(max_abs_difference(output(small, x), output(at_once.graph, x)) < 1e-4);  // zeroed: removed
  recalibrate(small, calibration_batches(data.train, data.mean, data.std,
                                         {.images = 24, .seed = setting.options.recovery.seed}));
  CHECK(checksum(small) == checksum(run.graph));
}

TEST_CASE("with training, least squares aim at the network that training led to") {
  for (const std::string selection : {"lasso", ""}) {
    Setting setting(0.7);
    setting.options.solve = solving(selection);
    const ControlledPruning run = setting.run();
    CHECK(reason(run) == EndReason::target);
    const auto plans = all<PlanRecord>(run.journal);
    REQUIRE(plans.size() >= 2);
    CHECK(plans[0].from == 0);
    CHECK(plans[1].from == 1);
    Graph before = load((setting.folder / point_name(1).c_str()).string());
    const Coupling coupling = couple(before);
    const std::vector<int> widths =
        kept_units(coupling, {plans[1].gone.begin(), plans[1].gone.end()});
    for (size_t g = 0; g < widths.size(); ++g)
      for (const Move& move : plans[1].moves)
        if (coupling.groups[g].name == move.group) CHECK(widths[g] == move.to);
    CHECK(plans[1].chosen_by == (selection.empty() ? "l1" : selection));
    CHECK(plans[1].solved);
  }
}

TEST_CASE("least squares in steps resume and replay to the bit") {
  for (const int epochs : {0, 1}) {
    for (const std::string selection : {"lasso", ""}) {
      INFO(selection << epochs);
      const auto prepare = [&](Setting& setting) {
        setting.options.solve = solving(selection);
        setting.options.recovery.epochs = epochs;
      };
      Setting whole(0.8), again(0.8);
      for (Setting* s : {&whole, &again}) prepare(*s);
      const ControlledPruning run = whole.run();
      const std::vector<Record> journal = read_journal(whole.folder / "journal.jsonl");
      again.options.replay = journal;
      CHECK(checksum(again.run().graph) == checksum(run.graph));
      CHECK(text_of(again.folder / "journal.jsonl") == text_of(whole.folder / "journal.jsonl"));
      for (size_t lines = 1; lines <= journal.size(); ++lines) {
        Setting setting(0.8);
        prepare(setting);
        std::filesystem::copy(whole.folder.path(), setting.folder.path());
        write_journal(setting.folder / "journal.jsonl",
                      {journal.begin(), journal.begin() + static_cast<std::ptrdiff_t>(lines)});
        setting.options.resume = true;
        const ControlledPruning last = setting.run();
        CHECK(decisions_of(last.journal) == decisions_of(run.journal));
        CHECK(checksum(last.graph) == checksum(run.graph));
      }
      whole.options.resume = true;
      whole.options.solve->reconstruction.positions = 5;
      CHECK(
          contains(complaint([&] { whole.run(); }), "positions of least squares was 4, is now 5"));
    }
  }
}

TEST_CASE("least squares that are interrupted go on to the same network") {
  Setting whole(0.85), setting(0.85);
  for (Setting* s : {&whole, &setting}) {
    s->options.solve = solving("lasso");
    s->options.recovery.epochs = 0;
  }
  const ControlledPruning run = whole.run();
  std::atomic<bool> stop = false;
  setting.options.resume = true;
  setting.options.stop = &stop;
  setting.options.solve->reconstruction.progress = [&](const std::string&, int done, int) {
    stop = done == 1;
  };
  CHECK(setting.run().stopped);
  stop = false;
  setting.options.solve->reconstruction.progress = {};
  const ControlledPruning rest = setting.run();
  CHECK(decisions_of(rest.journal) == decisions_of(run.journal));
  CHECK(checksum(rest.graph) == checksum(run.graph));
}

TEST_CASE("another run's folder and a damaged one are refused") {
  Setting setting(0.8);
  setting.run();
  CHECK(contains(complaint([&] { setting.run(); }), "holds a pruning run"));
  setting.options.resume = true;
  CHECK(reason(setting.run()) == EndReason::target);
  setting.options.max_drop = 2;
  CHECK(contains(complaint([&] { setting.run(); }), "allowed drop was 100, is now 2"));
  setting.options.max_drop = 100;
  save((setting.folder / point_name(1).c_str()).string(), network());
  write_journal(setting.folder / "journal.jsonl", [&] {
    std::vector<Record> journal = read_journal(setting.folder / "journal.jsonl");
    journal.resize(3);  // start, plan, result: it goes on from point 1
    return journal;
  }());
  CHECK(contains(complaint([&] { setting.run(); }), "is not the network that step 1"));
  std::ofstream(setting.folder / "journal.jsonl") << "{\"record\": \"plan\"}\n";
  CHECK(contains(complaint([&] { setting.run(); }), "line 1: is not a record"));
}

TEST_CASE("a budget ends a run with the last point, more of it goes on, and a replay needs none") {
  Setting whole(0.75);
  const ControlledPruning unlimited = whole.run();

  Setting setting(0.75);
  setting.options.budget = 0.7 * unlimited.journal.back().seconds;
  const ControlledPruning run = setting.run();
  CHECK(reason(run) == EndReason::budget);
  const auto results = all<ResultRecord>(run.journal);
  REQUIRE(!results.empty());
  REQUIRE(results.size() < all<ResultRecord>(unlimited.journal).size());
  CHECK(checksum(run.graph) == results.back().network);

  Setting replay(0.75);
  replay.options.replay = run.journal;
  replay.options.clock = [] { return 0.0; };
  CHECK(checksum(replay.run().graph) == checksum(run.graph));
  CHECK(text_of(replay.folder / "journal.jsonl") == text_of(setting.folder / "journal.jsonl"));

  setting.options.resume = true;
  CHECK(reason(setting.run()) == EndReason::budget);  // nothing changed
  setting.options.budget = 1e9;
  const ControlledPruning rest = setting.run();
  CHECK(decisions_of(rest.journal) == decisions_of(unlimited.journal));
  CHECK(checksum(rest.graph) == checksum(unlimited.graph));

  Setting none(0.75);
  none.options.budget = 1e-3;
  const ControlledPruning untouched = none.run();
  CHECK(reason(untouched) == EndReason::budget);
  CHECK(checksum(untouched.graph) == checksum(network()));
}

TEST_CASE("a target out of reach is refused with what can be reached, before any work") {
  for (const PruningMode mode : {PruningMode::inner, PruningMode::coupled}) {
    Setting setting(1e-3);
    setting.options.mode = mode;
    setting.options.step = 1;
    setting.options.decided = [](const std::vector<Record>&) { FAIL("something was decided"); };
    std::vector<Ceiling> ceilings;
    setting.options.outlook = [&](const NetworkCost&, const std::vector<Ceiling>& all) {
      ceilings = all;
    };
    const std::string text = complaint([&] { setting.run(); });
    CHECK(contains(text, "macs=0.001 cannot be reached"));
    CHECK(contains(text, "in mode coupled"));
    REQUIRE(ceilings.size() == 3);
    const Ceiling& ceiling = ceilings[static_cast<size_t>(mode)];
    if (mode == PruningMode::coupled) continue;
    // What it names can be reached, to the digit.
    setting.options.decided = {};
    setting.options.target.part =
        static_cast<double>(ceiling.least.macs) / static_cast<double>(total_cost(network()).macs);
    setting.options.target.part = std::ceil(setting.options.target.part * 1e4) / 1e4;
    simulate(setting, [](double) { return 0.0; });
    const ControlledPruning run = setting.run();
    CHECK(reason(run) == EndReason::target);
    CHECK(total_cost(run.graph).macs >= ceiling.least.macs);
  }
  Setting wrong;
  wrong.options.target.part = 0;
  CHECK(contains(complaint([&] { wrong.run(); }), "the target is 0"));
  Dataset unjudged = small_data();
  unjudged.test = {};
  CHECK(contains(complaint([&] { prune_to_target(network(), unjudged, wrong.options); }),
                 "0 held out to judge by"));
}

TEST_CASE("ceilings are found where convolutions' groups allow no multiple of the rounding") {
  const Graph graph = trace(
      *zoo::make("shufflenet", {.classes = 10, .seed = 1, .input = {16, 16, 3}}), {1, 16, 16, 3});
  const Coupling coupling = couple(graph);
  Budget rounded{.keep = 1e-9, .round_to = 8};
  CHECK(contains(complaint([&] { choose(graph, coupling, l1_norm(graph, coupling), rounded); }),
                 "no multiple of 8"));
  LayerTimes times([](const Op&, std::span<const Tensor>, Tensor&) { return 1e-3; });
  const std::vector<Ceiling> all = ceilings(graph, coupling, 8, times);
  for (const Ceiling& ceiling : all) CHECK(ceiling.least.macs < total_cost(graph).macs / 5);
}

TEST_CASE("latency is a target: widths lie on the steps of the machine's staircase") {
  Setting setting(0.7);
  setting.options.target.resource = Resource::latency;
  setting.options.round_to = 1;
  setting.options.layer_timer = [](const Op& op, std::span<const Tensor> in, Tensor&) {
    if (op.name() != "conv2d" && op.name() != "linear") return 0.0;
    const auto fours = [](int channels) { return (channels + 3) / 4; };
    return 0.01 * fours(in[1].dim(0)) * fours(in[1].dim(-1));
  };
  simulate(setting, [](double) { return 0.0; });
  const ControlledPruning run = setting.run();
  CHECK(reason(run) == EndReason::target);
  for (const PlanRecord& plan : all<PlanRecord>(run.journal))
    for (const Move& move : plan.moves) CHECK(move.to % 4 == 0);
  CHECK(all<PlanRecord>(run.journal).back().cost.ms <= 0.7);
  CHECK(all<StartRecord>(run.journal)[0].cost.ms == Approx(1.0));
}

TEST_CASE("whole blocks go where that is the mode, alone, and a replay agrees") {
  // A block that adds nothing: to lose it costs nothing.
  Graph silent = network();
  for (const char* name : {"norm.weight", "norm.bias"}) silent.find(name)->value.fill(0);
  const auto prepare = [](Setting& setting) {
    setting.options.ranking = LossPrediction::sensitivity;
    setting.options.mode = PruningMode::blocks;
    setting.options.solve = SolveOptions{.pictures = 24, .reconstruction = {.positions = 2}};
    simulate(setting, [](double) { return 0.0; });
  };
  Setting setting(0.3), again(0.3), unmeasured(0.3);
  for (Setting* s : {&setting, &again, &unmeasured}) prepare(*s);
  const ControlledPruning run = prune_to_target(silent, small_data(), setting.options);
  CHECK(reason(run) == EndReason::target);
  int blocks = 0;
  for (const PlanRecord& plan : all<PlanRecord>(run.journal))
    for (const Move& move : plan.moves) {
      CHECK(plan.solved != move.is_block());  // a block leaves no layer that reads less
      if (!move.is_block()) continue;
      CHECK(move.group == "block b");
      CHECK(plan.moves.size() == 1);
      CHECK(plan.gone.empty());
      ++blocks;
    }
  CHECK(blocks == 1);
  CHECK(couple(run.graph).groups.size() == 2);
  again.options.replay = run.journal;
  CHECK(checksum(prune_to_target(silent, small_data(), again.options).graph) ==
        checksum(run.graph));
  Setting untrained(0.3);
  prepare(untrained);
  untrained.options.recovery.epochs = 0;
  CHECK(contains(complaint([&] { prune_to_target(silent, small_data(), untrained.options); }),
                 "mode blocks needs epochs"));
  unmeasured.options.ranking = LossPrediction::taylor;
  CHECK(contains(complaint([&] { prune_to_target(silent, small_data(), unmeasured.options); }),
                 "needs the ranking sensitivity"));
}

TEST_CASE("measured sensitivity ranks as well, and inner mode leaves shared channels alone") {
  Setting setting(0.6);
  setting.options.ranking = LossPrediction::sensitivity;
  setting.options.mode = PruningMode::inner;
  simulate(setting, [](double) { return 0.0; });
  const ControlledPruning run = setting.run();
  for (const PlanRecord& plan : all<PlanRecord>(run.journal))
    for (const Move& move : plan.moves) CHECK(move.group != "stem.conv");
  const Coupling before = couple(network()), after = couple(run.graph);
  REQUIRE(before.groups[0].name == "stem.conv");
  CHECK(after.groups[0].units.size() == before.groups[0].units.size());
}
