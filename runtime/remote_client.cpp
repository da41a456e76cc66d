#include "runtime/remote_client.hpp"

#include "persistence/duration.hpp"
#include "runtime/http_client.hpp"
#include "runtime/http_text.hpp"
#include "runtime/http_tokens.hpp"
#include "runtime/node_name.hpp"
#include "runtime/remote_calls.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <exception>
#include <functional>
#include <type_traits>
#include <utility>

namespace muster {

namespace {

using nlohmann::json;
using clock_type = std::chrono::steady_clock;

/// A long wait is made of such parts, so that a node that hangs is noticed.
constexpr millis wait_slice{20'000};
/// Of calls that share a few threads.
constexpr millis async_slice{500};
constexpr int key_digits = 32;

/// Nothing leaves this library as an exception.
template <class F>
auto guarded(F fn) noexcept -> decltype(fn()) {
  try {
    return fn();
  } catch (const std::exception& ex) {
    return fail_with(errc::internal, ex.what());
  } catch (...) {
    return fail_with(errc::internal);
  }
}

template <class T>
tl::unexpected<error> forward(expected<T>& failed) {
  return tl::unexpected<error>{std::move(failed.error())};
}

expected<void> check_name(std::string_view name, const char* what) {
  if (!is_valid_name(name))
    return fail_with(errc::invalid_argument,
                     std::string{what}
                       + ": a name is 1 to 128 of A-Z a-z 0-9 . _ -");
  return {};
}

/// Ids and tokens are opaque, but they must not break out of a path.
std::string path_of(const char* what, std::string_view id, const char* more) {
  std::string name{is_valid_name(id) ? id : std::string_view{"none"}};
  return std::string{"/v1/"} + what + "/" + name + more;
}

expected<json> object_of(const expected<http_reply>& reply) {
  if (!reply)
    return tl::unexpected<error>{reply.error()};
  auto result = json::parse(reply->body, nullptr, false);
  if (!result.is_object())
    return fail_with(errc::malformed, "the node's answer is no JSON object");
  return result;
}

std::string enqueue_target(std::string_view queue,
                           const job_settings& settings) {
  auto result = path_of("queues", queue, "/jobs?priority=")
                + std::to_string(settings.priority)
                + "&delay=" + format_duration(settings.delay)
                + "&max_attempts=" + std::to_string(settings.max_attempts)
                + "&timeout=" + format_duration(settings.timeout);
  if (!settings.handler.empty())
    result += "&handler=" + settings.handler;
  if (settings.ttl > millis{0})
    result += "&ttl=" + format_duration(settings.ttl);
  return result;
}

expected<void> check(std::string_view queue, const job_settings& settings) {
  if (auto ok = check_name(queue, "queue"); !ok)
    return ok;
  if (!settings.handler.empty())
    if (auto ok = check_name(settings.handler, "handler"); !ok)
      return ok;
  auto is_safe = [](unsigned char c) { return c >= 0x20 && c != 0x7F; };
  auto& key = settings.idempotency_key;
  if (!std::all_of(key.begin(), key.end(), is_safe))
    return fail_with(errc::invalid_argument,
                     "idempotency_key: has a control character");
  return {};
}

expected<std::vector<remote_lease>> leases_of(const json& answer) {
  std::vector<remote_lease> result;
  auto list = answer.find("leases");
  if (list == answer.end() || !list->is_array())
    return fail_with(errc::malformed, "the node's answer has no leases");
  for (auto& item : *list) {
    remote_lease lease;
    lease.token = item.value("token", "");
    lease.id = item.value("id", "");
    lease.attempt = item.value("attempt", 0U);
    lease.handler = item.value("handler", "");
    auto payload = base64_decode(item.value("payload_base64", ""));
    if (!payload || lease.token.empty())
      return fail_with(errc::malformed, "a lease of the node is not whole");
    lease.payload = std::move(*payload);
    result.push_back(std::move(lease));
  }
  return result;
}

} // namespace

struct remote_client::impl {
  using time_point = clock_type::time_point;

  impl(remote_client_options opts, tls_context tls)
    : options(std::move(opts)), calls(options, std::move(tls)) {
    // nop
  }

  [[nodiscard]] time_point end_of(millis limit) const {
    return clock_type::now() + std::clamp(limit, millis{0}, limits::duration);
  }

  expected<std::string> enqueue(std::string_view queue,
                                std::string_view payload,
                                const job_settings& settings) {
    if (auto ok = check(queue, settings); !ok)
      return forward(ok);
    // With a key it can be sent again whatever became of the first time.
    auto key = settings.idempotency_key.empty() ? random_hex(key_digits)
                                                : settings.idempotency_key;
    auto answer = object_of(calls.send({"POST",
                                        enqueue_target(queue, settings),
                                        payload,
                                        {{"Idempotency-Key", key}}},
                                       end_of(options.limit)));
    if (!answer)
      return forward(answer);
    return answer->value("id", "");
  }

