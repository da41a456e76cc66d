#include "actors/lease_split.hpp"

#include "actors/parcel_content.hpp"

#include <utility>

namespace muster {

std::vector<lease_batch> split_leases(std::vector<leased_job> jobs,
                                      std::size_t max_bytes) {
  std::vector<lease_batch> result;
  std::size_t bytes = 0;
  for (auto& job : jobs) {
    auto size = bytes_of(job);
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
