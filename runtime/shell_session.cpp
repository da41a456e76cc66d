#include "runtime/shell_session.hpp"

#include "persistence/duration.hpp"
#include "runtime/shell_text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace muster {

namespace {

using nlohmann::json;

constexpr auto names_kept = std::chrono::seconds{3};
constexpr std::size_t most_names = 1'000;

std::string text_member(const json& object, const char* name) {
  if (!object.is_object())
    return {};
  auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>()
                                                     : std::string{};
}

shell_failure explain_status(const http_reply& reply) {
  auto problem = json::parse(reply.body, nullptr, false);
  auto code = text_member(problem, "code");
  // What is not there has a code; a path that is not there has none.
  auto too_old = code.empty() && (reply.status == 404 || reply.status == 405);
  auto detail = text_member(problem, "detail");
  if (code.empty())
    code = "http_" + std::to_string(reply.status);
  if (detail.empty())
    detail = text_member(problem, "title");
  if (detail.empty())
    detail = fmt::format("the node answers with HTTP status {}", reply.status);
  if (reply.status == 403)
    detail += " (what changes something needs the scope admin)";
  if (too_old)
    detail = "the node's version cannot tell this (" + detail + ")";
  return {printable(code), reply.status, printable(detail)};
}

/// Where a kind's names are.
struct name_place {
  const char* target;
  const char* list;
};

name_place place_of(word_kind kind) {
  switch (kind) {
    case word_kind::queue:
      return {"/v1/queues?limit=1000", "queues"};
    case word_kind::node:
      return {"/v1/nodes", "nodes"};
    case word_kind::worker:
      return {"/v1/workers", "workers"};
    case word_kind::actor:
      return {"/v1/actors?limit=1000&sort=name", "actors"};
    default:
      return {nullptr, nullptr};
  }
}

} // namespace

tl::unexpected<shell_failure> failure_of(const error& why) {
  return tl::unexpected{
    shell_failure{std::string{to_string(why.code)}, 0, printable(why.message)}};
}

shell_session::shell_session(settings with, node_access at)
  : settings_(std::move(with)), at_(std::move(at)) {
  // nop
}

expected<shell_session> shell_session::open(settings with) {
  auto at = resolve(with);
  if (!at)
    return tl::unexpected{std::move(at.error())};
  return shell_session{std::move(with), std::move(*at)};
}

expected<node_access> shell_session::resolve(const settings& from) {
  if (from.access.http.empty())
    if (auto facts = read_node_json(from.data_dir))
      return from.access.resolve_for(*facts);
  return from.access.resolve();
}

bool shell_session::look_elsewhere(const error& why) {
  switch (why.code) {
    case errc::unavailable:
      return read_again();
    // What a node says at its port for other nodes is no HTTP.
    case errc::malformed:
    case errc::io_error:
    case errc::refused:
      return locate_http();
    default:
      return false;
  }
}

bool shell_session::locate_http() {
  if (met_ || settings_.locate == nullptr)
    return false;
  auto found = settings_.locate(at_.at);
  if (!found)
    return false;
  at_.at = std::move(*found);
  client_.reset();
  return true;
}

bool shell_session::read_again() {
  if (!settings_.access.http.empty())
    return false;
  // Where nothing is said any more the node has ended, and no other is meant.
  auto facts = read_node_json(settings_.data_dir);
  if (!facts)
    return false;
  auto now = settings_.access.resolve_for(*facts);
  if (!now || now->at == at_.at)
    return false;
  at_ = std::move(*now);
  client_.reset();
  return true;
}

http_client shell_session::make_client(millis connect, millis read,
                                       std::size_t max_reply) const {
  auto options = at_.http;
  options.connect_limit = connect;
  options.write_limit = settings_.answer_limit;
  options.read_limit = read;
  options.max_reply = max_reply;
  options.interrupt = settings_.interrupt;
  return {at_.at.host, at_.at.port, std::move(options)};
}

std::string shell_session::address() const {
  return printable((at_.http.tls ? "https://" : "") + to_string(at_.at));
}

