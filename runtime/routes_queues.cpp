#include "persistence/duration.hpp"
#include "runtime/json_render.hpp"
#include "runtime/routes.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <functional>
#include <memory>

namespace muster::routes {

namespace {

constexpr std::uint32_t purge_chunk = 1'000;

// -- settings -----------------------------------------------------------------

/// Thrown inside this file alone.
struct bad_setting {
  std::string text;
};

template <class T>
T value_of(const nlohmann::json& value, std::string_view name,
           std::string_view what) {
  auto fits = [&value] {
    if constexpr (std::is_same_v<T, bool>)
      return value.is_boolean();
    else if constexpr (std::is_same_v<T, double>)
      return value.is_number();
    else if constexpr (std::is_same_v<T, std::string>)
      return value.is_string();
    else
      return value.is_number_unsigned();
  };
  if (!fits())
    throw bad_setting{fmt::format("{} must be {}", name, what)};
  return value.get<T>();
}

millis duration_of(const nlohmann::json& value, std::string_view name) {
  auto text = value_of<std::string>(value, name, "a duration such as 10s");
  auto result = parse_duration(text);
  if (!result)
    throw bad_setting{fmt::format("{}: {}", name, result.error().message)};
  return *result;
}

backoff_policy backoff_of(const nlohmann::json& value, backoff_policy result) {
  if (!value.is_object())
    throw bad_setting{"backoff must be an object"};
  for (auto& [name, member] : value.items()) {
    if (name == "min")
      result.min = duration_of(member, "backoff.min");
    else if (name == "max")
      result.max = duration_of(member, "backoff.max");
    else if (name == "factor")
      result.factor = value_of<double>(member, "backoff.factor", "a number");
    else if (name == "jitter")
      result.jitter = value_of<double>(member, "backoff.jitter", "a number");
    else
      throw bad_setting{fmt::format("unknown member 'backoff.{}'", name)};
  }
  return result;
}

/// What a PATCH asks for. `text` keeps what the command looks at.
configure_command settings_of(const nlohmann::json& body,
                              const queue_settings& now, std::string& text) {
  if (!body.is_object())
    throw bad_setting{"the body must be a JSON object"};
  configure_command cmd;
  for (auto& [name, value] : body.items()) {
    if (name == "paused")
      cmd.paused = value_of<bool>(value, name, "true or false");
    else if (name == "max_depth")
      cmd.max_depth = value_of<std::uint64_t>(value, name, "a whole number");
    else if (name == "max_running")
      cmd.max_running = value_of<std::uint64_t>(value, name, "a whole number");
    else if (name == "rate")
      cmd.rate = value_of<double>(value, name, "a number");
    else if (name == "retention")
      cmd.retention = duration_of(value, name);
    else if (name == "backoff")
      cmd.backoff = backoff_of(value, now.backoff);
    else if (name == "dead_letter") {
      if (!value.is_null())
        text = value_of<std::string>(value, name, "a queue's name or null");
      cmd.dead_letter = text;
    } else {
      throw bad_setting{fmt::format("unknown setting '{}'", name)};
    }
  }
  return cmd;
}

void change_settings(gateway_state& state, const reply_handle& reply,
                     const std::string& queue, const nlohmann::json& body,
                     const queue_settings& now) {
  try {
    std::string dead_letter;
    auto cmd = settings_of(body, now, dead_letter);
    cmd.queue = queue;
    submit_command<configure_outcome>(state, reply, cmd,
                                      [](const configure_outcome& out) {
                                        std::string json = R"({"settings":)";
                                        render(json, out.settings);
                                        json += "}";
                                        return json_response(std::move(json));
                                      });
  } catch (bad_setting& bad) {
    reply->answer(problem(error{errc::invalid_argument, std::move(bad.text)}));
  }
}

// -- purge --------------------------------------------------------------------

/// Purges chunk by chunk, so that no command takes long.
struct purge_run : std::enable_shared_from_this<purge_run> {
  std::shared_ptr<journal_port> journal;
  reply_handle reply;
  std::string queue;
  job_state state = job_state::dead;
  std::uint64_t removed = 0;

