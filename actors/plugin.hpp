#pragma once

#include "muster_version.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

// For authors of plug-ins: handlers in a shared object that a node loads with
// `--handlers=FILE`. This header is all that a plug-in needs; it is linked with
// nothing of Muster's. Between node and plug-in only plain structs pass, so
// that both may be built by different compilers and with different options.
//
//     muster::plugin::result shout(muster::plugin::job& job) { ... }
//
//     MUSTER_PLUGIN({"shout", shout})

namespace muster::plugin {

/// The version of what follows in `wire`. Any change there raises it; a node
/// refuses plug-ins of another version.
inline constexpr std::uint32_t abi_version = 1;

// -- what passes between node and plug-in -------------------------------------

namespace wire {

/// One attempt of a job, valid while the handler runs. Text is not terminated.
/// All functions take `node` first, may be called from any thread while the
/// handler runs, and do not throw.
struct attempt {
  void* node;
  const char* payload;
  std::size_t payload_size;
  const char* queue;
  std::size_t queue_size;
  const char* handler;
  std::size_t handler_size;
  std::uint64_t id;
  std::uint32_t number;
  std::uint32_t max_attempts;
  std::int64_t (*time_left_ms)(void*);
  std::uint32_t (*reason)(void*);
  std::uint32_t (*wait_ms)(void*, std::int64_t);
  void (*progress)(void*, const char*, std::size_t);
  int (*stop_descriptor)(void*);
  /// The result, or why there is none; the bytes are copied. One of them is
  /// called before the handler returns; the last call counts.
  void (*succeed)(void*, const char*, std::size_t);
  void (*fail)(void*, const char*, std::size_t, std::uint32_t retry);
};

/// A handler: `run` gets `self` and an attempt; it does not throw.
struct handler {
  const char* name;
  void* self;
  void (*run)(void* self, const attempt*);
};

/// Begins every description, so that what is no plug-in is told apart.
inline constexpr std::uint64_t magic = 0x4D75737465725031;

/// What a plug-in says of itself; lives as long as the process. The first four
/// fields stay as they are in all versions.
struct description {
  std::uint64_t abi_magic;
  std::uint32_t abi;
  /// Of all three structs together, for those that were built otherwise.
  std::uint32_t size;
  /// Of the Muster whose header it was built with; terminated.
  const char* muster_version;
  const handler* handlers;
  std::size_t handler_count;
};

inline constexpr std::uint32_t size
  = sizeof(attempt) + sizeof(handler) + sizeof(description);

/// The function that a plug-in exports with C linkage.
inline constexpr auto entry_name = "muster_plugin_description";

using entry_function = const description* (*)();

} // namespace wire

// -- what authors use ---------------------------------------------------------

/// Why a handler should return before it is done.
enum class stop_reason : std::uint32_t {
  none = 0,
  /// The job was cancelled.
  cancelled = 1,
  /// The attempt's time limit is over.
  timed_out = 2,
  /// The lease is lost: another worker may run the job now.
  lease_lost = 3,
  /// The node ends and hands the job back: the attempt does not count.
  shutting_down = 4,
};

/// What a handler sees of the attempt that it runs. Valid during the call;
/// thread-safe, should a handler use threads of its own. Nothing here throws.
class job {
public:
  /// For `handler_table`.
  explicit job(const wire::attempt& data) noexcept : data_(&data) {
    // nop
  }

  /// The job's payload, any bytes; valid during the call.
  [[nodiscard]] std::string_view payload() const noexcept {
    return {data_->payload, data_->payload_size};
  }

  /// The queue that the job was put into.
  [[nodiscard]] std::string_view queue() const noexcept {
    return {data_->queue, data_->queue_size};
  }

  /// The name that the job asked for.
  [[nodiscard]] std::string_view handler() const noexcept {
    return {data_->handler, data_->handler_size};
  }

  /// The job's id as a number; the same for each of its attempts.
  [[nodiscard]] std::uint64_t id() const noexcept {
    return data_->id;
  }

  /// From 1; grows each time that the job is begun.
  [[nodiscard]] std::uint32_t attempt() const noexcept {
    return data_->number;
  }

  /// How many failed attempts make the job dead.
  [[nodiscard]] std::uint32_t max_attempts() const noexcept {
    return data_->max_attempts;
  }

  /// Of the attempt's time limit; never negative.
  [[nodiscard]] std::chrono::milliseconds time_left() const noexcept {
    return std::chrono::milliseconds{data_->time_left_ms(data_->node)};
  }

  /// Whether the handler should return as soon as it can. What it returns is
  /// not recorded then. Costs some 20 ns.
  [[nodiscard]] bool cancelled() const noexcept {
    return reason() != stop_reason::none;
  }

