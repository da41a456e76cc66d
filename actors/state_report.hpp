#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// What an actor tells of its state: names and values, written as one JSON
/// object. What goes beyond a bound is left out, and said to be.
///
///     void describe(state_report& out) const {
///       out.add("phase", "serving").add("credit", credit_);
///       out.begin_list("workers");
///       for (auto& w : workers_)
///         out.add_item(w.name);
///       out.end();
///     }
class state_report {
public:
  /// In bytes, of the whole.
  static constexpr std::size_t max_bytes = std::size_t{64} << 10;
  /// In bytes, of one text in it; more is cut off.
  static constexpr std::size_t max_text = 512;

  /// Adds a text by name. What does not fit any more is left out.
  state_report& add(std::string_view name, std::string_view text);
  /// Adds a text by name.
  state_report& add(std::string_view name, const char* text) {
    return add(name, std::string_view{text});
  }
  /// Adds a number by name.
  state_report& add(std::string_view name, double value);
  /// Adds a whole number, or true or false, by name.
  template <std::integral T>
  state_report& add(std::string_view name, T value) {
    if constexpr (std::same_as<T, bool>)
      return add_raw(name, value ? "true" : "false");
    else
      return add_raw(name, std::to_string(value));
  }

  /// An item of a list.
  state_report& add_item(std::string_view text);

  /// What follows, up to `end`, is within an object or a list. In a list an
  /// object has no name.
  state_report& begin(std::string_view name = {});
  /// Begins a list, see `begin`.
  state_report& begin_list(std::string_view name);
  /// Ends what was begun last.
  state_report& end();

  /// The JSON text; ends what was not ended. To be called once.
  [[nodiscard]] std::string take();

private:
  state_report& add_raw(std::string_view name, std::string_view json);
  /// Whether there is room for more.
  bool open(std::string_view name, std::size_t more);

  std::string out_ = "{";
  /// What ends what was begun.
  std::vector<char> ends_;
  /// Depth of what is left out.
  std::size_t left_out_ = 0;
  bool truncated_ = false;
};

/// Appends a text in JSON's quotes; what is not UTF-8 becomes U+FFFD.
void append_quoted(std::string& out, std::string_view text);

} // namespace muster
