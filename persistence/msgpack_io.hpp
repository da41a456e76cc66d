#pragma once

#include "persistence/job.hpp"

#include <msgpack.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

// The one way in which this folder writes and reads msgpack: written with
// msgpack-c's packer, read in place. Unpacking into msgpack-c's objects first
// costs an arena for each record, and sizes that arena by what the bytes claim
// rather than by what they hold. Private to persistence/.

namespace muster {

// -- writing ------------------------------------------------------------------

/// Where a packer writes.
struct string_sink {
  std::string& out;

  void write(const char* data, std::size_t size) {
    out.append(data, size);
  }
};

using string_packer = msgpack::packer<string_sink>;

inline void pack_text(string_packer& to, std::string_view text) {
  to.pack_str(static_cast<std::uint32_t>(text.size()));
  to.pack_str_body(text.data(), static_cast<std::uint32_t>(text.size()));
}

inline void pack_bytes(string_packer& to, std::string_view bytes) {
  to.pack_bin(static_cast<std::uint32_t>(bytes.size()));
  to.pack_bin_body(bytes.data(), static_cast<std::uint32_t>(bytes.size()));
}

inline void pack_duration(string_packer& to, millis value) {
  to.pack_int64(value.count());
}

inline void pack_time(string_packer& to, timestamp value) {
  to.pack_int64(value.time_since_epoch().count());
}

inline void pack_time(string_packer& to, std::optional<timestamp> value) {
  if (value)
    pack_time(to, *value);
  else
    to.pack_nil();
}

// -- reading ------------------------------------------------------------------

/// Thrown while reading and caught where reading began.
struct malformed_bytes {};

/// A place in msgpack bytes that moves forward value by value. Text and
/// binaries that it yields are views into the bytes. Throws `malformed_bytes`
/// for a value of another type than asked for, and for one that is cut short;
/// nothing is allocated, whatever sizes the bytes claim.
class msgpack_cursor {
public:
  explicit msgpack_cursor(std::string_view bytes, std::size_t offset = 0)
    : bytes_(bytes), offset_(offset) {
    // nop
  }

  [[nodiscard]] std::size_t offset() const noexcept {
    return offset_;
  }

  [[nodiscard]] std::size_t left() const noexcept {
    return bytes_.size() - offset_;
  }

  /// Enters an array: as many values as returned follow.
  [[nodiscard]] std::uint32_t array() {
    auto tag = byte();
    if ((tag & 0xF0) == 0x90)
      return tag & 0x0F;
    if (tag == 0xDC || tag == 0xDD)
      return static_cast<std::uint32_t>(big_endian(tag == 0xDC ? 2 : 4));
    throw malformed_bytes{};
  }

  /// Moves over nil if that is what comes.
  [[nodiscard]] bool nil() {
    if (left() == 0 || peek() != 0xC0)
      return false;
    ++offset_;
    return true;
  }

  [[nodiscard]] bool boolean() {
    auto tag = byte();
    if (tag != 0xC2 && tag != 0xC3)
      throw malformed_bytes{};
    return tag == 0xC3;
  }

  template <class Integer>
  [[nodiscard]] Integer number() {
    auto tag = byte();
    if (tag <= 0x7F)
      return in_range<Integer>(std::uint64_t{tag});
    if (tag >= 0xE0)
      return in_range<Integer>(std::int64_t{static_cast<std::int8_t>(tag)});
    switch (tag) {
      case 0xCC:
      case 0xCD:
      case 0xCE:
      case 0xCF:
        return in_range<Integer>(big_endian(std::size_t{1} << (tag - 0xCC)));
      case 0xD0:
        return in_range<Integer>(signed_number<std::int8_t>());
      case 0xD1:
        return in_range<Integer>(signed_number<std::int16_t>());
      case 0xD2:
        return in_range<Integer>(signed_number<std::int32_t>());
      case 0xD3:
        return in_range<Integer>(signed_number<std::int64_t>());
      default:
        throw malformed_bytes{};
    }
  }

  /// Also takes an integer.
  [[nodiscard]] double real() {
    if (left() == 0)
      throw malformed_bytes{};
    switch (peek()) {
      case 0xCA:
        ++offset_;
        return std::bit_cast<float>(static_cast<std::uint32_t>(big_endian(4)));
      case 0xCB:
        ++offset_;
        return std::bit_cast<double>(big_endian(8));
      default:
        return static_cast<double>(number<std::int64_t>());
    }
  }

  /// Text or binary.
  [[nodiscard]] std::string_view text() {
    auto tag = byte();
    if ((tag & 0xE0) == 0xA0)
      return take(tag & 0x1F);
    switch (tag) {
      case 0xC4:
      case 0xD9:
        return take(big_endian(1));
      case 0xC5:
      case 0xDA:
        return take(big_endian(2));
      case 0xC6:
      case 0xDB:
        return take(big_endian(4));
      default:
        throw malformed_bytes{};
    }
  }

  /// Moves over `count` values of any type. Each takes a byte at least, so the
  /// bytes bound the work, however deep the values nest.
  void skip(std::uint64_t count = 1) {
    for (; count > 0; --count)
      count += skip_one();
  }

private:
  [[nodiscard]] std::uint8_t peek() const noexcept {
    return static_cast<std::uint8_t>(bytes_[offset_]);
  }

