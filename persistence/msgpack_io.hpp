#pragma once

#include "persistence/expected.hpp"
#include "persistence/job.hpp"

#include <msgpack.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

// The one way in which this folder writes and reads msgpack. Private to
// persistence/.

namespace muster {

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

/// Thrown by `field_reader` and caught where reading began.
struct malformed_bytes {};

/// Reads the elements of an array one after the other. An element beyond the
/// end keeps the value that the target has: what older versions did not write
/// has its default.
class field_reader {
public:
  explicit field_reader(const msgpack::object& obj) {
    if (obj.type != msgpack::type::ARRAY)
      throw malformed_bytes{};
    pos_ = obj.via.array.ptr;
    end_ = pos_ + obj.via.array.size;
  }

  [[nodiscard]] bool done() const noexcept {
    return pos_ == end_;
  }

  [[nodiscard]] std::size_t left() const noexcept {
    return static_cast<std::size_t>(end_ - pos_);
  }

  [[nodiscard]] const msgpack::object* next() noexcept {
    return pos_ == end_ ? nullptr : pos_++;
  }

  template <class Integer>
    requires std::is_integral_v<Integer>
  void read(Integer& target) {
    if (auto* obj = next())
      target = number<Integer>(*obj);
  }

  void read(bool& target) {
    if (auto* obj = next()) {
      if (obj->type != msgpack::type::BOOLEAN)
        throw malformed_bytes{};
      target = obj->via.boolean;
    }
  }

  void read(double& target) {
    if (auto* obj = next()) {
      if (obj->type == msgpack::type::FLOAT64
          || obj->type == msgpack::type::FLOAT32)
        target = obj->via.f64;
      else
        target = static_cast<double>(number<std::int64_t>(*obj));
    }
  }

  void read(std::string_view& target) {
    if (auto* obj = next())
      target = text(*obj);
  }

  void read(std::string& target) {
    if (auto* obj = next())
      target = text(*obj);
  }

  void read(millis& target) {
    if (auto* obj = next())
      target = millis{number<std::int64_t>(*obj)};
  }

  void read(timestamp& target) {
    if (auto* obj = next())
      target = timestamp{millis{number<std::int64_t>(*obj)}};
  }

  void read(job_id& target) {
    if (auto* obj = next())
      target = job_id{number<std::uint64_t>(*obj)};
  }

  /// An enumeration whose values are 0 to `last`.
  template <class Enum>
  void read_enum(Enum& target, Enum last) {
    std::uint8_t value = static_cast<std::uint8_t>(target);
    read(value);
    if (value > static_cast<std::uint8_t>(last))
      throw malformed_bytes{};
    target = static_cast<Enum>(value);
  }

  template <class T>
  void read(std::optional<T>& target) {
    if (pos_ != end_ && pos_->is_nil()) {
      ++pos_;
      target = std::nullopt;
    } else if (pos_ != end_) {
      read(target.emplace());
    }
  }

private:
  template <class Integer>
  static Integer number(const msgpack::object& obj) {
    if (obj.type == msgpack::type::POSITIVE_INTEGER) {
      if (!std::in_range<Integer>(obj.via.u64))
        throw malformed_bytes{};
      return static_cast<Integer>(obj.via.u64);
    }
    if (obj.type == msgpack::type::NEGATIVE_INTEGER) {
      if (!std::in_range<Integer>(obj.via.i64))
        throw malformed_bytes{};
      return static_cast<Integer>(obj.via.i64);
    }
    throw malformed_bytes{};
  }

  static std::string_view text(const msgpack::object& obj) {
    if (obj.type == msgpack::type::STR)
      return {obj.via.str.ptr, obj.via.str.size};
    if (obj.type == msgpack::type::BIN)
      return {obj.via.bin.ptr, obj.via.bin.size};
    throw malformed_bytes{};
  }

  const msgpack::object* pos_ = nullptr;
  const msgpack::object* end_ = nullptr;
};

/// Unpacks one object from `bytes` at `offset`, which moves behind it. Text and
/// binaries are views into `bytes`. Throws `malformed_bytes`.
[[nodiscard]] inline msgpack::object_handle unpack_at(std::string_view bytes,
                                                      std::size_t& offset) {
  auto by_reference
    = [](msgpack::type::object_type, std::size_t, void*) { return true; };
  try {
    return msgpack::unpack(bytes.data(), bytes.size(), offset, by_reference);
  } catch (const std::exception&) {
    throw malformed_bytes{};
  }
}

} // namespace muster
