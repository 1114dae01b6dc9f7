// bonsai data: gets CIFAR-10, checks pictures before a training, shows what a dataset holds.
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/commands/commands.h"
#include "apps/console.h"
#include "apps/options.h"
#include "apps/usage.h"
#include "data/check.h"
#include "data/download.h"

namespace bonsai::app {
namespace {

using Json = nlohmann::ordered_json;

const std::vector<std::string> actions = {"cifar10", "check", "info"};

struct Arguments {
  std::string action, where, cache, url = cifar10_url;
  bool json = false;
};

void show(StatusLine& status, const DataProgress& p) {
  status.show(p.total > 0 ? join(p.stage, " ", 100 * p.done / p.total, " %") : join(p.stage));
}

void get_cifar10(const Arguments& arguments) {
  StatusLine status;
  const auto path = download_cifar10(arguments.url, cache_folder(arguments.cache),
                                     [&](const DataProgress& p) { show(status, p); });
  status.clear();
  if (arguments.json) return print_json({{"file", path.string()}});
  print("CIFAR-10 is in " + path.string() + "; use it as --data cifar10\n");
}

void check_pictures(const Arguments& arguments) {
  StatusLine status;
  DataOptions options;
  options.cache = cache_folder(arguments.cache);
  options.progress = [&](const DataProgress& p) { show(status, p); };
  const DataCheck check = check_dataset(arguments.where, options);
  status.clear();
  if (arguments.json) {
    Json bad = Json::array();
    for (const BadImage& image : check.bad)
      bad.push_back({{"image", image.path}, {"reason", image.reason}});
    print_json({{"classes", check.classes}, {"images", check.pictures}, {"bad", bad}});
  } else {
    for (const BadImage& image : check.bad) print(image.path + ": " + image.reason + "\n");
    for (const std::string& note : check.notes) say("note: " + note);
    print(join(check.pictures, " pictures in ", check.classes.size(), " classes, ",
               check.bad.size(), " bad\n"));
  }
  require(check.bad.empty(), check.bad.size(), " of ", check.pictures,
          " pictures cannot be read: remove them, or train with --skip-bad");
}

std::vector<int> class_counts(const Images& images, size_t classes) {
  std::vector<int> counts(classes);
  for (const int label : images.labels) ++counts[static_cast<size_t>(label)];
  return counts;
}

void show_info(const Arguments& arguments) {
  DataArguments where;
  where.where = arguments.where;
  where.cache = arguments.cache;
  where.skip_bad = true;
  const Dataset data = load(where, 0, 0);
  const auto train = class_counts(data.train, data.classes.size());
  const auto test = class_counts(data.test, data.classes.size());
  if (arguments.json) {
    print_json({{"name", data.name},
                {"size", {data.train.height, data.train.width}},
                {"classes", data.classes},
                {"train", train},
                {"test", test},
                {"mean", data.mean},
                {"std", data.std}});
    return;
  }
  std::vector<std::vector<std::string>> rows;
  for (size_t k = 0; k < data.classes.size(); ++k)
    rows.push_back({data.classes[k], std::to_string(train[k]), std::to_string(test[k])});
  rows.push_back({"all", std::to_string(data.train.count()), std::to_string(data.test.count())});
  print(table({"class", "training", "test"}, rows));
}

void run(const Arguments& arguments) {
  require_one_of("data", arguments.action, actions);
  if (arguments.action == "cifar10") return get_cifar10(arguments);
  require_usage(!arguments.where.empty(), "data ", arguments.action,
                ": which data? Name a folder or an archive");
  arguments.action == "check" ? check_pictures(arguments) : show_info(arguments);
}

Job define(CLI::App& parser, const Invocation&) {
  auto arguments = std::make_shared<Arguments>();
  parser.add_option("action", arguments->action, "cifar10 (download it), check or info")
      ->required();
  parser.add_option("where", arguments->where, "for check and info: a folder or an archive");
  add_cache(parser, arguments->cache);
  parser.add_option("--url", arguments->url,
                    "where to get CIFAR-10 from; its checksum is verified");
  parser.add_flag("--json", arguments->json, "print one JSON value on standard output");
  return [arguments] { run(*arguments); };
}

}  // namespace

const Command data_command = {"data", "download CIFAR-10; check or show a dataset",
                              "  bonsai data cifar10\n"
                              "  bonsai data check my-pictures\n",
                              define};

}  // namespace bonsai::app
