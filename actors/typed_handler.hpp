#pragma once

#include "actors/handler.hpp"
#include "persistence/typed_payload.hpp"

#include <concepts>
#include <string>
#include <type_traits>
#include <utility>

namespace muster {

namespace detail {

template <class T>
struct is_expected : std::false_type {};

template <class T>
struct is_expected<tl::expected<T, error>> : std::true_type {};

/// What a typed handler returned, as a job's result.
template <class R>
expected<std::string> to_result(R value) {
  if constexpr (!is_expected<R>::value) {
    return to_payload(value);
  } else {
    if (!value)
      return tl::unexpected<error>{std::move(value.error())};
    if constexpr (std::is_void_v<typename R::value_type>)
      return std::string{};
    else
      return to_payload(*value);
  }
}

template <class F>
expected<std::string> run_typed(F call) {
  if constexpr (std::is_void_v<decltype(call())>) {
    call();
    return std::string{};
  } else {
    return to_result(call());
  }
}

} // namespace detail

/// A handler that gets its payload as a value and returns its result as one:
/// `fn(const Payload&)` or `fn(const Payload&, job_context&)`, which returns a
/// value, `expected<value>`, or nothing. Values are what `to_payload` takes. It
/// is called from several threads at once, and so must not change itself.
///
/// A payload in which a field is missing or of another type fails its job for
/// good, with the field's name in the error.
template <msgpack_type Payload, class F>
requires std::invocable<const F&, const Payload&> || std::invocable<
  const F&, const Payload&, job_context&>
[[nodiscard]] handler_function typed_handler(F fn) {
  return [fn = std::move(fn)](job_context& ctx) -> expected<std::string> {
    auto payload = from_payload<Payload>(ctx.payload());
    if (!payload)
      return tl::unexpected<error>{std::move(payload.error())};
    if constexpr (std::invocable<const F&, const Payload&, job_context&>)
      return detail::run_typed([&] { return fn(*payload, ctx); });
    else
      return detail::run_typed([&] { return fn(*payload); });
  };
}

} // namespace muster
