#include "runtime/node_gathering.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <utility>

namespace muster {

namespace {

/// The route's own time limit comes after that of whoever asks.
constexpr millis margin{300};

http_response problem_of(const inspection_answer& answer) {
  error why{answer.code, answer.text};
  return answer.code == errc::timed_out ? problem(504, why) : problem(why);
}

inspection_port* port_or_answer(gateway_state& state, http_call& call) {
  auto* port = state.backend.inspection.get();
  if (port == nullptr)
    call.reply->answer(
      problem(error{errc::unavailable, "this node is not to be inspected"}));
  return port;
}

std::string_view state_of(errc code) {
  switch (code) {
    case errc::none:
      return "ok";
    case errc::timed_out:
      return "unresponsive";
    case errc::unavailable:
    case errc::not_found:
      return "lost";
    default:
      return "refused";
  }
}

/// Waits for several answers, each of which comes at most once.
class gathering : public std::enable_shared_from_this<gathering> {
public:
  using render = std::function<http_response(std::vector<node_part>&)>;

  gathering(std::shared_ptr<gateway_state> state, reply_handle reply,
            std::vector<node_part> parts, render show)
    : state_(std::move(state)),
      reply_(std::move(reply)),
      parts_(std::move(parts)),
      show_(std::move(show)),
      left_(parts_.size()) {
    // nop
  }

  void begin(inspection_port& port, const inspection_request& request,
             millis limit) {
    wait_ = state_->waits.add(wait_list::clock::now() + limit + margin,
                              [self = shared_from_this()] { self->finish(); });
    if (wait_ == wait_list::wait_id::none)
      return reply_->answer(
        problem(error{errc::busy, "too many requests wait"}));
    // Answers may come before the last request is sent, and take the wait away.
    auto count = parts_.size();
    for (std::size_t i = 0; i < count; ++i) {
      inspection_call call;
      {
        std::lock_guard guard{mutex_};
        if (parts_.empty())
          break;
        call.node = parts_[i].name;
      }
      call.request = request;
      call.limit = limit;
      call.on_answer
        = [self = shared_from_this(), i](inspection_answer answer) {
            self->add(i, std::move(answer));
          };
      port.call(std::move(call));
    }
  }

private:
  void add(std::size_t index, inspection_answer answer) {
    {
      std::lock_guard guard{mutex_};
      if (done_)
        return;
      auto& part = parts_[index];
      part.state = state_of(answer.code);
      if (answer.code != errc::none)
        part.error = std::move(answer.text);
      else
        part.answer = std::move(answer);
      if (--left_ > 0)
        return;
    }
    finish();
  }

  void finish() {
    std::vector<node_part> parts;
    {
      std::lock_guard guard{mutex_};
      if (std::exchange(done_, true))
        return;
      parts = std::exchange(parts_, {});
    }
    state_->waits.remove(wait_);
    for (auto& part : parts)
      if (part.state == "unresponsive" && part.error.empty())
        part.error = "it does not answer";
    answer_with(reply_, [this, &parts] { return show_(parts); });
  }

  std::shared_ptr<gateway_state> state_;
  reply_handle reply_;
  std::mutex mutex_;
  std::vector<node_part> parts_;
  render show_;
  std::size_t left_;
  bool done_ = false;
  std::atomic<wait_list::wait_id> wait_{wait_list::wait_id::none};
};

} // namespace

void ask_node(gateway_state& state, http_call& call, inspection_request request,
              millis limit,
              std::function<http_response(inspection_answer&)> show) {
  std::string node{call.query.find("node").value_or(std::string_view{})};
  ask_node(state, call, std::move(node), std::move(request), limit,
           std::move(show));
}

void ask_node(gateway_state& state, http_call& call, std::string node,
              inspection_request request, millis limit,
              std::function<http_response(inspection_answer&)> show) {
  auto* port = port_or_answer(state, call);
  if (port == nullptr)
    return;
  auto reply = call.reply;
  auto shared = state.shared_from_this();
  // Whoever comes first answers; the sink drops the second.
  auto wait
    = state.waits.add(wait_list::clock::now() + limit + margin, [reply] {
        reply->answer(
          problem(504, error{errc::timed_out, "the node does not answer"}));
      });
  if (wait == wait_list::wait_id::none)
    return reply->answer(problem(error{errc::busy, "too many requests wait"}));
  inspection_call out;
  out.node = std::move(node);
  out.request = std::move(request);
  out.limit = limit;
  out.on_answer
    = [reply, shared, wait, show = std::move(show)](inspection_answer answer) {
        shared->waits.remove(wait);
        answer_with(reply, [&] {
          return answer.code == errc::none ? show(answer) : problem_of(answer);
        });
      };
  port->call(std::move(out));
}

void ask_nodes(gateway_state& state, http_call& call,
               const inspection_request& request, millis limit,
               std::function<http_response(std::vector<node_part>&)> show) {
  auto* port = port_or_answer(state, call);
  if (port == nullptr)
    return;
  auto wanted = call.query.find("node");
  std::vector<node_part> parts;
  for (auto& node : port->nodes())
    if (!wanted || *wanted == node.name)
      parts.push_back({std::move(node.name), "unresponsive", {}, {}});
  if (parts.empty())
    return call.reply->answer(
      problem(error{errc::not_found, "no node has this name"}));
  std::make_shared<gathering>(state.shared_from_this(), call.reply,
                              std::move(parts), std::move(show))
    ->begin(*port, request, limit);
}

void render_nodes(std::string& out, const std::vector<node_part>& parts) {
  out += R"("nodes":[)";
  for (auto& part : parts) {
    if (out.back() != '[')
      out.push_back(',');
    out += R"({"name":)";
    append_json_string(out, part.name);
    out += R"(,"state":)";
    append_json_string(out, part.state);
    if (!part.error.empty()) {
      out += R"(,"error":)";
      append_json_string(out, part.error);
    }
    out.push_back('}');
  }
  out.push_back(']');
}

} // namespace muster
