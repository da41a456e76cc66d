#pragma once

#include "persistence/expected.hpp"
#include "persistence/job.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <string_view>

// Values of a node's answers as text. What is missing or of another type than
// expected is empty text: an answer of another version is shown as far as it is
// understood.

namespace muster {

/// Keeps the order of members.
using shell_json = nlohmann::ordered_json;

/// Reads an answer. Errors: `malformed`, also for one that is nested deeper
/// than any of Muster's.
[[nodiscard]] expected<shell_json> parse_answer(std::string_view text);

/// Writes a value in one line of ASCII, which can do nothing to a terminal.
[[nodiscard]] std::string write_json(const shell_json& value);

/// A member of an object; null if there is none.
[[nodiscard]] const shell_json& member(const shell_json& object,
                                       std::string_view name);

/// Text as it is, numbers with a comma between each three digits, lists with
/// commas, `yes` and `no`.
[[nodiscard]] std::string show(const shell_json& value);

/// As `show`, of a member.
[[nodiscard]] std::string show(const shell_json& object, std::string_view name);

/// A number with one decimal, without one from 100 on.
[[nodiscard]] std::string show_rate(const shell_json& object,
                                    std::string_view name);

/// Such as `0.4s`, `12s`, `3m05s`, `2h10m`, `4d06h`.
[[nodiscard]] std::string show_span(millis span);

/// A duration of the interface, such as `1234ms`, as `show_span` writes it.
[[nodiscard]] std::string show_duration(const shell_json& object,
                                        std::string_view name);

/// A number of milliseconds: such as `0.25ms` or `12ms`, longer ones as
/// `show_span` writes them.
[[nodiscard]] std::string show_millis(const shell_json& object,
                                      std::string_view name);

/// How long ago a time of the interface is, or, if it lies ahead, until then.
[[nodiscard]] std::string show_age(const shell_json& object,
                                   std::string_view name, timestamp now);

/// Makes all text in it `printable`, names of members too.
[[nodiscard]] shell_json make_printable(const shell_json& value);

} // namespace muster
