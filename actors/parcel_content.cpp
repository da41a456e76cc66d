#include "actors/parcel_content.hpp"

#include "actors/parcel.hpp"

#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>

#include <utility>

namespace muster {

namespace {

/// What the fields of fixed size and the lengths take at most.
constexpr std::size_t fixed_bytes = 64;

template <class T>
caf::byte_buffer write(const T& msg) {
  caf::byte_buffer result;
  result.reserve(bytes_of(msg));
  caf::binary_serializer sink{nullptr, result};
  // Only what is read can break a rule.
  static_cast<void>(sink.apply(msg));
  return result;
}

template <class T>
expected<T> read(std::string_view content) {
  T result;
  caf::binary_deserializer source{nullptr, content.data(), content.size()};
  if (!source.apply(result) || source.remaining() != 0)
    return fail_with(errc::malformed, "a parcel that cannot be read");
  return result;
}

} // namespace

std::size_t bytes_of(const leased_job& job) noexcept {
  return fixed_bytes + job.queue.size() + job.handler.size()
         + job.payload.size();
}

std::size_t bytes_of(const lease_batch& msg) noexcept {
  auto result = fixed_bytes;
  for (auto& job : msg.jobs)
    result += bytes_of(job);
  return result;
}

std::size_t bytes_of(const outcome_batch& msg) noexcept {
  auto result = fixed_bytes;
  for (auto& item : msg.items)
    result += fixed_bytes + item.text.size();
  return result;
}

caf::byte_buffer to_parcel(const lease_batch& msg) {
  return write(msg);
}

caf::byte_buffer to_parcel(const outcome_batch& msg) {
  return write(msg);
}

expected<lease_batch> read_leases(std::string_view content) {
  return read<lease_batch>(content);
}

expected<outcome_batch> read_outcomes(std::string_view content) {
  return read<outcome_batch>(content);
}

bool needs_parcel(std::size_t bytes) noexcept {
  return bytes > limits::parcel_chunk_bytes && bytes <= limits::parcel_bytes;
}

} // namespace muster
