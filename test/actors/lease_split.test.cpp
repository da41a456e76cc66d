#include "actors/lease_split.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstdint>
#include <initializer_list>
#include <string>

using namespace muster;

namespace {

std::vector<leased_job> make_jobs(std::initializer_list<std::size_t> payloads) {
  std::vector<leased_job> result;
  for (auto size : payloads) {
    leased_job job;
    job.token = {job_id{result.size() + 1}, 1};
    job.payload = std::string(size, 'x');
    result.push_back(std::move(job));
  }
  return result;
}

// How many jobs each message has.
std::vector<std::size_t> counts(const std::vector<lease_batch>& batches) {
  std::vector<std::size_t> result;
  for (auto& batch : batches)
    result.push_back(batch.jobs.size());
  return result;
}

} // namespace

TEST_CASE("leases that fit go in one message, none in no message") {
  CHECK(split_leases({}, 1'000).empty());
  auto jobs = make_jobs({10, 20, 30});
  CHECK(counts(split_leases(jobs, 1'000)) == std::vector<std::size_t>{3});
  CHECK(counts(split_leases(jobs, SIZE_MAX)) == std::vector<std::size_t>{3});
}

TEST_CASE("leases are dealt out to messages of bounded size in their order") {
  auto batches = split_leases(make_jobs({400, 400, 400, 400, 10}), 1'000);
  CHECK(counts(batches) == std::vector<std::size_t>{2, 2, 1});
  std::uint64_t last = 0;
  for (auto& batch : batches)
    for (auto& job : batch.jobs)
      CHECK(job.token == lease_token{job_id{++last}, 1});
  CHECK(last == 5);
}

TEST_CASE("a lease beyond the bound of a message goes alone") {
  auto batches = split_leases(make_jobs({10, 5'000, 10, 10, 5'000}), 1'000);
  CHECK(counts(batches) == std::vector<std::size_t>{1, 1, 2, 1});
  CHECK(batches[1].jobs[0].payload.size() == 5'000);
  CHECK(counts(split_leases(make_jobs({1, 1}), 0))
        == std::vector<std::size_t>{1, 1});
}

TEST_CASE("names count in a message, and payloads are moved") {
  auto jobs = make_jobs({600, 600});
  jobs[0].queue = std::string(255, 'q');
  jobs[0].handler = std::string(255, 'h');
  auto* payload = jobs[1].payload.data();
  auto batches = split_leases(std::move(jobs), 1'600);
  CHECK(counts(batches) == std::vector<std::size_t>{1, 1});
  CHECK(batches[1].jobs[0].payload.data() == payload);
}
