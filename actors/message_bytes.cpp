#include "actors/message_bytes.hpp"

#include <caf/actor_system.hpp>
#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/byte_buffer.hpp>

#include <cstdint>
#include <exception>

namespace muster {

namespace {

constexpr char version = 1;
constexpr std::size_t head_size = 5;

std::string names_of(const caf::message& what) {
  std::string result;
  auto types = what.types();
  for (std::size_t i = 0; i < types.size(); ++i) {
    auto name = caf::query_type_name(types[i]);
    result.append(name.data(), name.size());
    result += '\n';
  }
  return result;
}

void append_size(std::string& out, std::size_t size) {
  for (int shift = 24; shift >= 0; shift -= 8)
    out += static_cast<char>((size >> shift) & 0xFF);
}

std::size_t read_size(std::string_view bytes) {
  std::size_t result = 0;
  for (auto c : bytes.substr(0, 4))
    result = (result << 8) | static_cast<unsigned char>(c);
  return result;
}

tl::unexpected<error> malformed(const char* text) {
  return fail_with(errc::malformed, text);
}

} // namespace

expected<std::string> to_bytes(caf::actor_system& system,
                               const caf::message& what) {
  try {
    caf::byte_buffer values;
    caf::binary_serializer sink{system, values};
    if (!sink.apply(what))
      return fail_with(errc::invalid_argument, "the message cannot be written: "
                                                 + to_string(sink.get_error()));
    auto names = names_of(what);
    std::string result;
    result.reserve(head_size + names.size() + values.size());
    result += version;
    append_size(result, names.size());
    result += names;
    result.append(reinterpret_cast<const char*>(values.data()), values.size());
    return result;
  } catch (const std::exception& ex) {
    return fail_with(errc::invalid_argument, ex.what());
  }
}

expected<caf::message> to_message(caf::actor_system& system,
                                  std::string_view bytes) {
  if (bytes.size() < head_size || bytes.front() != version)
    return malformed("the payload is no message of an actor");
  auto size = read_size(bytes.substr(1));
  bytes.remove_prefix(head_size);
  if (size > bytes.size())
    return malformed("the payload's message is cut short");
  auto names = bytes.substr(0, size);
  auto values = bytes.substr(size);
  try {
    caf::message result;
    caf::binary_deserializer source{system, values.data(), values.size()};
    if (!source.apply(result) || source.remaining() != 0
        || names_of(result) != names)
      return malformed("the payload's message has types that this program "
                       "does not have, or others under their numbers");
    return result;
  } catch (const std::exception& ex) {
    return malformed(ex.what());
  }
}

} // namespace muster