  /// Why the handler should return; `none` while it should not.
  [[nodiscard]] stop_reason reason() const noexcept {
    return static_cast<stop_reason>(data_->reason(data_->node));
  }

  /// Sleeps; false as soon as the handler should return.
  [[nodiscard]] bool wait_for(std::chrono::milliseconds duration) noexcept {
    return data_->wait_ms(data_->node, duration.count()) != 0;
  }

  /// Publishes how far the job is; the latest text replaces the one before and
  /// is shown about a second later. Cut at 4096 bytes.
  void progress(std::string_view text) noexcept {
    data_->progress(data_->node, text.data(), text.size());
  }

  /// A descriptor that is readable once the handler should return (but not at
  /// its time limit), for handlers that wait in `poll`; -1 if the system has
  /// none left. It belongs to the node.
  [[nodiscard]] int stop_descriptor() noexcept {
    return data_->stop_descriptor(data_->node);
  }

private:
  const wire::attempt* data_;
};

/// Why an attempt failed. With `retry` the job is tried again after a back-off,
/// up to its `max_attempts`; without, it is dead at once.
struct failure {
  /// Recorded as the job's error; one sentence.
  std::string message;
  /// Whether another attempt may help.
  bool retry = true;
};

/// What a handler returns: the job's result, any bytes, or a failure. Anything
/// that a handler throws is a failure with its `what()`, to be tried again.
class result {
public:
  /// Success, with these bytes.
  result(std::string bytes) : value_(std::move(bytes)) {
    // nop
  }

  /// Success, with a copy of these bytes.
  result(std::string_view bytes) : value_(std::string{bytes}) {
    // nop
  }

  /// Success, with a copy of this text.
  result(const char* text) : value_(std::string{text}) {
    // nop
  }

  /// No success.
  result(failure why) : value_(std::move(why)) {
    // nop
  }

  /// Null for a failure.
  [[nodiscard]] const std::string* bytes() const noexcept {
    return std::get_if<std::string>(&value_);
  }

  /// Null for a result.
  [[nodiscard]] const failure* why() const noexcept {
    return std::get_if<failure>(&value_);
  }

private:
  std::variant<std::string, failure> value_;
};

/// Runs one attempt on a thread of the worker; it may block. Called from
/// several threads at once.
using handler_function = std::function<result(job&)>;

/// A handler by the name that jobs ask for: 1 to 128 of `A-Z a-z 0-9 . _ -`.
struct handler {
  /// What jobs ask for.
  std::string name;
  /// What runs them.
  handler_function run;
};

// -- the way between the two --------------------------------------------------

/// A plug-in's handlers in the form in which the node sees them. Made once by
/// `MUSTER_PLUGIN`, and never destroyed while the node runs.
class handler_table {
public:
  /// Keeps the handlers.
  handler_table(std::initializer_list<handler> handlers) : handlers_(handlers) {
    for (auto& each : handlers_)
      wired_.push_back({each.name.c_str(), &each, run});
    description_ = {wire::magic,    abi_version,   wire::size,
                    MUSTER_VERSION, wired_.data(), wired_.size()};
  }

  handler_table(const handler_table&) = delete;
  handler_table& operator=(const handler_table&) = delete;

  /// For the node.
  [[nodiscard]] const wire::description* describe() const noexcept {
    return &description_;
  }

private:
  static void run(void* self, const wire::attempt* data) noexcept {
    auto fail = [data](std::string_view text, bool retry) {
      data->fail(data->node, text.data(), text.size(), retry ? 1 : 0);
    };
    try {
      job current{*data};
      auto done = static_cast<handler*>(self)->run(current);
      if (auto* bytes = done.bytes())
        data->succeed(data->node, bytes->data(), bytes->size());
      else
        fail(done.why()->message, done.why()->retry);
    } catch (const std::exception& ex) {
      fail(ex.what(), true);
    } catch (...) {
      fail("the handler threw", true);
    }
  }

  std::vector<handler> handlers_;
  std::vector<wire::handler> wired_;
  wire::description description_{};
};

} // namespace muster::plugin

/// Makes a shared object a plug-in. Once in it, outside of any namespace, with
/// its handlers: `MUSTER_PLUGIN({"shout", shout}, {"count", count})`.
#define MUSTER_PLUGIN(...)                                                     \
  extern "C" __attribute__((visibility("default")))                            \
  const ::muster::plugin::wire::description*                                   \
  muster_plugin_description();                                                 \
  extern "C" const ::muster::plugin::wire::description*                        \
  muster_plugin_description() {                                                \
    try {                                                                      \
      static const ::muster::plugin::handler_table table{__VA_ARGS__};         \
      return table.describe();                                                 \
    } catch (...) {                                                            \
      return nullptr;                                                          \
    }                                                                          \
  }
