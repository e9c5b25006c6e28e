// A few threads that share work in pieces, each a few microseconds long.
//
// A step of a model is a chain of products that wait for each other, so what counts is how soon
// a thread takes up the next: it spins for a while, then sleeps. Who is late does not hold up the
// others: only pieces that were taken are waited for.
#pragma once
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

class Threads {
  public:
    static constexpr int MOST = 256;

    // fewer where the system gives no more
    explicit Threads(int count) {
        workers_.reserve(MOST);
        try {
            for (int k = 1; k < std::min(count, MOST); k++) workers_.emplace_back([this, k] { wait_for_work(k); });
        } catch (const std::system_error &) {
        }
        count_ = workers_.size() + 1;
    }
    ~Threads() {
        stop_.store(true);
        open(0);
        for (auto &worker : workers_) worker.join();
    }
    int count() const { return count_; }

    // work(piece, thread) for each of so many pieces; returns when all are done. What one of them
    // throws, in whatever thread, is thrown here.
    template <class Work> void run(int pieces, const Work &work) {
        if (pieces <= 1 || count_ == 1) {
            for (int piece = 0; piece < pieces; piece++) work(piece, 0);
            return;
        }
        work_ = &work;
        call_ = [](const void *w, int piece, int thread) {
            (*static_cast<const Work *>(w))(piece, thread);
        };
        for (first_ = 0; first_ < pieces; first_ += MOST_PIECES) {
            const int some = std::min(MOST_PIECES, pieces - first_);
            done_.store(0);
            open(some);
            take_pieces(0);
            for (int spins = 0; done_.load(std::memory_order_acquire) < some; spins++) pause(spins);
        }
        if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
    }

  private:
    // what is to be done, in one word that changes at once: turn, pieces, the next piece, which
    // each thread takes one too far
    static constexpr int MOST_PIECES = 0xFFFFF - MOST;
    static uint64_t turn(uint64_t word) { return word >> 40; }
    static uint32_t pieces(uint64_t word) { return word >> 20 & 0xFFFFF; }
    static uint32_t next(uint64_t word) { return word & 0xFFFFF; }

    void open(int pieces) {
        word_.store((turn(word_.load()) + 1) << 40 | static_cast<uint64_t>(pieces) << 20);
        if (asleep_.load()) {
            std::lock_guard<std::mutex> hold(mutex_);
            wake_.notify_all();
        }
    }
    void take_pieces(int thread) {
        for (;;) {
            uint64_t word = word_.fetch_add(1);
            if (next(word) >= pieces(word)) return;
            try {
                call_(work_, first_ + next(word), thread);
            } catch (...) {
                std::lock_guard<std::mutex> hold(mutex_);
                thrown_ = std::current_exception();
            }
            done_.fetch_add(1, std::memory_order_release);
        }
    }
    void wait_for_work(int thread) {
        for (uint64_t seen = 0;;) {
            auto is_new = [&] { return turn(word_.load()) != seen; };
            for (int spins = 0; !is_new() && spins < SPINS; spins++) pause(0);
            if (!is_new()) {
                std::unique_lock<std::mutex> hold(mutex_);
                asleep_.fetch_add(1);
                wake_.wait(hold, is_new);
                asleep_.fetch_sub(1);
            }
            seen = turn(word_.load());
            if (stop_.load()) return;
            take_pieces(thread);
        }
    }
    static void pause(int spins) {
        if (spins > 1000) std::this_thread::yield();
#if defined(__x86_64__)
        else __builtin_ia32_pause();
#endif
    }

    static constexpr int SPINS = 2000;
    int count_ = 1, first_ = 0;
    const void *work_ = nullptr;
    void (*call_)(const void *, int, int) = nullptr;
    std::atomic<uint64_t> word_{0};
    std::atomic<int> done_{0}, asleep_{0};
    std::atomic<bool> stop_{false};
    std::mutex mutex_;
    std::exception_ptr thrown_;
    std::condition_variable wake_;
    std::vector<std::thread> workers_;
};
