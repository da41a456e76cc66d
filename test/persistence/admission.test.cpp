#include "persistence/admission.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace muster;

namespace {

constexpr std::size_t mib = std::size_t{1} << 20;

encoded_command of_kind(command cmd, std::size_t bytes) {
  encoded_command result;
  result.kind = static_cast<std::uint8_t>(cmd.index());
  result.bytes.assign(bytes, 'x');
  return result;
}

encoded_command enqueue_of(std::uint32_t jobs, std::size_t bytes) {
  auto result = of_kind(enqueue_command{}, bytes);
  result.queue = "q";
  result.jobs = jobs;
  return result;
}

} // namespace

TEST_CASE("admission keeps the queue's depth within its limit, counting what "
          "is under way") {
  admission adm{{64 * mib, 8 * mib, 0}};
  state_machine::queue_depth depth{7, 10};
  CHECK(adm.admit(enqueue_of(2, 10), depth) == errc::none);
  CHECK(adm.admit(enqueue_of(2, 10), depth) == errc::queue_full);
  auto last = enqueue_of(1, 10);
  CHECK(adm.admit(last, depth) == errc::none);
  CHECK(adm.admit(enqueue_of(1, 10), depth) == errc::queue_full);
  adm.applied(last);
  CHECK(adm.admit(enqueue_of(1, 10), depth) == errc::none);
}

TEST_CASE("a queue without a limit takes any number of jobs") {
  admission adm{{64 * mib, 8 * mib, 0}};
  CHECK(
    adm.admit(enqueue_of(1'000, 10), state_machine::queue_depth{1'000'000, 0})
    == errc::none);
  CHECK(adm.admit(enqueue_of(1'000, 10), std::nullopt) == errc::none);
}

TEST_CASE("a nearly full store refuses jobs first, then results, then "
          "failures, purges never") {
  admission adm{{64 * mib, 8 * mib, 0}};
  adm.store_used(57 * mib);
  CHECK(adm.admit(enqueue_of(1, 10), std::nullopt) == errc::store_full);
  CHECK(adm.admit(of_kind(complete_command{}, 10), std::nullopt) == errc::none);
  adm.store_used(61 * mib);
  CHECK(adm.admit(of_kind(complete_command{}, 10), std::nullopt)
        == errc::store_full);
  CHECK(adm.admit(of_kind(fail_command{}, 10), std::nullopt) == errc::none);
  adm.store_used(63 * mib);
  CHECK(adm.admit(of_kind(fail_command{}, 10), std::nullopt)
        == errc::store_full);
  CHECK(adm.admit(of_kind(purge_command{}, 10), std::nullopt) == errc::none);
  adm.store_used(10 * mib);
  CHECK(adm.admit(enqueue_of(1, 10), std::nullopt) == errc::none);
}

TEST_CASE("what was admitted since the last look counts as used") {
  admission adm{{64 * mib, 8 * mib, 0}};
  adm.store_used(50 * mib);
  CHECK(adm.admit(enqueue_of(1, 4 * mib), std::nullopt) == errc::none);
  CHECK(adm.admit(enqueue_of(1, 4 * mib), std::nullopt) == errc::store_full);
  adm.store_used(50 * mib);
  CHECK(adm.admit(enqueue_of(1, 4 * mib), std::nullopt) == errc::none);
}

TEST_CASE("a nearly full disk refuses jobs and lets purges pass") {
  admission adm{{64 * mib, 8 * mib, 100 * mib}};
  adm.disk_free(99 * mib);
  CHECK(adm.admit(enqueue_of(1, 10), std::nullopt) == errc::disk_full);
  CHECK(adm.admit(of_kind(complete_command{}, 10), std::nullopt) == errc::none);
  CHECK(adm.admit(of_kind(purge_command{}, 10), std::nullopt) == errc::none);
  adm.disk_free(std::nullopt);
  CHECK(adm.admit(enqueue_of(1, 10), std::nullopt) == errc::none);
}
