#include "actors/handler.hpp"
#include "actors/sha512_chain.hpp"
#include "persistence/duration.hpp"

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>

namespace muster {

namespace {

/// The payload without the end of its line, which `echo` adds.
std::string_view word_of(const job_context& ctx) {
  auto text = ctx.payload();
  return text.substr(0, text.find_last_not_of("\r\n") + 1);
}

expected<std::string> run_echo(job_context& ctx) {
  return std::string{ctx.payload()};
}

// Progress in tenths, but at least once a second and at most 20 times.
expected<std::string> run_sleep(job_context& ctx) {
  auto total = parse_duration(word_of(ctx));
  if (!total)
    return tl::unexpected<error>{total.error()};
  auto step = std::clamp(*total / 10, millis{50}, millis{1'000});
  for (auto slept = millis{0}; slept < *total;) {
    auto pause = std::min(step, *total - slept);
    if (!ctx.wait_for(pause))
      return ctx.stopped();
    slept += pause;
    ctx.progress(format_duration(slept) + " of " + format_duration(*total));
  }
  return format_duration(*total);
}

expected<std::string> run_fail(job_context& ctx) {
  auto text = word_of(ctx);
  auto failures = UINT32_MAX;
  if (!text.empty()) {
    auto last = text.data() + text.size();
    auto [end, ec] = std::from_chars(text.data(), last, failures);
    if (ec != std::errc{} || end != last)
      return fail_with(errc::invalid_argument,
                       "the payload is the number of attempts that fail");
  }
  auto attempt = std::to_string(ctx.attempt());
  if (ctx.attempt() <= failures)
    return fail_with(errc::handler_failed,
                     "attempt " + attempt + " fails as asked");
  return "succeeded in attempt " + attempt;
}

expected<std::string> run_sha512(job_context& ctx) {
  auto work = parse_sha512_work(ctx.payload());
  if (!work)
    return tl::unexpected<error>{work.error()};
  return run_sha512_work(*work, ctx);
}

} // namespace

void add_builtin_handlers(handler_registry& registry) {
  auto add = [&registry](const char* name, handler_function fn) {
    // Who added a handler of that name before wants to replace ours.
    static_cast<void>(registry.add(name, std::move(fn)));
  };
  add("echo", run_echo);
  add("sleep", run_sleep);
  add("fail", run_fail);
  add("sha512", run_sha512);
}

} // namespace muster
