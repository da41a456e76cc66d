#include "actors/plugin_loader.hpp"

#include "actors/handler.hpp"
#include "actors/plugin.hpp"

#include <fmt/format.h>

#include <dlfcn.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

namespace muster {

namespace {

namespace wire = plugin::wire;

static_assert(static_cast<int>(plugin::stop_reason::none)
                == static_cast<int>(stop_reason::none)
              && static_cast<int>(plugin::stop_reason::cancelled)
                   == static_cast<int>(stop_reason::cancelled)
              && static_cast<int>(plugin::stop_reason::timed_out)
                   == static_cast<int>(stop_reason::timed_out)
              && static_cast<int>(plugin::stop_reason::lease_lost)
                   == static_cast<int>(stop_reason::lease_lost)
              && static_cast<int>(plugin::stop_reason::shutting_down)
                   == static_cast<int>(stop_reason::shutting_down));

// -- running ------------------------------------------------------------------

/// What `wire::attempt::node` points to.
struct running_attempt {
  job_context* context;
  std::optional<expected<std::string>> outcome;
};

running_attempt& attempt_of(void* node) {
  return *static_cast<running_attempt*>(node);
}

job_context& context_of(void* node) {
  return *attempt_of(node).context;
}

/// Called by the plug-in, which must not see an exception.
template <class F>
void without_exceptions(void* node, F fn) noexcept {
  try {
    fn();
  } catch (...) {
    attempt_of(node).outcome.emplace(
      fail_with(errc::handler_failed, "there is no memory left"));
  }
}

std::int64_t time_left_ms(void* node) {
  return context_of(node).time_left().count();
}

std::uint32_t reason(void* node) {
  return static_cast<std::uint32_t>(context_of(node).reason());
}

std::uint32_t wait_ms(void* node, std::int64_t ms) {
  // More than any time limit; a greater number would overflow the clock's.
  constexpr auto longest = limits::duration.count();
  return context_of(node).wait_for(millis{std::min(ms, longest)}) ? 1 : 0;
}

void progress(void* node, const char* text, std::size_t size) {
  without_exceptions(node, [&] {
    context_of(node).progress(std::string{text, size});
  });
}

int stop_descriptor(void* node) {
  return context_of(node).stop_descriptor();
}

void succeed(void* node, const char* bytes, std::size_t size) {
  without_exceptions(node, [&] {
    attempt_of(node).outcome.emplace(std::string{bytes, size});
  });
}

void fail(void* node, const char* text, std::size_t size, std::uint32_t retry) {
  without_exceptions(node, [&] {
    // See `handler_function` for what the codes mean.
    auto code = retry != 0 ? errc::handler_failed : errc::invalid_argument;
    attempt_of(node).outcome.emplace(fail_with(code, std::string{text, size}));
  });
}

expected<std::string> run(const wire::handler& handler, job_context& ctx) {
  running_attempt own{&ctx, std::nullopt};
  auto& job = ctx.job();
  const wire::attempt data{
    &own,
    job.payload.data(),
    job.payload.size(),
    job.queue.data(),
    job.queue.size(),
    job.handler.data(),
    job.handler.size(),
    static_cast<std::uint64_t>(job.token.id),
    job.token.attempt,
    job.max_attempts,
    time_left_ms,
    reason,
    wait_ms,
    progress,
    stop_descriptor,
    succeed,
    fail,
  };
  handler.run(handler.self, &data);
  if (own.outcome)
    return std::move(*own.outcome);
  return fail_with(errc::handler_failed, "the plug-in returned no result");
}

// -- loading ------------------------------------------------------------------

/// What the loader says, without the file's name, which stands before it.
std::string loader_error(const std::string& path) {
  auto* text = ::dlerror();
  std::string result = text != nullptr ? text : "unknown reason";
  if (result.starts_with(path + ": "))
    result.erase(0, path.size() + 2);
  return result;
}

expected<void> check(const wire::description* what) {
  if (what == nullptr || what->abi_magic != wire::magic)
    return fail_with(errc::malformed, "describes itself in no known way");
  if (what->abi != plugin::abi_version)
    return fail_with(
      errc::version_mismatch,
      fmt::format("was built for version {} of the plug-in interface, which is "
                  "{} than the {} of this program: build it with the headers "
                  "of Muster {}",
                  what->abi,
                  what->abi < plugin::abi_version ? "older" : "newer",
                  plugin::abi_version, MUSTER_VERSION));
  if (what->size != wire::size)
    return fail_with(
      errc::version_mismatch,
      fmt::format("was built with another layout of the plug-in interface "
                  "({} bytes rather than {}; Muster {}): build it with the "
                  "headers of Muster {}",
                  what->size, wire::size, what->muster_version,
                  MUSTER_VERSION));
  if (what->handlers == nullptr || what->handler_count == 0)
    return fail_with(errc::malformed, "has no handlers");
  return {};
}

expected<std::vector<std::string>> add_all(const wire::description& what,
                                           handler_registry& to) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < what.handler_count; ++i) {
    auto& handler = what.handlers[i];
    if (handler.name == nullptr || handler.run == nullptr)
      return fail_with(errc::malformed, "has a handler without name or code");
    auto added = to.add(
      handler.name, [&handler](job_context& ctx) { return run(handler, ctx); });
    if (!added)
      return tl::unexpected<error>{added.error()};
    names.emplace_back(handler.name);
  }
  return names;
}

expected<std::vector<std::string>> load(const std::filesystem::path& file,
                                        handler_registry& to) {
  std::error_code ec;
  if (!std::filesystem::is_regular_file(file, ec))
    return fail_with(errc::io_error, "is no file");
  // With a slash in it, so that it is not looked for elsewhere.
  auto path = std::filesystem::absolute(file, ec).string();
  auto* object = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (object == nullptr)
    return fail_with(errc::io_error, "cannot be loaded: " + loader_error(path));
  auto* found = ::dlsym(object, wire::entry_name);
  if (found == nullptr)
    return fail_with(errc::malformed,
                     "is no plug-in of Muster: it was not made with "
                     "MUSTER_PLUGIN");
  auto* what = reinterpret_cast<wire::entry_function>(found)();
  if (auto good = check(what); !good)
    return tl::unexpected<error>{good.error()};
  return add_all(*what, to);
}

} // namespace

expected<std::vector<std::string>>
load_plugin(const std::filesystem::path& file, handler_registry& to) {
  auto names = load(file, to);
  if (!names)
    return fail_with(names.error().code,
                     "'" + file.string() + "' " + names.error().message);
  return names;
}

} // namespace muster