  void next() {
    purge_command cmd{queue, state, purge_chunk};
    journal->submit(encode(cmd), [self = shared_from_this()](
                                   const auto& result) { self->take(result); });
  }

  void take(const expected<outcome>& result) {
    if (!result) {
      reply->answer(problem(result.error()));
      return;
    }
    auto& out = std::get<purge_outcome>(*result);
    removed += out.removed;
    if (out.code != errc::none)
      reply->answer(problem(error{out.code}));
    else if (out.more && out.removed > 0)
      next();
    else
      reply->answer(json_response(fmt::format(R"({{"removed":{}}})", removed)));
  }
};

} // namespace

void list_queues(gateway_state& state, http_call& call) {
  auto known = call.query.allow_only({"after", "limit"});
  auto limit = call.query.number("limit", 1'000, 1, 10'000);
  if (!ok_or_answer(known, call) || !ok_or_answer(limit, call))
    return;
  auto reading = read_or_answer(state, call);
  if (!reading)
    return;
  auto after = call.query.find("after").value_or(std::string_view{});
  auto now = wall_clock();
  std::string json = R"({"queues":[)";
  for (auto& queue : reading->view().queues(after, *limit)) {
    if (json.back() != '[')
      json.push_back(',');
    render(json, queue, state.rates.rates(queue, rate_sampler::clock::now()),
           now);
  }
  json += "]}";
  call.reply->answer(json_response(std::move(json)));
}

void get_queue(gateway_state& state, http_call& call) {
  if (!ok_or_answer(call.query.allow_only({}), call))
    return;
  auto show
    = [shared = state.shared_from_this(), reply = call.reply,
       name = call.arguments.front()](const expected<store_view>& view) {
        answer_with(reply, [&] {
          if (!view)
            return problem(view.error());
          auto queue = view->queue(name);
          if (!queue)
            return problem(error{errc::queue_not_found});
          std::string json;
          auto rates = shared->rates.rates(*queue, rate_sampler::clock::now());
          render(json, *queue, rates, wall_clock());
          return json_response(std::move(json));
        });
      };
  state.backend.journal->read(std::move(show));
}

void configure_queue(gateway_state& state, http_call& call) {
  if (!ok_or_answer(call.query.allow_only({}), call))
    return;
  auto body = std::make_shared<nlohmann::json>(
    nlohmann::json::parse(call.request.body, nullptr, false));
  if (body->is_discarded()) {
    call.reply->answer(
      problem(error{errc::invalid_argument, "the body must be JSON"}));
    return;
  }
  // A part of the back-off leaves the rest as it is, which must be known.
  auto change
    = [shared = state.shared_from_this(), reply = call.reply, body,
       name = call.arguments.front()](const expected<store_view>& view) {
        if (!view) {
          reply->answer(problem(view.error()));
          return;
        }
        auto queue = view->queue(name);
        change_settings(*shared, reply, name, *body,
                        queue ? queue->settings : queue_settings{});
      };
  state.backend.journal->read(std::move(change));
}

void purge_queue(gateway_state& state, http_call& call) {
  if (!ok_or_answer(call.query.allow_only({"state"}), call))
    return;
  auto text = call.query.find("state");
  auto which = text ? parse_job_state(*text) : std::nullopt;
  if (!which || *which == job_state::leased) {
    call.reply->answer(
      problem(error{errc::invalid_argument,
                    "state must be one of scheduled, ready, succeeded, dead, "
                    "cancelled"}));
    return;
  }
  auto run = std::make_shared<purge_run>();
  run->journal = state.backend.journal;
  run->reply = call.reply;
  run->queue = call.arguments.front();
  run->state = *which;
  if (auto valid = validate(purge_command{run->queue, run->state, purge_chunk});
      ok_or_answer(valid, call))
    run->next();
}

} // namespace muster::routes