  std::uint8_t byte() {
    if (left() == 0)
      throw malformed_bytes{};
    return static_cast<std::uint8_t>(bytes_[offset_++]);
  }

  std::string_view take(std::uint64_t size) {
    if (left() < size)
      throw malformed_bytes{};
    auto result = bytes_.substr(offset_, size);
    offset_ += size;
    return result;
  }

  std::uint64_t big_endian(std::size_t width) {
    std::uint64_t result = 0;
    for (auto c : take(width))
      result = (result << 8) | static_cast<unsigned char>(c);
    return result;
  }

  template <class Signed>
  std::int64_t signed_number() {
    return static_cast<Signed>(big_endian(sizeof(Signed)));
  }

  template <class Integer, class Wide>
  static Integer in_range(Wide value) {
    if (!std::in_range<Integer>(value))
      throw malformed_bytes{};
    return static_cast<Integer>(value);
  }

  /// Returns how many values are inside the one that it moved over.
  std::uint64_t skip_one();

  std::string_view bytes_;
  std::size_t offset_;
};

inline std::uint64_t msgpack_cursor::skip_one() {
  auto tag = byte();
  if (tag <= 0x7F || tag >= 0xE0)
    return 0;
  if ((tag & 0xE0) == 0xA0)
    return take(tag & 0x1F), 0;
  if ((tag & 0xF0) == 0x90)
    return tag & 0x0F;
  if ((tag & 0xF0) == 0x80)
    return 2 * (tag & 0x0F);
  // From C0: nil, unused, false, true, bin, ext, floats, integers, fixext,
  // str, array, map. Each row: bytes of a size, then bytes of a body.
  switch (tag) {
    case 0xC0:
    case 0xC2:
    case 0xC3:
      return 0;
    case 0xC4:
    case 0xC5:
    case 0xC6:
      return take(big_endian(std::size_t{1} << (tag - 0xC4))), 0;
    case 0xC7:
    case 0xC8:
    case 0xC9:
      return take(big_endian(std::size_t{1} << (tag - 0xC7)) + 1), 0;
    case 0xCA:
      return take(4), 0;
    case 0xCB:
      return take(8), 0;
    case 0xCC:
    case 0xCD:
    case 0xCE:
    case 0xCF:
      return take(std::size_t{1} << (tag - 0xCC)), 0;
    case 0xD0:
    case 0xD1:
    case 0xD2:
    case 0xD3:
      return take(std::size_t{1} << (tag - 0xD0)), 0;
    case 0xD4:
    case 0xD5:
    case 0xD6:
    case 0xD7:
    case 0xD8:
      return take((std::size_t{1} << (tag - 0xD4)) + 1), 0;
    case 0xD9:
    case 0xDA:
    case 0xDB:
      return take(big_endian(std::size_t{1} << (tag - 0xD9))), 0;
    case 0xDC:
    case 0xDD:
      return big_endian(tag == 0xDC ? 2 : 4);
    case 0xDE:
    case 0xDF:
      return 2 * big_endian(tag == 0xDE ? 2 : 4);
    default:
      throw malformed_bytes{};
  }
}

/// Reads the elements of one array in order. An element beyond the end leaves
/// its target as it is: what older versions did not write has its default.
/// `finish` moves over elements that only newer versions know.
class field_reader {
public:
  explicit field_reader(msgpack_cursor& from)
    : from_(from), left_(from.array()) {
    // nop
  }

  [[nodiscard]] std::uint32_t left() const noexcept {
    return left_;
  }

  /// Takes an element that the caller reads himself; false beyond the end.
  [[nodiscard]] bool take() noexcept {
    if (left_ == 0)
      return false;
    --left_;
    return true;
  }

  void finish() {
    from_.skip(std::exchange(left_, 0));
  }

  template <class Integer>
  requires std::is_integral_v<Integer>
  void read(Integer& target) {
    if (take())
      target = from_.number<Integer>();
  }

  void read(bool& target) {
    if (take())
      target = from_.boolean();
  }

  void read(double& target) {
    if (take())
      target = from_.real();
  }

  void read(std::string_view& target) {
    if (take())
      target = from_.text();
  }

  void read(std::string& target) {
    if (take())
      target = from_.text();
  }

  void read(millis& target) {
    if (take())
      target = millis{from_.number<std::int64_t>()};
  }

  void read(timestamp& target) {
    if (take())
      target = timestamp{millis{from_.number<std::int64_t>()}};
  }

  void read(job_id& target) {
    if (take())
      target = job_id{from_.number<std::uint64_t>()};
  }

  /// An enumeration whose values are 0 to `last`.
  template <class Enum>
  void read_enum(Enum& target, Enum last) {
    auto value = static_cast<std::uint8_t>(target);
    read(value);
    if (value > static_cast<std::uint8_t>(last))
      throw malformed_bytes{};
    target = static_cast<Enum>(value);
  }

  template <class T>
  void read(std::optional<T>& target) {
    if (left_ == 0)
      return;
    if (from_.nil()) {
      --left_;
      target = std::nullopt;
    } else {
      read(target.emplace());
    }
  }

private:
  msgpack_cursor& from_;
  std::uint32_t left_;
};

} // namespace muster
