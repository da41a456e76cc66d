#include "actors/lease_split.hpp"

#include <utility>

namespace muster {

namespace {

/// What the fields of fixed size and the lengths take at most.
constexpr std::size_t fixed_bytes = 64;

std::size_t size_of(const leased_job& job) noexcept {
  return fixed_bytes + job.queue.size() + job.handler.size()
         + job.payload.size();
}

} // namespace

std::vector<lease_batch> split_leases(std::vector<leased_job> jobs,
                                      std::size_t max_bytes) {
  std::vector<lease_batch> result;
  std::size_t bytes = 0;
  for (auto& job : jobs) {
    auto size = size_of(job);
    // A difference: `max_bytes` may be as large as can be.
    if (result.empty() || bytes >= max_bytes || size > max_bytes - bytes) {
      result.emplace_back();
      bytes = 0;
    }
    bytes += size;
    result.back().jobs.push_back(std::move(job));
  }
  return result;
}

} // namespace muster
