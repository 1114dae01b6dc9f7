#include "engine/parallel.h"

#include <array>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#ifdef __linux__
#include <sched.h>
#endif

#include "engine/chunks.h"
#include "engine/error.h"
#include "engine/inner_loop.h"
#include "engine/pause.h"
#include "engine/storage.h"

namespace bonsai {
namespace {

int available_processors() {
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// How many loops the chunk is in that this thread runs: a loop in a chunk of an outer one is open
// to idle threads (InnerLoop), and loops in its chunks run in place.
thread_local int loops_around = 0;

// In which place of the pool this thread is: 0 for who calls, then the pool's own.
thread_local size_t place = 0;

struct EnterLoop {
  EnterLoop() { ++loops_around; }
  ~EnterLoop() { --loops_around; }
  EnterLoop(const EnterLoop&) = delete;
  EnterLoop& operator=(const EnterLoop&) = delete;
};

// One loop at a time. A job is published under the mutex with a new generation number. Each thread
// has a run of neighbouring chunks, which it takes one after the other from an atomic counter, and
// then helps with the others' runs until none is left: memory that a single thread walks through
// arrives twice as quickly as chunks dealt out in turns. When no chunk is left, idle threads help
// with the loops inside those that still run. Between jobs they look for the next generation for a
// short while (a layer follows a layer within microseconds) before they sleep. The caller closes
// the job when no chunk is left, so it never waits for a thread to wake up.
class Pool {
 public:
  explicit Pool(int threads)
      : runs_(static_cast<size_t>(threads)), inner_loops_(static_cast<size_t>(threads)) {
    try {
      for (size_t i = 1; i < runs_.size(); ++i) threads_.emplace_back([this, i] { work(i); });
    } catch (const std::system_error& error) {
      const size_t started = threads_.size() + 1;
      end_all();
      throw Error(
          join("threads: only ", started, " of ", threads, " could be started: ", error.what()));
    }
  }

  ~Pool() { end_all(); }

  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int threads() const { return static_cast<int>(threads_.size()) + 1; }

  void run(int64_t chunks, detail::ChunkCall call, const void* body) {
    {
      const std::lock_guard lock(mutex_);
      call_ = call;
      body_ = body;
      const auto count = static_cast<int64_t>(runs_.size());
      for (int64_t i = 0; i < count; ++i) {
        Run& run = runs_[static_cast<size_t>(i)];
        run.next.store(i * chunks / count, std::memory_order_relaxed);
        run.end = (i + 1) * chunks / count;
      }
      open_ = true;
      running_.store(true, std::memory_order_relaxed);
      generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    drain();
    {
      const std::lock_guard lock(mutex_);
      open_ = false;
    }
    help_while([this] { return busy_.load(std::memory_order_acquire) != 0; });
    running_.store(false, std::memory_order_relaxed);
    failure_.rethrow();
  }

  // A loop in a chunk of the job.
  void run_inside(int64_t chunks, detail::ChunkCall call, const void* body) {
    const EnterLoop enter;
    inner_loops_[place].run(chunks, call, body);
  }

 private:
  static constexpr int spins = 4000;

  // In a cache line of its own, since its thread counts in it.
  struct alignas(64) Run {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };

  void end_all() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
      generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    for (std::thread& t : threads_) t.join();
  }

  // Until then, takes chunks of loops inside those of the job.
  template <class Condition>
  void help_while(const Condition& waiting) {
    const EnterLoop enter;
    for (unsigned i = 1; waiting(); ++i) {
      bool helped = false;
      for (InnerLoop& loop : inner_loops_) helped = loop.help() || helped;
      if (!helped) pause_or_yield(i);
    }
  }

  // The runs in a circle, from this thread's own on.
  void drain() {
    for (size_t i = 0; i < runs_.size(); ++i) {
      Run& run = runs_[(place + i) % runs_.size()];
      take_chunks(run.next, run.end, call_, body_, failure_);
    }
  }

  void work(size_t own_place) {
    place = own_place;
    const EnterLoop enter;
    uint64_t seen = 0;
    for (;;) {
      for (int i = 0; i < spins && generation_.load(std::memory_order_acquire) == seen; ++i) {
        pause_briefly();
      }
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return generation_.load(std::memory_order_relaxed) != seen; });
        seen = generation_.load(std::memory_order_relaxed);
        if (stop_) return;
        if (!open_) continue;
        busy_.fetch_add(1, std::memory_order_relaxed);
      }
      drain();
      busy_.fetch_sub(1, std::memory_order_acq_rel);
      help_while([this, seen] {
        return running_.load(std::memory_order_relaxed) &&
               generation_.load(std::memory_order_relaxed) == seen;
      });
    }
  }

  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> generation_{0};
  std::atomic<int> busy_{0};  // pool threads inside the job
  std::vector<Run> runs_;     // of chunks: one per thread, the caller's first
  std::vector<InnerLoop> inner_loops_;
  std::atomic<bool> running_{false};  // the job
  detail::ChunkCall call_ = nullptr;
  const void* body_ = nullptr;
  Failure failure_{};
  bool open_ = false;
  bool stop_ = false;
};

struct SharedPool {
  std::mutex turn;  // held for the length of a loop
  std::unique_ptr<Pool> pool;
  std::atomic<int> threads{0};  // the pool's, readable without a turn
};

// Never destroyed: its threads may still sleep when the program ends.
SharedPool& shared_pool() {
  static SharedPool* const shared = [] {
    auto* s = new SharedPool;
    s->pool = std::make_unique<Pool>(available_processors());
    s->threads = s->pool->threads();
    return s;
  }();
  return *shared;
}

}  // namespace

int thread_count() { return shared_pool().threads; }

void set_thread_count(int threads) {
  // OpenBLAS, as distributions build it, has buffers for 128 callers at a time.
  require(threads >= 1 && threads <= 128, "threads: ", threads, " asked for, should be 1 to 128");
  require(loops_around == 0, "threads: their number cannot change inside a parallel loop");
  SharedPool& shared = shared_pool();
  const std::lock_guard turn(shared.turn);
  if (shared.threads == threads) return;
  auto pool = std::make_unique<Pool>(threads);  // the old one stays when this throws
  shared.pool = std::move(pool);
  shared.threads = threads;
}

void detail::run_chunks(int64_t chunks, ChunkCall call, const void* body) {
  if (chunks > 1 && loops_around < 2 && thread_count() > 1) {
    SharedPool& shared = shared_pool();
    if (loops_around == 1) return shared.pool->run_inside(chunks, call, body);
    const std::unique_lock turn(shared.turn, std::try_to_lock);
    if (turn.owns_lock()) {
      const EnterLoop enter;
      return shared.pool->run(chunks, call, body);
    }
  }
  for (int64_t chunk = 0; chunk < chunks; ++chunk) call(body, chunk);
}

void* thread_scratch(int slot, size_t bytes) {
  struct Buffer {
    std::shared_ptr<void> memory;
    size_t bytes = 0;
  };
  thread_local std::array<Buffer, 6> buffers;
  Buffer& buffer = buffers.at(static_cast<size_t>(slot));
  if (buffer.bytes < bytes) {
    buffer = {};
    buffer.memory = allocate_storage(bytes);
    buffer.bytes = bytes;
  }
  return buffer.memory.get();
}

}  // namespace bonsai
