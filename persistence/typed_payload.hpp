#pragma once

#include "persistence/expected.hpp"

#include <msgpack.hpp>

#include <concepts>
#include <exception>
#include <optional>
#include <string>
#include <string_view>

// Payloads and results as plain structs, with msgpack-c:
//
//     struct order {
//       std::string item;
//       int count = 0;
//       MSGPACK_DEFINE_MAP(item, count);
//     };
//
// `MSGPACK_DEFINE_MAP` writes a map with the fields' names, `MSGPACK_DEFINE` an
// array in their order. A type must own what it holds (no `std::string_view`).

namespace muster {

/// A type that msgpack-c can write and read: numbers, text, containers,
/// `std::optional`, and structs with `MSGPACK_DEFINE` or `MSGPACK_DEFINE_MAP`.
template <class T>
concept msgpack_type = std::default_initializable<T> && std::movable<T>;

namespace detail {

/// Errors: `malformed`. The objects may refer to `bytes`.
[[nodiscard]] expected<msgpack::object_handle>
parse_payload(std::string_view bytes);

/// The first field of `wanted` that `given` has not, in words; nothing if it
/// has all. What is nil in `wanted` may be missing: it is optional.
[[nodiscard]] std::optional<std::string>
find_missing(const msgpack::object& given, const msgpack::object& wanted);

/// What of `given` is of another type than in `wanted`, in words.
[[nodiscard]] std::string find_mismatch(const msgpack::object& given,
                                        const msgpack::object& wanted);

} // namespace detail

/// Writes a value. Errors: `invalid_argument` where msgpack-c cannot.
/// Thread-safe, and does not throw.
template <msgpack_type T>
[[nodiscard]] expected<std::string> to_payload(const T& value) {
  struct sink {
    std::string out;
    void write(const char* data, std::size_t size) {
      out.append(data, size);
    }
  };
  try {
    sink to;
    msgpack::pack(to, value);
    return std::move(to.out);
  } catch (const std::exception& ex) {
    return fail_with(errc::invalid_argument,
                     std::string{"cannot be written as msgpack: "} + ex.what());
  }
}

/// Reads a value. Each of its fields must be there (but for a
/// `std::optional`) and have its type; fields that it has not are passed over.
/// Errors: `malformed`, with the field's name where that is known. Thread-safe,
/// and does not throw.
template <msgpack_type T>
[[nodiscard]] expected<T> from_payload(std::string_view bytes) {
  try {
    auto parsed = detail::parse_payload(bytes);
    if (!parsed)
      return tl::unexpected<error>{parsed.error()};
    auto& given = parsed->get();
    msgpack::zone zone;
    T value{};
    try {
      given.convert(value);
    } catch (const msgpack::type_error&) {
      return fail_with(errc::malformed, detail::find_mismatch(
                                          given, msgpack::object{T{}, zone}));
    }
    // msgpack-c leaves what is missing as it is.
    if (auto why = detail::find_missing(given, msgpack::object{value, zone}))
      return fail_with(errc::malformed, std::move(*why));
    return value;
  } catch (const std::exception& ex) {
    return fail_with(errc::malformed, ex.what());
  }
}

} // namespace muster
