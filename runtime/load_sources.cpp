#include "runtime/load_sources.hpp"

#include <algorithm>
#include <array>
#include <functional>

namespace muster {

namespace {

constexpr std::size_t stamp_size = 16;
constexpr auto empty_queue_pause = millis{2};

// Payloads are printable, so that they can stand in JSON as they are: 16 hex
// digits of sequence number, 16 of time, then filling.
std::string make_payload(std::size_t size) {
  std::string result(std::max(size, 2 * stamp_size), 'x');
  for (std::size_t i = 2 * stamp_size; i < result.size(); ++i)
    result[i] = static_cast<char>('a' + i % 26);
  return result;
}

void write_hex(char* to, std::uint64_t value) noexcept {
  for (std::size_t i = stamp_size; i-- > 0; value >>= 4)
    to[i] = "0123456789abcdef"[value & 15];
}

void stamp(char* payload, std::uint64_t sequence,
           load_clock::time_point now) noexcept {
  write_hex(payload, sequence);
  write_hex(payload + stamp_size,
            static_cast<std::uint64_t>(now.time_since_epoch().count()));
}

std::string post(std::string_view target, std::string_view type,
                 std::string_view body) {
  std::string result;
  result.append("POST ").append(target).append(" HTTP/1.1\r\nHost: muster\r\n");
  if (!type.empty())
    result.append("Content-Type: ").append(type).append("\r\n");
  return result.append("Content-Length: ")
    .append(std::to_string(body.size()))
    .append("\r\n\r\n")
    .append(body);
}

std::string enqueue_target(const std::string& queue,
                           const std::string& handler) {
  auto result = "/v1/queues/" + queue + "/jobs";
  if (!handler.empty())
    result += "?handler=" + handler;
  return result;
}

std::string ndjson_batch(const enqueue_options& options,
                         std::string_view payload) {
  std::string line = "{";
  if (!options.handler.empty())
    line += R"("handler":")" + options.handler + "\",";
  line.append(R"("payload":")").append(payload).append("\"}\n");
  std::string result;
  for (std::size_t i = 0; i < options.batch; ++i)
    result += line;
  return result;
}

// The few forms of msgpack that a batch needs.

void pack_length(std::string& out, char code, std::size_t length) {
  out.push_back(code);
  out.push_back(static_cast<char>(length >> 8));
  out.push_back(static_cast<char>(length));
}

void pack_text(std::string& out, std::string_view text) {
  out.push_back('\xd9');
  out.push_back(static_cast<char>(text.size()));
  out.append(text);
}

std::string msgpack_batch(const enqueue_options& options,
                          std::string_view payload) {
  std::string result;
  pack_length(result, '\xdc', options.batch);
  for (std::size_t i = 0; i < options.batch; ++i) {
    result.push_back(options.handler.empty() ? '\x81' : '\x82');
    if (!options.handler.empty()) {
      pack_text(result, "handler");
      pack_text(result, options.handler);
    }
    pack_text(result, "payload");
    pack_length(result, '\xc5', payload.size());
    result.append(payload);
  }
  return result;
}

std::string enqueue_request(const enqueue_options& options,
                            std::string_view payload) {
  if (options.batch <= 1)
    return post(enqueue_target(options.queue, options.handler), {}, payload);
  auto target = "/v1/queues/" + options.queue + "/jobs/batch";
  if (options.format == batch_format::ndjson)
    return post(target, "application/x-ndjson", ndjson_batch(options, payload));
  return post(target, "application/msgpack", msgpack_batch(options, payload));
}

} // namespace

std::optional<std::string_view> find_json_text(std::string_view json,
                                               std::string_view name,
                                               std::size_t& from) noexcept {
  while (true) {
    auto at = json.find(name, from);
    if (at == std::string_view::npos)
      return std::nullopt;
    from = at + name.size();
    if (at == 0 || json[at - 1] != '"'
        || !json.substr(from).starts_with("\":\""))
      continue;
    auto begin = from + 3;
    auto end = json.find('"', begin);
    if (end == std::string_view::npos)
      return std::nullopt;
    from = end + 1;
    return json.substr(begin, end - begin);
  }
}

// -- tally --------------------------------------------------------------------

void job_tally::acknowledge(std::string_view id) {
  ids_.push_back(std::hash<std::string_view>{}(id));
}

void job_tally::refuse(const load_reply& reply) {
  if (errors_++ == 0)
    first_error_ = std::to_string(reply.status) + " " + std::string{reply.body};
}

std::uint64_t job_tally::repeated() const {
  auto sorted = ids_;
  std::sort(sorted.begin(), sorted.end());
  auto end = std::unique(sorted.begin(), sorted.end());
  return static_cast<std::uint64_t>(sorted.end() - end);
}

// -- enqueue ------------------------------------------------------------------

enqueue_source::enqueue_source(enqueue_options options, std::size_t connections)
  : options_(std::move(options)) {
  options_.batch = std::max<std::size_t>(options_.batch, 1);
  auto payload = make_payload(options_.payload);
  auto request = enqueue_request(options_, payload);
  for (auto at = request.find(payload); at != std::string::npos;
       at = request.find(payload, at + payload.size()))
    payloads_.push_back(at);
  requests_.assign(connections, request);
}

std::string_view enqueue_source::next(std::size_t connection,
                                      load_clock::time_point now) {
  if (options_.count > 0 && sent_ >= options_.count)
    return {};
  auto& request = requests_[connection];
  for (auto at : payloads_)
    stamp(request.data() + at, sent_++, now);
  ++outstanding_;
  return request;
}

