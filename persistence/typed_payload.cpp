#include "persistence/typed_payload.hpp"

#include <algorithm>
#include <utility>

namespace muster::detail {

namespace {

using msgpack::object;
using msgpack::type::object_type;

/// A struct has no more fields: what is larger is a container.
constexpr std::size_t max_fields = 256;
constexpr std::size_t max_depth = 256;

/// Leaves the bytes where they are, in the payload.
bool by_reference(object_type, std::size_t, void*) {
  return true;
}

enum class kind { nothing, boolean, integer, real, text, array, map, other };

kind kind_of(const object& value) {
  switch (value.type) {
    case object_type::NIL:
      return kind::nothing;
    case object_type::BOOLEAN:
      return kind::boolean;
    case object_type::POSITIVE_INTEGER:
    case object_type::NEGATIVE_INTEGER:
      return kind::integer;
    case object_type::FLOAT32:
    case object_type::FLOAT64:
      return kind::real;
    case object_type::STR:
    case object_type::BIN:
      return kind::text;
    case object_type::ARRAY:
      return kind::array;
    case object_type::MAP:
      return kind::map;
    default:
      return kind::other;
  }
}

std::string_view name_of(kind what) {
  constexpr std::string_view names[] = {
    "nil",  "a boolean", "a whole number", "a number",
    "text", "an array",  "a map",          "of another kind",
  };
  return names[static_cast<std::size_t>(what)];
}

std::string_view text_of(const object& key) {
  return {key.via.str.ptr, key.via.str.size};
}

bool same_key(const object& a, const object& b) {
  return a.type == b.type
         && (a.type == object_type::STR ? text_of(a) == text_of(b) : a == b);
}

/// The value of a key in a map; where both have the same order, it is found at
/// once.
const object* find(const object& map, const object& key, std::size_t hint) {
  auto& all = map.via.map;
  if (hint < all.size && same_key(all.ptr[hint].key, key))
    return &all.ptr[hint].val;
  for (std::size_t i = 0; i < all.size; ++i)
    if (same_key(all.ptr[i].key, key))
      return &all.ptr[i].val;
  return nullptr;
}

/// The way to a field, such as `address.city` or `lines.2`.
std::string join(const std::string& path, std::string_view name) {
  std::string result = path;
  if (!result.empty())
    result += '.';
  return result.append(name);
}

std::string join(const std::string& path, const object& key) {
  return join(path, key.type == object_type::STR ? text_of(key)
                                                 : std::string_view{"?"});
}

std::string join(const std::string& path, std::size_t index) {
  return join(path, std::to_string(index + 1));
}

std::string subject(const std::string& path) {
  return path.empty() ? "the payload" : "field '" + path + "'";
}

/// Calls `fn(path, given value or null, wanted value)` for each part of a map
/// or array, until it returns something.
template <class F>
std::optional<std::string> each_part(const object& given, const object& wanted,
                                     const std::string& path, F fn) {
  if (wanted.type == object_type::MAP && given.type == object_type::MAP) {
    auto& fields = wanted.via.map;
    if (fields.size > max_fields)
      return std::nullopt;
    for (std::size_t i = 0; i < fields.size; ++i)
      if (auto why = fn(join(path, fields.ptr[i].key),
                        find(given, fields.ptr[i].key, i), fields.ptr[i].val))
        return why;
  } else if (wanted.type == object_type::ARRAY
             && given.type == object_type::ARRAY) {
    auto& items = wanted.via.array;
    auto& others = given.via.array;
    for (std::size_t i = 0; i < items.size; ++i)
      if (auto why
          = fn(join(path, i), i < others.size ? others.ptr + i : nullptr,
               items.ptr[i]))
        return why;
  }
  return std::nullopt;
}

std::optional<std::string> missing_in(const object& given, const object& wanted,
                                      const std::string& path) {
  return each_part(given, wanted, path,
                   [](const std::string& name, const object* value,
                      const object& part) -> std::optional<std::string> {
                     if (value != nullptr)
                       return missing_in(*value, part, name);
                     if (part.type == object_type::NIL)
                       return std::nullopt;
                     return subject(name) + " is missing";
                   });
}

std::optional<std::string> mismatch_in(const object& given,
                                       const object& wanted,
                                       const std::string& path) {
  auto is = kind_of(given);
  auto should = kind_of(wanted);
  // What is nil in a blank value may be anything.
  auto fits = is == should || should == kind::nothing
              || (should == kind::real && is == kind::integer);
  if (!fits)
    return subject(path) + " is " + std::string{name_of(is)} + ", not "
           + std::string{name_of(should)};
  return each_part(given, wanted, path,
                   [](const std::string& name, const object* value,
                      const object& part) -> std::optional<std::string> {
                     if (value == nullptr)
                       return std::nullopt;
                     return mismatch_in(*value, part, name);
                   });
}

} // namespace

expected<msgpack::object_handle> parse_payload(std::string_view bytes) {
  // Nothing is allocated for more than the bytes can hold.
  auto bound = bytes.size();
  msgpack::unpack_limit limit{bound, bound, bound, bound, bound, max_depth};
  try {
    bool referenced = false;
    std::size_t offset = 0;
    auto handle = msgpack::unpack(bytes.data(), bytes.size(), offset,
                                  referenced, by_reference, nullptr, limit);
    if (offset != bytes.size())
      return fail_with(errc::malformed, "bytes follow the payload's msgpack");
    return handle;
  } catch (const std::exception&) {
    return fail_with(errc::malformed, "the payload is not msgpack");
  }
}

std::optional<std::string> find_missing(const object& given,
                                        const object& wanted) {
  return missing_in(given, wanted, {});
}

std::string find_mismatch(const object& given, const object& wanted) {
  if (auto found = mismatch_in(given, wanted, {}))
    return *found;
  return "a field of the payload has a value of another type or size than is "
         "wanted";
}

} // namespace muster::detail
