// What a person sees of a training.
#include "layers/progress.h"

#include <algorithm>
#include <sstream>

#include "tests/catch.h"

using namespace bonsai;

namespace {

Progress in_training() {
  return {.epoch = 3,
          .epochs = 30,
          .done = 450,
          .total = 1000,
          .loss = 1.2345,
          .accuracy = 0.567,
          .images_per_second = 2310.4,
          .seconds = 12,
          .seconds_left = 153.2};
}

const EpochRecord record = {.epoch = 3,
                            .loss = 1.5,
                            .train_accuracy = 0.5,
                            .test_loss = 1.25,
                            .accuracy = 0.625,
                            .images_per_second = 2310};

Progress at_end() {
  Progress p = in_training();
  p.stage = Progress::Stage::epoch_done;
  p.record = &record;
  return p;
}

int64_t count(const std::string& text, char c) { return std::count(text.begin(), text.end(), c); }

}  // namespace

TEST_CASE("the bar shows epoch, share, speed, loss, accuracy and time left, and fits") {
  CHECK(progress_line(in_training(), 100) ==
        "epoch  3/30 [==========>             ]  45 %  2310 images/s  loss 1.234  accuracy 56.7 %  "
        "2:34 left");
  for (const int columns : {10, 60, 80, 120, 500}) {
    CHECK(progress_line(in_training(), columns).size() < static_cast<size_t>(columns));
  }
  CHECK(progress_line(Progress{}, 80).find("0 %") != std::string::npos);
}

TEST_CASE("an epoch's line shows what it came to") {
  CHECK(epoch_line(at_end()) ==
        "epoch  3/30  loss 1.500  accuracy 50.0 %  test loss 1.250  test accuracy 62.5 %  "
        "2310 images/s  2:34 left");
  Progress last = at_end();
  last.epochs = 3;
  last.note = "not saved: disk full";
  CHECK(epoch_line(last) ==
        "epoch 3/3  loss 1.500  accuracy 50.0 %  test loss 1.250  test accuracy 62.5 %  "
        "2310 images/s\nnot saved: disk full");
}

TEST_CASE("a terminal's line is redrawn at most ten times a second") {
  std::ostringstream out;
  const auto show = progress_bar(out, true);
  for (int i = 0; i < 1000; ++i) {
    Progress p = in_training();
    p.seconds = i * 0.001;
    show(p);
  }
  CHECK(count(out.str(), '\r') == 10);
  CHECK(count(out.str(), '\n') == 0);
  show(at_end());
  CHECK(out.str().ends_with("left\x1b[K\n"));
}

TEST_CASE("elsewhere there is a line per epoch, and a sign of life in a long one") {
  std::ostringstream out;
  const auto show = progress_bar(out, false);
  for (int i = 0; i < 100; ++i) {
    Progress p = in_training();
    p.seconds = i;
    show(p);
  }
  show(at_end());
  CHECK(count(out.str(), '\n') == 3);  // after 5 s, after 65 s, at the end
  CHECK(count(out.str(), '\r') == 0);
  CHECK(out.str().starts_with("epoch  3/30  45 %  2310 images/s  loss 1.234"));
}