  /// Nothing if the job is not final yet.
  expected<std::optional<std::string>> look(std::string_view id,
                                            time_point until, millis slice) {
    auto left = std::chrono::duration_cast<millis>(until - clock_type::now());
    auto wait = std::clamp(left, millis{0}, slice);
    auto target = path_of("jobs", id, "/result?wait=") + format_duration(wait);
    // The answer may need a moment longer than the wait.
    auto reply = calls.send({"GET", target, {}, {}, wait},
                            std::max(until, clock_type::now() + wait)
                              + std::min(options.limit, millis{2'000}));
    if (!reply)
      return forward(reply);
    if (reply->status == 202)
      return std::nullopt;
    return std::move(reply->body);
  }

  static tl::unexpected<error> not_final() {
    return fail_with(errc::timed_out, "the job is not done yet");
  }

  expected<std::string> wait(std::string_view id, millis limit) {
    auto until = end_of(limit);
    while (true) {
      auto found = look(id, until, wait_slice);
      if (!found)
        return forward(found);
      if (*found)
        return std::move(**found);
      if (clock_type::now() >= until)
        return not_final();
    }
  }

  expected<std::vector<remote_lease>>
  lease(std::string_view queue, const remote_lease_wish& wish, millis wait) {
    if (auto ok = check_name(queue, "queue"); !ok)
      return forward(ok);
    if (auto ok = check_name(wish.worker, "worker"); !ok)
      return forward(ok);
    auto target = path_of("queues", queue, "/leases?max=")
                  + std::to_string(wish.max) + "&wait=" + format_duration(wait)
                  + "&ttl=" + format_duration(wish.ttl)
                  + "&worker=" + wish.worker;
    auto answer = object_of(
      calls.send({"POST", target, {}, {}, wait}, end_of(options.limit + wait)));
    if (!answer)
      return forward(answer);
    return leases_of(*answer);
  }

  expected<std::vector<remote_lease>> lease(std::string_view queue,
                                            const remote_lease_wish& wish) {
    auto until = end_of(wish.wait);
    while (true) {
      auto left = std::chrono::duration_cast<millis>(until - clock_type::now());
      auto got = lease(queue, wish, std::clamp(left, millis{0}, wait_slice));
      if (!got || !got->empty() || clock_type::now() >= until)
        return got;
    }
  }

  expected<json> settle(const remote_lease& lease, const char* how,
                        std::string_view body) {
    auto target = path_of("leases", lease.token, how);
    return object_of(calls.send({"POST", target, body}, end_of(options.limit)));
  }

  expected<void> complete(const remote_lease& lease, std::string_view result) {
    return settle(lease, "/complete", result).map([](const json&) {});
  }

  /// Has `fn` called on another thread until it returns something.
  template <class Result, class F>
  std::future<Result> later(F fn) {
    auto promise = std::make_shared<std::promise<Result>>();
    auto future = promise->get_future();
    calls.run([promise, fn = std::move(fn)](bool ending) mutable {
      using answer = std::optional<Result>;
      answer result;
      if (ending)
        result = Result{fail_with(errc::shutting_down, "the client is closed")};
      else
        result = [&]() noexcept -> answer {
          try {
            return fn();
          } catch (const std::exception& ex) {
            return Result{fail_with(errc::internal, ex.what())};
          }
        }();
      if (!result)
        return false;
      promise->set_value(std::move(*result));
      return true;
    });
    return future;
  }

  remote_client_options options;
  remote_calls calls;
};

remote_client::remote_client(std::unique_ptr<impl> ptr)
  : impl_(std::move(ptr)) {
  // nop
}

remote_client::~remote_client() = default;

remote_client::remote_client(remote_client&& other) noexcept = default;

remote_client&
remote_client::operator=(remote_client&& other) noexcept = default;

expected<remote_client> remote_client::make(remote_client_options options) {
  return guarded([&]() -> expected<remote_client> {
    auto invalid = [](const char* text) {
      return fail_with(errc::invalid_argument, text);
    };
    if (options.host.empty() || options.port == 0)
      return invalid("host and port: must not be empty");
    if (!options.token.empty() && !is_token_text(options.token))
      return invalid("token: has a character that no token has");
    if (options.limit <= millis{0} || options.connect_limit <= millis{0})
      return invalid("limit and connect_limit: must be above 0");
    if (options.threads == 0 || options.threads > 64)
      return invalid("threads: must be 1 to 64");
    tls_context tls;
    if (options.https) {
      auto made = tls_context::client(options.ca_file);
      if (!made)
        return fail_with(errc::invalid_argument,
                         "ca_file: " + made.error().message);
      tls = std::move(*made);
    }
    return remote_client{
      std::make_unique<impl>(std::move(options), std::move(tls))};
  });
}

expected<std::string>
remote_client::enqueue_bytes(std::string_view queue, std::string_view payload,
                             const job_settings& settings) {
  return guarded([&] { return impl_->enqueue(queue, payload, settings); });
}

std::future<expected<std::string>>
remote_client::enqueue_bytes_async(std::string queue, std::string payload,
                                   job_settings settings) {
  // Of all tries of this call.
  if (settings.idempotency_key.empty())
    settings.idempotency_key = random_hex(key_digits);
  return impl_->later<expected<std::string>>(
    [own = impl_.get(), queue = std::move(queue), payload = std::move(payload),
     settings = std::move(settings)]() -> std::optional<expected<std::string>> {
      return own->enqueue(queue, payload, settings);
    });
}

expected<std::string> remote_client::wait_bytes(std::string_view id,
                                                millis limit) {
  return guarded([&] { return impl_->wait(id, limit); });
}

std::future<expected<std::string>>
remote_client::wait_bytes_async(std::string id, millis limit) {
  using answer = std::optional<expected<std::string>>;
  return impl_->later<expected<std::string>>(
    [own = impl_.get(), id = std::move(id),
     until = impl_->end_of(limit)]() -> answer {
      auto found = own->look(id, until, own->calls.patience(async_slice));
      if (!found)
        return expected<std::string>{forward(found)};
      if (*found)
        return expected<std::string>{std::move(**found)};
      if (clock_type::now() >= until)
        return expected<std::string>{impl::not_final()};
      return std::nullopt;
    });
}

expected<void> remote_client::cancel(std::string_view id) {
  return guarded([&]() -> expected<void> {
    return impl_->calls
      .send({"DELETE", path_of("jobs", id, "")},
            impl_->end_of(impl_->options.limit))
      .map([](const http_reply&) {});
  });
}

expected<std::vector<remote_lease>>
remote_client::lease(std::string_view queue, const remote_lease_wish& wish) {
  return guarded([&] { return impl_->lease(queue, wish); });
}

std::future<expected<std::vector<remote_lease>>>
remote_client::lease_async(std::string queue, remote_lease_wish wish) {
  using result = expected<std::vector<remote_lease>>;
  auto until = impl_->end_of(wish.wait);
  return impl_->later<result>([own = impl_.get(), queue = std::move(queue),
                               wish = std::move(wish),
                               until]() -> std::optional<result> {
    auto left = std::chrono::duration_cast<millis>(until - clock_type::now());
    auto slice = own->calls.patience(async_slice);
    auto got = own->lease(queue, wish, std::clamp(left, millis{0}, slice));
    if (!got || !got->empty() || clock_type::now() >= until)
      return got;
    return std::nullopt;
  });
}

expected<void> remote_client::complete(const remote_lease& lease,
                                       std::string_view result) {
  return guarded([&] { return impl_->complete(lease, result); });
}

std::future<expected<void>> remote_client::complete_async(remote_lease lease,
                                                          std::string result) {
  return impl_->later<expected<void>>(
    [own = impl_.get(), lease = std::move(lease),
     result = std::move(result)]() -> std::optional<expected<void>> {
      return own->complete(lease, result);
    });
}

expected<void> remote_client::fail(const remote_lease& lease,
                                   std::string_view why, bool retry) {
  return guarded([&]() -> expected<void> {
    std::string body = R"({"error":)";
    append_json_string(body, why);
    body += retry ? R"(,"retry":true})" : R"(,"retry":false})";
    return impl_->settle(lease, "/fail", body).map([](const json&) {});
  });
}

expected<remote_extension> remote_client::extend(const remote_lease& lease,
                                                 millis ttl,
                                                 std::string_view progress) {
  return guarded([&]() -> expected<remote_extension> {
    auto body = R"({"ttl":")" + format_duration(ttl) + '"';
    if (!progress.empty()) {
      body += R"(,"progress":)";
      append_json_string(body, progress);
    }
    auto answer = impl_->settle(lease, "/extend", body + "}");
    if (!answer)
      return forward(answer);
    return remote_extension{answer->value("cancelled", false)};
  });
}

expected<void> remote_client::release(const remote_lease& lease) {
  return guarded([&]() -> expected<void> {
    return impl_->settle(lease, "/release", {}).map([](const json&) {});
  });
}

} // namespace muster
