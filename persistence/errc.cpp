#include "persistence/errc.hpp"

#include <array>

namespace muster {

namespace {

struct code_facts {
  std::string_view name;
  std::string_view sentence;
};

constexpr std::array<code_facts, static_cast<std::size_t>(last_errc) + 1> facts{
  {
    {"none", "No error."},
    {"invalid_argument", "The input breaks a rule."},
    {"job_not_found", "No job has this id, or its retention has passed."},
    {"queue_not_found", "No queue has this name."},
    {"stale_lease", "The lease token is not the current one."},
    {"payload_too_large", "The payload exceeds the limit."},
    {"result_too_large", "The result exceeds the limit."},
    {"queue_full", "The queue holds as many jobs as its max_depth allows."},
    {"store_full",
     "The store is nearly full; purge jobs or raise its map size."},
    {"disk_full", "The disk that holds the data directory is nearly full."},
    {"busy", "Too many requests wait already; try again shortly."},
    {"unavailable", "The manager is not serving at the moment; try again."},
    {"not_leader", "Another manager leads this group."},
    {"shutting_down", "The node is draining and takes no new work."},
    {"timed_out", "A time limit passed before the answer came."},
    {"cancelled", "The job was cancelled."},
    {"wrong_state", "The job's state does not allow this."},
    {"store_corrupt", "A file of the store is damaged."},
    {"store_foreign", "A file in the data directory is not Muster's."},
    {"store_newer", "The store was written by a newer version of Muster."},
    {"store_locked", "Another process uses the data directory."},
    {"io_error", "The operating system refused a file or network operation."},
    {"unknown_handler", "The worker has no handler of this name."},
    {"handler_failed", "The handler failed."},
    {"malformed", "The bytes do not follow their grammar."},
    {"internal", "A bug in Muster."},
    {"version_mismatch", "The other node's version does not fit this one's."},
    {"refused", "The other node refused this one."},
    {"not_found", "There is no such thing."},
  }};

const code_facts& facts_of(errc code) noexcept {
  auto index = static_cast<std::size_t>(code);
  return facts[index < facts.size() ? index : std::size_t{25}];
}

} // namespace

std::string_view describe(errc code) noexcept {
  return facts_of(code).sentence;
}

std::string_view to_string(errc code) noexcept {
  return facts_of(code).name;
}

bool is_retryable(errc code) noexcept {
  switch (code) {
    case errc::queue_full:
    case errc::store_full:
    case errc::disk_full:
    case errc::busy:
    case errc::unavailable:
    case errc::not_leader:
    case errc::shutting_down:
    case errc::timed_out:
      return true;
    default:
      return false;
  }
}

bool is_uncertain(errc code) noexcept {
  switch (code) {
    case errc::timed_out:
    case errc::io_error:
    case errc::unavailable:
      return true;
    default:
      return false;
  }
}

bool is_fatal(errc code) noexcept {
  switch (code) {
    case errc::store_corrupt:
    case errc::store_foreign:
    case errc::store_newer:
    case errc::store_locked:
    case errc::internal:
      return true;
    default:
      return false;
  }
}

error::error(errc why) : code(why), message(describe(why)) {
  // nop
}

} // namespace muster
