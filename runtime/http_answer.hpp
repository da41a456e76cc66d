#pragma once

#include "runtime/http_types.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

// How an answer gets from a route, on whatever thread, to its connection.
// Private to the server.

namespace muster {

class reply_slot;

/// Answers that came on other threads, on their way to their connections' loop:
/// many answers wake the loop once. Thread-safe.
class answer_box : public std::enable_shared_from_this<answer_box> {
public:
  explicit answer_box(boost::asio::io_context& loop) : loop_(&loop) {
    // nop
  }

  void push(std::shared_ptr<reply_slot> slot) {
    std::lock_guard guard{mutex_};
    if (loop_ == nullptr)
      return;
    waiting_.push_back(std::move(slot));
    if (waiting_.size() == 1)
      boost::asio::post(*loop_, [box = shared_from_this()] { box->deliver(); });
  }

  /// The loop has ended; what comes is dropped.
  void close() {
    std::lock_guard guard{mutex_};
    loop_ = nullptr;
    waiting_.clear();
  }

private:
  void deliver();

  std::mutex mutex_;
  boost::asio::io_context* loop_;
  std::vector<std::shared_ptr<reply_slot>> waiting_;
  /// Of the loop's thread; kept for its memory.
  std::vector<std::shared_ptr<reply_slot>> taken_;
};

/// One request's answer between the route and the connection. Made on the
/// connection's thread.
class reply_slot : public reply_sink,
                   public std::enable_shared_from_this<reply_slot> {
public:
  explicit reply_slot(std::shared_ptr<answer_box> box)
    : box_(std::move(box)), home_(std::this_thread::get_id()) {
    // nop
  }

  void answer(http_response response) override {
    if (answered_.exchange(true))
      return;
    response_ = std::move(response);
    if (std::this_thread::get_id() == home_)
      arrive();
    else
      box_->push(shared_from_this());
  }

  void when_gone(std::function<void()> fn) override {
    gone_ = std::move(fn);
  }

  // -- on the connection's thread only ----------------------------------------

  void arrive() {
    arrived_ = true;
    if (auto resume = std::exchange(resume_, nullptr))
      resume();
  }

  [[nodiscard]] bool arrived() const noexcept {
    return arrived_;
  }

  void on_arrival(std::function<void()> resume) {
    resume_ = std::move(resume);
  }

  /// The connection ends without the answer.
  void abandon() {
    resume_ = nullptr;
  }

  void client_gone() {
    if (auto fn = std::exchange(gone_, nullptr))
      fn();
  }

  http_response& response() noexcept {
    return response_;
  }

private:
  std::shared_ptr<answer_box> box_;
  std::thread::id home_;
  std::atomic<bool> answered_{false};
  http_response response_;
  bool arrived_ = false;
  std::function<void()> gone_;
  std::function<void()> resume_;
};

inline void answer_box::deliver() {
  {
    std::lock_guard guard{mutex_};
    taken_.swap(waiting_);
  }
  for (auto& slot : taken_)
    slot->arrive();
  taken_.clear();
}

} // namespace muster
