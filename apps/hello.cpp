// Trains a network, halves its multiply-accumulates, fine-tunes it, saves it, runs it.
#include <iostream>

#include "compress/choose.h"
#include "compress/measure.h"
#include "compress/prune.h"
#include "engine/file.h"
#include "engine/session.h"
#include "layers/progress.h"
#include "layers/trainer.h"
#include "zoo/zoo.h"

using namespace bonsai;

int main() {
  Dataset data = load_dataset("synthetic");  // or "cifar10", or a folder of pictures
  auto net = zoo::make("vgg_small", {.classes = 10, .seed = 1});
  TrainOptions options;
  options.epochs = 8;
  options.lr = 0.05F;
  options.progress = progress_bar(std::cerr, true);
  fit(*net, data, options);

  Graph graph = trace(*net, data.input_shape());
  graph.info = data.info("vgg_small");  // class names and normalisation, for whoever runs it
  Coupling coupling = couple(graph);
  Scores scores = l1_norm(graph, coupling);
  Graph small = prune(graph, coupling, choose(graph, coupling, scores, {.macs = 0.5}));
  options.epochs = 4;
  options.lr = 0.01F;
  fit(small, data, options);

  save("vgg_small-half.bonsai", small);
  std::cout << table(compare(graph, small));

  Session session(load("vgg_small-half.bonsai"));  // all that a Raspberry Pi needs
  std::vector<float> picture(32 * 32 * 3, 0.5F), logits(10);
  session.run(picture.data(), logits.data());
}
