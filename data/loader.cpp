#include "data/loader.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <numeric>
#include <thread>
#include <utility>

#include "engine/error.h"
#include "engine/random.h"

namespace bonsai {

// The background thread of one epoch and the queue between it and the caller. The queue is short:
// it only has to bridge the difference between making a batch and using one.
struct Loader::Producer {
  static constexpr size_t queue_length = 3;

  Producer(const Loader& loader, int epoch, int first_batch) {
    thread = std::thread([this, &loader, epoch, first_batch] { run(loader, epoch, first_batch); });
  }

  ~Producer() {
    {
      const std::lock_guard lock(mutex);
      stop = true;
    }
    changed.notify_all();
    thread.join();
  }

  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  void run(const Loader& loader, int epoch, int first_batch) {
    std::exception_ptr failed;
    try {
      const std::vector<int> order = epoch_order(loader, epoch);
      for (int i = first_batch; i < loader.batches(); ++i) {
        if (!put(make_batch(loader, order, epoch, i))) return;
      }
    } catch (...) {
      failed = std::current_exception();
    }
    const std::lock_guard lock(mutex);
    failure = std::move(failed);  // the last hold on it passes to the caller's thread
    finished = true;
    changed.notify_all();
  }

  static std::vector<int> epoch_order(const Loader& loader, int epoch) {
    const int n = loader.images_.count();
    if (loader.options_.shuffle) {
      return permutation(
          n, Random(loader.options_.seed, Purpose::shuffle, static_cast<uint64_t>(epoch)));
    }
    std::vector<int> order(static_cast<size_t>(n));
    std::iota(order.begin(), order.end(), 0);
    return order;
  }

  static Batch make_batch(const Loader& loader, const std::vector<int>& order, int epoch,
                          int number) {
    const Images& images = loader.images_;
    const LoaderOptions& options = loader.options_;
    const int first = number * options.batch;
    const int n = std::min(options.batch, images.count() - first);
    Batch batch;
    batch.images = Tensor::uninitialized({n, images.height, images.width, 3});
    batch.labels = Tensor::uninitialized({n});
    for (int i = 0; i < n; ++i) {
      const int sample = order[static_cast<size_t>(first + i)];
      Placement placement;
      if (options.augment) {
        placement =
            draw_placement(*options.augment, images.height, images.width,
                           Random(options.seed, Purpose::augment, static_cast<uint64_t>(epoch),
                                  static_cast<uint32_t>(sample)));
        if (options.augment->flip == Flip::alternate) {
          placement.flip = flips_in_turn(options.seed, sample, epoch);
        }
      }
      const Padding padding = options.augment ? options.augment->padding : Padding::mean;
      write_sample(images.image(sample), images.height, images.width, placement, padding,
                   loader.normaliser_,
                   batch.images.data() + static_cast<size_t>(i) * images.image_bytes());
      batch.labels[static_cast<size_t>(i)] =
          static_cast<Scalar>(images.labels[static_cast<size_t>(sample)]);
    }
    if (!options.augment || !options.augment->changes()) {
      batch.places.assign(order.begin() + first, order.begin() + first + n);
    }
    return batch;
  }

  // False when the caller has lost interest.
  bool put(Batch batch) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return stop || queue.size() < queue_length; });
    if (stop) return false;
    queue.push_back(std::move(batch));
    changed.notify_all();
    return true;
  }

  bool take(Batch& batch) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return finished || !queue.empty(); });
    if (queue.empty()) {
      if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
      return false;
    }
    batch = std::move(queue.front());
    queue.pop_front();
    changed.notify_all();
    return true;
  }

  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Batch> queue;
  std::exception_ptr failure;
  bool finished = false;  // nothing more will be put
  bool stop = false;
  std::thread thread;  // the last member: it starts when the others are there
};

Loader::Loader(const Images& images, const std::array<float, 3>& mean,
               const std::array<float, 3>& deviation, const LoaderOptions& options)
    : images_(images), options_(options), normaliser_(mean, deviation) {
  require(options.batch >= 1, "loader: batch of ", options.batch, ", should be at least 1");
  require(images.pixels.size() == static_cast<size_t>(images.count()) * images.image_bytes(),
          "loader: ", images.pixels.size(), " bytes of pixels do not make ", images.count(),
          " pictures of ", images.height, "x", images.width);
  require(batches() > 0, "loader: ", images.count(), " pictures do not fill a batch of ",
          options.batch);
}

Loader::~Loader() = default;

int Loader::batches() const {
  const int full = images_.count() / options_.batch;
  return full + (!options_.drop_last && images_.count() % options_.batch != 0 ? 1 : 0);
}

void Loader::start(int epoch, int first_batch) {
  require(epoch >= 0 && first_batch >= 0 && first_batch <= batches(), "loader: epoch ", epoch,
          " from batch ", first_batch, ": should not be negative, and an epoch has ", batches(),
          " batches");
  producer_.reset();
  producer_ = std::make_unique<Producer>(*this, epoch, first_batch);
}

bool Loader::next(Batch& batch) {
  require(producer_ != nullptr, "loader: start an epoch before asking for a batch");
  return producer_->take(batch);
}

}  // namespace bonsai
