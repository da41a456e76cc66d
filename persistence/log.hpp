#pragma once

#include "persistence/expected.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

extern "C" {
struct uv_loop_s;
struct raft_uv_transport;
}

namespace muster {

/// Consumes a log's entries in their order. Called on the log's thread.
class log_machine {
public:
  virtual ~log_machine() = default;

  /// Takes the entry at `position` (the first one of a store is 1). `entry`
  /// stays valid until the next call of `make_durable`.
  virtual void apply(std::uint64_t position, std::string_view entry) = 0;

  /// Makes everything that `apply` got durable and returns the position of the
  /// last one: the log is about to forget entries up to there.
  [[nodiscard]] virtual expected<std::uint64_t> make_durable() = 0;
};

struct log_options {
  /// Created if it does not exist.
  std::filesystem::path directory;
  std::size_t segment_size = std::size_t{64} << 20;
  /// Identifies the store that the log belongs to; a log of another store is
  /// refused.
  std::uint64_t store_id = 0;
  /// How many entries the store holds durably.
  std::uint64_t durable = 0;
  /// How the members of a group reach each other; none for a lone manager.
  raft_uv_transport* transport = nullptr;
};

/// A durable, ordered log of entries: libraft on a libuv loop. Every member
/// must be called on the loop's thread. A group of one has only itself to
/// agree; a group's transport plugs in through the options.
class log {
public:
  /// `status` is false if the entry could not be written; the log has failed
  /// then and takes no more entries.
  using append_callback = std::function<void(bool status)>;

  log(uv_loop_s* loop, log_machine& machine, log_options options);
  ~log();
  log(const log&) = delete;
  log& operator=(const log&) = delete;

  /// Loads what is on disk, hands entries that are not durable in the store to
  /// the machine, and begins to serve. `ready` is called once.
  /// Errors: `store_corrupt`, `store_foreign`, `disk_full`, `io_error`.
  void start(std::function<void(expected<void>)> ready);

  /// Appends an entry made of `parts`. After `apply` was called for the entry,
  /// which is durable then, calls `done`. Returns false if the log does not
  /// serve; `done` is dropped then.
  [[nodiscard]] bool append(std::span<const std::string_view> parts,
                            append_callback done);

  /// Asks for a snapshot with the next entry that is applied: the store is made
  /// durable, and the log forgets what it holds.
  void request_snapshot();

  /// Bytes and entries that the log holds since its last snapshot.
  [[nodiscard]] std::size_t bytes_since_snapshot() const noexcept;
  [[nodiscard]] std::uint64_t entries_since_snapshot() const noexcept;
  [[nodiscard]] std::uint64_t snapshots() const noexcept;

  /// Ends the log; `closed` is called when nothing is under way any more.
  void close(std::function<void()> closed);

  /// Why the log failed, for a person.
  [[nodiscard]] std::string failure_text() const;

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace muster