shell_result<http_reply> shell_session::ask(const shell_request& request,
                                            millis wait,
                                            std::size_t max_reply) {
  auto limit = settings_.answer_limit + wait;
  auto once = [&] {
    // Results are large and rare: a connection of their own.
    if (max_reply != usual_reply)
      return make_client(settings_.connect_limit, limit, max_reply)
        .send(request.method, request.target, request.headers, request.body);
    if (!client_)
      client_ = std::make_unique<http_client>(
        make_client(settings_.connect_limit, limit, max_reply));
    client_->set_read_limit(limit);
    return client_->send(request.method, request.target, request.headers,
                         request.body);
  };
  auto reply = once();
  if (!reply && look_elsewhere(reply.error()))
    reply = once();
  met_ = met_ || reply.has_value();
  // A wait that somebody ended says nothing of the node.
  if (reply || reply.error().code != errc::cancelled)
    reachable_ = reply.has_value();
  if (!reply)
    return tl::unexpected{
      explain(reply.error(), limit, request.method != "GET")};
  if (!reply->ok())
    return tl::unexpected{explain_status(*reply)};
  return std::move(*reply);
}

void shell_session::tell(const shell_request& request) {
  (void)make_client(settings_.tell_limit, settings_.tell_limit, usual_reply)
    .send(request.method, request.target, request.headers, request.body);
}

int shell_session::interrupt_by(int fd) {
  if (client_)
    client_->set_interrupt(fd);
  return std::exchange(settings_.interrupt, fd);
}

shell_failure shell_session::explain(const error& why, millis limit,
                                     bool changes) const {
  shell_failure result{std::string{to_string(why.code)}, 0, {}};
  auto who = name_.empty() ? "the node at " + address()
                           : fmt::format("{} at {}", name_, address());
  switch (why.code) {
    case errc::cancelled:
      result.text = why.message;
      break;
    case errc::unavailable:
    case errc::refused:
      result.text
        = fmt::format("cannot reach {}: {}", who, printable(why.message));
      break;
    case errc::timed_out:
      result.text = fmt::format("{} did not answer within {}: it hangs, is "
                                "stopped or cut off",
                                who, format_duration(limit));
      break;
    case errc::io_error:
      result.text = fmt::format("{} ended the connection without an answer: "
                                "it may just have ended",
                                who);
      break;
    case errc::malformed:
      result.text = fmt::format("what is at {} does not speak HTTP ({})",
                                address(), printable(why.message));
      break;
    default:
      result.text = fmt::format("{}: {}", who, printable(why.message));
      break;
  }
  if (changes && why.code != errc::unavailable && why.code != errc::refused)
    result.text += "; whether it was done is not known";
  return result;
}

shell_result<void> shell_session::greet() {
  auto reply = ask({"GET", "/v1/nodes", {}, {}});
  if (!reply)
    return tl::unexpected{std::move(reply.error())};
  auto body = json::parse(reply->body, nullptr, false);
  auto nodes = body.is_object() ? body.find("nodes") : body.end();
  if (nodes == body.end() || !nodes->is_array())
    return tl::unexpected{shell_failure{
      "malformed", reply->status,
      fmt::format("what is at {} is no node of Muster's", address())}};
  for (auto& each : *nodes)
    if (text_member(each, "state") == "self")
      name_ = printable(text_member(each, "name"));
  return {};
}

shell_result<void> shell_session::connect(std::string_view address) {
  auto with = settings_;
  with.access.http = address;
  // Authorities are for TLS, and both kinds of nodes may be asked in turn.
  if (!address.starts_with("https://"))
    with.access.ca_file.clear();
  auto next = open(std::move(with));
  if (!next)
    return failure_of(next.error());
  auto greeted = next->greet();
  if (!greeted)
    return greeted;
  next->settings_.access.ca_file = settings_.access.ca_file;
  *this = std::move(*next);
  return {};
}

std::vector<std::string> shell_session::names(word_kind kind) {
  auto& known = names_[static_cast<int>(kind)];
  if (clock::now() >= known.until) {
    known.names = fetch_names(kind);
    known.until = clock::now() + names_kept;
  }
  return known.names;
}

std::vector<std::string> shell_session::fetch_names(word_kind kind) const {
  std::vector<std::string> result;
  auto [target, list] = place_of(kind);
  if (target == nullptr)
    return result;
  auto client
    = make_client(settings_.names_limit, settings_.names_limit, usual_reply);
  auto reply = client.get(target);
  if (!reply || !reply->ok())
    return result;
  auto body = json::parse(reply->body, nullptr, false);
  if (!body.is_object() || !body.contains(list) || !body[list].is_array())
    return result;
  for (auto& each : body[list])
    if (auto name = text_member(each, "name");
        !name.empty() && result.size() < most_names)
      result.push_back(std::move(name));
  return result;
}

} // namespace muster
