#include "actors/messages.hpp"

#include <catch2/catch_test_macros.hpp>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/sec.hpp>

using namespace muster;

namespace {

template <class T>
T round_trip(const T& value) {
  caf::byte_buffer bytes;
  caf::binary_serializer sink{nullptr, bytes};
  REQUIRE(sink.apply(value));
  caf::binary_deserializer source{nullptr, bytes};
  T result;
  REQUIRE(source.apply(result));
  return result;
}

leased_job some_job() {
  leased_job job;
  job.token = {job_id{UINT64_MAX}, 3};
  job.queue = "q";
  job.handler = "echo";
  job.payload = std::string{"\0\xFF", 2};
  job.deadline = timestamp{millis{1'700'000'000'123}};
  job.timeout = millis{60'000};
  job.priority = 255;
  job.max_attempts = 5;
  return job;
}

} // namespace

TEST_CASE("leases travel between nodes unharmed") {
  auto batch = round_trip(lease_batch{{some_job(), some_job()}});
  REQUIRE(batch.jobs.size() == 2);
  auto& job = batch.jobs[1];
  CHECK(job.token == some_job().token);
  CHECK(job.queue == "q");
  CHECK(job.handler == "echo");
  CHECK(job.payload == some_job().payload);
  CHECK(job.deadline == some_job().deadline);
  CHECK(job.timeout == millis{60'000});
  CHECK(job.priority == 255);
  CHECK(job.max_attempts == 5);
}

TEST_CASE("outcomes and acknowledgements travel between nodes unharmed") {
  outcome_batch batch{
    9, {{{job_id{1}, 2}, outcome_kind::timed_out, "late", false}}};
  auto copy = round_trip(batch);
  CHECK(copy.number == 9);
  CHECK(copy.items[0].token == lease_token{job_id{1}, 2});
  CHECK(copy.items[0].kind == outcome_kind::timed_out);
  CHECK(copy.items[0].text == "late");
  CHECK(!copy.items[0].retry);
  auto ack = round_trip(
    outcome_ack{9, errc::busy, {settle_status::ok, settle_status::cancelled}});
  CHECK(ack.code == errc::busy);
  CHECK(ack.items[1] == settle_status::cancelled);
}

TEST_CASE("heartbeats travel between nodes unharmed") {
  worker_heartbeat beat;
  beat.load = {1, 2, 3, 4, 5, true};
  beat.leases = {{{job_id{1}, 1}, std::nullopt}, {{job_id{2}, 1}, "half"}};
  auto copy = round_trip(beat);
  CHECK(copy.load == beat.load);
  CHECK(copy.leases[0].progress == std::nullopt);
  CHECK(copy.leases[1].progress == "half");
}

TEST_CASE("pieces of parcels travel between nodes unharmed") {
  auto chunk
    = round_trip(parcel_chunk{3, 7, 1'000, 500, std::string{"\0\xFF", 2}});
  CHECK(chunk.session == 3);
  CHECK(chunk.parcel == 7);
  CHECK(chunk.total == 1'000);
  CHECK(chunk.offset == 500);
  CHECK(chunk.bytes == std::string{"\0\xFF", 2});
  auto received = round_trip(parcel_received{3, 7, 502});
  CHECK(received.session == 3);
  CHECK(received.parcel == 7);
  CHECK(received.offset == 502);
}

TEST_CASE("an enum value that does not exist is refused") {
  caf::byte_buffer bytes;
  caf::binary_serializer sink{nullptr, bytes};
  REQUIRE(sink.apply(static_cast<std::uint8_t>(200)));
  caf::binary_deserializer source{nullptr, bytes};
  settle_status status;
  CHECK(!source.apply(status));
}

TEST_CASE("our errors survive as CAF's") {
  error err{errc::store_locked, "somebody else is here"};
  CHECK(from_caf(to_caf(err)) == err);
  CHECK(from_caf(caf::make_error(errc::busy)) == error{errc::busy});
  CHECK(from_caf(caf::error{}).code == errc::none);
}

TEST_CASE("CAF's errors become ours") {
  CHECK(from_caf(caf::make_error(caf::sec::request_timeout)).code
        == errc::timed_out);
  CHECK(from_caf(caf::make_error(caf::sec::request_receiver_down)).code
        == errc::unavailable);
  CHECK(from_caf(caf::make_error(caf::sec::runtime_error)).code
        == errc::internal);
}

TEST_CASE("type ids stay where they are") {
  // Nodes of other builds rely on them: this test changes by additions only.
  CHECK(caf::type_id_v<errc> == 4000);
  CHECK(caf::type_id_v<register_worker> == 4003);
  CHECK(caf::type_id_v<outcome_batch> == 4005);
  CHECK(caf::type_id_v<worker_accepted> == 4008);
  CHECK(caf::type_id_v<register_again> == 4014);
  CHECK(caf::type_id_v<drain_worker> == 4018);
  CHECK(caf::type_id_v<restart_due> == 4022);
  CHECK(caf::type_id_v<add_child> == 4026);
  CHECK(caf::type_id_v<remove_child> == 4029);
  CHECK(caf::type_id_v<parcel_chunk> == 4032);
  CHECK(caf::type_id_v<parcel_received> == 4033);
  CHECK(caf::type_id_v<leave_cluster> == 4034);
}