void enqueue_source::on_reply(std::size_t, const load_reply& reply) {
  --outstanding_;
  if (reply.status != 201) {
    tally_.refuse(reply);
    return;
  }
  std::size_t acknowledged = 0;
  std::size_t from = 0;
  if (options_.batch == 1) {
    if (auto id = find_json_text(reply.body, "id", from)) {
      tally_.acknowledge(*id);
      ++acknowledged;
    }
  } else {
    // {"ids":["...","..."]}
    auto rest
      = reply.body.substr(std::min(reply.body.find('['), reply.body.size()));
    while (true) {
      auto begin = rest.find('"');
      auto end = rest.find('"', begin + 1);
      if (begin == std::string_view::npos || end == std::string_view::npos)
        break;
      tally_.acknowledge(rest.substr(begin + 1, end - begin - 1));
      ++acknowledged;
      rest.remove_prefix(end + 1);
    }
  }
  if (acknowledged != options_.batch)
    tally_.refuse(reply);
  if (reply.measured) {
    measured_ += acknowledged;
    latencies_.add(reply.received - reply.sent);
  }
}

void enqueue_source::on_lost(std::size_t) {
  --outstanding_;
  tally_.lose(options_.batch);
}

bool enqueue_source::finished() const {
  return options_.count > 0 && sent_ >= options_.count && outstanding_ == 0;
}

// -- round trip ---------------------------------------------------------------

round_trip_source::round_trip_source(round_trip_options options,
                                     std::size_t connections)
  : options_(std::move(options)), states_(connections) {
  auto payload = make_payload(options_.payload);
  auto request
    = post(enqueue_target(options_.queue, options_.handler), {}, payload);
  payload_at_ = request.size() - payload.size();
  for (auto& self : states_)
    self.enqueue = request;
}

std::string_view round_trip_source::next(std::size_t connection,
                                         load_clock::time_point now) {
  auto& self = states_[connection];
  if (self.fetching)
    return self.fetch;
  self.due = now;
  if (options_.rate > 0) {
    if (!next_due_)
      next_due_ = now;
    if (*next_due_ > now)
      return {};
    self.due = *next_due_;
    *next_due_ += std::chrono::duration_cast<load_clock::duration>(
      std::chrono::duration<double>{1 / options_.rate});
  }
  stamp(self.enqueue.data() + payload_at_, sequence_++, now);
  return self.enqueue;
}

void round_trip_source::on_reply(std::size_t connection,
                                 const load_reply& reply) {
  auto& self = states_[connection];
  if (!self.fetching) {
    std::size_t from = 0;
    auto id = find_json_text(reply.body, "id", from);
    if (reply.status != 201 || !id) {
      tally_.refuse(reply);
      return;
    }
    tally_.acknowledge(*id);
    if (reply.measured)
      acknowledgements_.add(reply.received - self.due);
    self.fetch = "GET /v1/jobs/" + std::string{*id}
                 + "/result?wait=30s HTTP/1.1\r\nHost: muster\r\n\r\n";
    self.fetching = true;
    return;
  }
  // 202: not finished within the wait; the same request goes out again.
  if (reply.status == 202)
    return;
  self.fetching = false;
  if (reply.status != 200) {
    tally_.refuse(reply);
    return;
  }
  ++results_;
  if (reply.body != std::string_view{self.enqueue}.substr(payload_at_))
    ++wrong_;
  if (reply.measured)
    latencies_.add(reply.received - self.due);
}

void round_trip_source::on_lost(std::size_t connection) {
  auto& self = states_[connection];
  if (!self.fetching)
    tally_.lose(1);
  self.fetching = false;
}

// -- outside worker -----------------------------------------------------------

outside_worker_source::outside_worker_source(outside_worker_options options,
                                             std::size_t connections)
  : options_(std::move(options)),
    states_(connections),
    result_(options_.result, 'r') {
  // nop
}

std::string_view outside_worker_source::next(std::size_t connection,
                                             load_clock::time_point now) {
  auto& self = states_[connection];
  self.completing = !self.tokens.empty();
  if (self.completing) {
    self.request = post("/v1/leases/" + self.tokens.back() + "/complete",
                        "application/octet-stream", result_);
    self.tokens.pop_back();
    return self.request;
  }
  if (completed_ >= options_.count || now < self.ask_at)
    return {};
  self.request = post("/v1/queues/" + options_.queue + "/leases?max="
                        + std::to_string(options_.batch) + "&ttl=60s",
                      {}, {});
  return self.request;
}

void outside_worker_source::on_reply(std::size_t connection,
                                     const load_reply& reply) {
  auto& self = states_[connection];
  if (reply.status != 200) {
    tally_.refuse(reply);
    return;
  }
  if (!self.completing) {
    take_leases(self, reply);
    return;
  }
  ++completed_;
  if (reply.measured)
    latencies_.add(reply.received - self.leased);
}

void outside_worker_source::take_leases(state& self, const load_reply& reply) {
  self.leased = reply.received;
  std::size_t from = 0;
  while (auto token = find_json_text(reply.body, "token", from))
    self.tokens.emplace_back(*token);
  if (self.tokens.empty())
    self.ask_at = reply.received + empty_queue_pause;
}

void outside_worker_source::on_lost(std::size_t) {
  tally_.lose(1);
}

bool outside_worker_source::finished() const {
  return completed_ >= options_.count;
}

} // namespace muster
