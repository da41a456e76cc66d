#include "actors/node_hello.hpp"

#include "actors/inspection_messages.hpp"

#include <caf/actor_cast.hpp>
#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/byte_buffer.hpp>
#include <caf/detail/meta_object.hpp>

#include <fmt/format.h>

#include <cstring>
#include <utility>

namespace muster {

namespace {

constexpr auto hello_tag = "muster-hello";
constexpr auto refusal_tag = "muster-refusal";
constexpr std::size_t max_reason = 1'000;

std::string make_fingerprint() {
  // FNV-1a, 64 bits.
  std::uint64_t hash = 0xCBF29CE484222325u;
  auto add = [&hash](std::string_view text) {
    for (auto c : text)
      hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
    hash = (hash ^ 0xFFu) * 0x100000001B3u;
  };
  auto add_block = [&add](auto begin, auto end) {
    for (auto id = begin; id < end; ++id) {
      auto name = caf::query_type_name(id);
      add({name.data(), name.size()});
    }
  };
  using messages = caf::id_block::muster;
  using inspection = caf::id_block::muster_inspection;
  add_block(messages::begin, messages::end);
  add_block(inspection::begin, inspection::end);
  return fmt::format("{:016x}", hash);
}

caf::message make_parts(std::string tag, std::string body,
                        const caf::actor& gate, const caf::actor& manager) {
  return caf::make_message(std::move(tag), wire_version, message_fingerprint(),
                           std::move(body),
                           caf::actor_cast<caf::strong_actor_ptr>(gate),
                           caf::actor_cast<caf::strong_actor_ptr>(manager));
}

bool is_valid(const known_node& node) {
  return !node.name.empty() && node.name.size() <= limits::node_name
         && node.addresses.size() <= limits::node_addresses;
}

bool is_valid(const node_hello& hello) {
  if (!is_valid(hello.identity.node) || hello.identity.incarnation.empty()
      || hello.identity.incarnation.size() > limits::node_name
      || hello.http.size() > limits::http_address
      || hello.others.size() > limits::told_nodes)
    return false;
  for (auto& other : hello.others)
    if (!is_valid(other))
      return false;
  return true;
}

} // namespace

// -- inspection ---------------------------------------------------------------

template <class Inspector>
bool inspect(Inspector& f, endpoint& x) {
  return f.object(x).fields(f.field("host", x.host), f.field("port", x.port));
}

template <class Inspector>
bool inspect(Inspector& f, node_roles& x) {
  return f.object(x).fields(f.field("manager", x.manager),
                            f.field("worker", x.worker));
}

template <class Inspector>
bool inspect(Inspector& f, known_node& x) {
  return f.object(x).fields(f.field("name", x.name), f.field("roles", x.roles),
                            f.field("addresses", x.addresses));
}

template <class Inspector>
bool inspect(Inspector& f, node_identity& x) {
  auto get = [&x] { return x.started.time_since_epoch().count(); };
  auto set = [&x](millis::rep value) {
    x.started = timestamp{millis{value}};
    return true;
  };
  return f.object(x).fields(f.field("node", x.node),
                            f.field("incarnation", x.incarnation),
                            f.field("started", get, set));
}

template <class Inspector>
bool inspect(Inspector& f, node_hello& x) {
  return f.object(x).fields(f.field("identity", x.identity),
                            f.field("load", x.load), f.field("http", x.http),
                            f.field("leaving", x.leaving),
                            f.field("others", x.others));
}

// -- wire ---------------------------------------------------------------------

const std::string& message_fingerprint() {
  static const auto result = make_fingerprint();
  return result;
}

caf::message encode_hello(const node_hello& hello, const caf::actor& gate,
                          const caf::actor& manager) {
  caf::byte_buffer bytes;
  caf::binary_serializer sink{nullptr, bytes};
  // Inspectors take what they only read as if they changed it.
  auto copy = hello;
  if (!sink.apply(copy))
    return encode_refusal("a hello that cannot be written");
  std::string body(bytes.size(), '\0');
  std::memcpy(body.data(), bytes.data(), bytes.size());
  return make_parts(hello_tag, std::move(body), gate, manager);
}

caf::message encode_refusal(std::string_view reason) {
  return make_parts(refusal_tag, std::string{reason.substr(0, max_reason)}, {},
                    {});
}

expected<received_hello> decode_hello(const hello_parts& parts) {
  auto& [tag, version, fingerprint, body, gate, manager] = parts;
  if (tag == refusal_tag)
    return fail_with(errc::refused, body.substr(0, max_reason));
  if (tag != hello_tag)
    return fail_with(errc::malformed, "it is not a node of Muster");
  if (version != wire_version)
    return fail_with(errc::version_mismatch,
                     fmt::format("it speaks version {} of the wire protocol, "
                                 "this node version {}",
                                 version, wire_version));
  if (fingerprint != message_fingerprint())
    return fail_with(
      errc::version_mismatch,
      fmt::format("its message types ({}) are not those of this node ({}): run "
                  "the same version of Muster on both",
                  fingerprint.substr(0, 16), message_fingerprint()));
  received_hello result;
  caf::binary_deserializer source{nullptr, body.data(), body.size()};
  if (!source.apply(result.hello) || source.remaining() != 0 || !gate
      || !is_valid(result.hello))
    return fail_with(errc::malformed, "its hello cannot be read");
  result.gate = caf::actor_cast<caf::actor>(gate);
  result.manager = caf::actor_cast<caf::actor>(manager);
  return result;
}

std::optional<std::string> reason_to_refuse(const node_identity& self,
                                            const node_identity& other) {
  if (other.incarnation == self.incarnation)
    return "it is this node itself";
  if (other.node.name == self.node.name)
    return fmt::format("another node has the name {} already", other.node.name);
  return std::nullopt;
}

} // namespace muster
