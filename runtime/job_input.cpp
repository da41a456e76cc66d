#include "runtime/job_input.hpp"

#include "persistence/duration.hpp"

#include <fmt/format.h>
#include <msgpack.hpp>
#include <simdjson.h>

#include <algorithm>
#include <exception>

namespace muster {

namespace {

/// Thrown inside this file alone.
struct bad_job {
  errc code;
  std::string text;
};

[[noreturn]] void refuse(std::string text) {
  throw bad_job{errc::invalid_argument, std::move(text)};
}

millis duration_option(std::string_view name, std::string_view text) {
  auto value = parse_duration(text);
  if (!value)
    refuse(fmt::format("{}: {}", name, value.error().message));
  return *value;
}

std::uint64_t in_range(std::string_view name, std::uint64_t value,
                       std::uint64_t min, std::uint64_t max) {
  if (value < min || value > max)
    refuse(
      fmt::format("{} must be a whole number from {} to {}", name, min, max));
  return value;
}

std::string_view keep(job_batch& batch, std::string_view text) {
  auto begin = batch.decoded.size();
  batch.decoded += text;
  return std::string_view{batch.decoded}.substr(begin);
}

std::unique_ptr<job_batch> make_batch(std::string body,
                                      std::string_view queue) {
  auto batch = std::make_unique<job_batch>();
  batch->command.queue = queue;
  batch->body = std::move(body);
  batch->decoded.reserve(batch->body.size());
  return batch;
}

/// A member of a batch's job, from whichever format.
template <class Source>
void set_member(new_job& job, bool& has_payload, std::string_view name,
                Source& value, job_batch& batch) {
  auto no_second_payload = [&has_payload] {
    if (std::exchange(has_payload, true))
      refuse("give payload or payload_base64, once");
  };
  if (name == "payload") {
    no_second_payload();
    job.payload = value.bytes(name);
  } else if (name == "payload_base64") {
    no_second_payload();
    auto decoded = base64_decode(value.text(name));
    if (!decoded)
      refuse("payload_base64 is not base64");
    job.payload = keep(batch, *decoded);
  } else if (name == "handler") {
    job.handler = value.text(name);
    if (!is_valid_name(job.handler))
      refuse("handler must be 1 to 128 characters of A-Z a-z 0-9 . _ -");
  } else if (name == "priority") {
    job.priority
      = static_cast<std::uint8_t>(in_range(name, value.number(name), 0, 255));
  } else if (name == "max_attempts") {
    job.max_attempts = static_cast<std::uint32_t>(
      in_range(name, value.number(name), 1, limits::max_attempts));
  } else if (name == "delay") {
    job.delay = duration_option(name, value.text(name));
  } else if (name == "timeout") {
    job.timeout = duration_option(name, value.text(name));
  } else if (name == "ttl") {
    job.ttl = duration_option(name, value.text(name));
  } else if (name == "idempotency_key") {
    job.idempotency_key = value.text(name);
    if (job.idempotency_key.size() > limits::idempotency_key)
      refuse(fmt::format("idempotency_key must be at most {} bytes",
                         limits::idempotency_key));
  } else {
    refuse(fmt::format("unknown member '{}'", name));
  }
}

void finish(const new_job& job, bool has_payload, std::size_t max_payload) {
  if (!has_payload)
    refuse("payload or payload_base64 is missing");
  if (job.payload.size() > max_payload)
    throw bad_job{errc::payload_too_large,
                  fmt::format("a payload has {} bytes; the limit is {}",
                              job.payload.size(), max_payload)};
}

std::string too_many_jobs() {
  return fmt::format("a batch holds at most {} jobs", limits::jobs_per_batch);
}

void add(job_batch& batch, const new_job& job) {
  if (batch.command.jobs.size() == limits::jobs_per_batch)
    refuse(too_many_jobs());
  batch.command.jobs.push_back(job);
}

// -- JSON ---------------------------------------------------------------------

struct json_value {
  simdjson::ondemand::value& value;

  std::string_view text(std::string_view name) {
    std::string_view result;
    if (value.get_string().get(result) != simdjson::SUCCESS)
      refuse(fmt::format("{} must be a string", name));
    return result;
  }

  std::string_view bytes(std::string_view name) {
    return text(name);
  }

  std::uint64_t number(std::string_view name) {
    std::uint64_t result = 0;
    if (value.get_uint64().get(result) != simdjson::SUCCESS)
      refuse(fmt::format("{} must be a whole number", name));
    return result;
  }
};

void read_line(simdjson::ondemand::document_reference doc, job_batch& batch,
               std::string_view queue, std::size_t max_payload) {
  simdjson::ondemand::object members;
  if (doc.get_object().get(members) != simdjson::SUCCESS)
    refuse("expected a JSON object");
  new_job job;
  job.handler = queue;
  auto has_payload = false;
  for (auto member : members) {
    std::string_view name;
    simdjson::ondemand::value value;
    if (member.unescaped_key().get(name) != simdjson::SUCCESS
        || member.value().get(value) != simdjson::SUCCESS)
      refuse("broken JSON");
    json_value source{value};
    set_member(job, has_payload, name, source, batch);
  }
  finish(job, has_payload, max_payload);
  add(batch, job);
}

// -- msgpack ------------------------------------------------------------------

constexpr std::size_t max_members = 64;
constexpr std::size_t max_depth = 4;

struct msgpack_value {
  const msgpack::object& value;

  std::string_view text(std::string_view name) {
    if (value.type != msgpack::type::STR)
      refuse(fmt::format("{} must be a string", name));
    return {value.via.str.ptr, value.via.str.size};
  }

  std::string_view bytes(std::string_view name) {
    if (value.type == msgpack::type::BIN)
      return {value.via.bin.ptr, value.via.bin.size};
    return text(name);
  }

  std::uint64_t number(std::string_view name) {
    if (value.type != msgpack::type::POSITIVE_INTEGER)
      refuse(fmt::format("{} must be a whole number", name));
    return value.via.u64;
  }
};

void read_map(const msgpack::object& obj, job_batch& batch,
              std::string_view queue, std::size_t max_payload) {
  if (obj.type != msgpack::type::MAP)
    refuse("expected a map");
  new_job job;
  job.handler = queue;
  auto has_payload = false;
  for (std::uint32_t i = 0; i < obj.via.map.size; ++i) {
    auto& member = obj.via.map.ptr[i];
    auto name = msgpack_value{member.key}.text("a member's name");
    msgpack_value source{member.val};
    set_member(job, has_payload, name, source, batch);
  }
  finish(job, has_payload, max_payload);
  add(batch, job);
}

} // namespace

expected<new_job> job_from_query(const query_parameters& query,
                                 std::string_view queue) {
  new_job job;
  job.handler = query.find("handler").value_or(queue);
  auto priority = query.number("priority", defaults::priority, 0, 255);
  auto max_attempts = query.number("max_attempts", defaults::max_attempts, 1,
                                   limits::max_attempts);
  auto delay = query.duration("delay", job.delay);
  auto timeout = query.duration("timeout", job.timeout);
  auto ttl = query.duration("ttl", job.ttl);
  for (auto* number : {&priority, &max_attempts})
    if (!*number)
      return tl::unexpected{number->error()};
  for (auto* duration : {&delay, &timeout, &ttl})
    if (!*duration)
      return tl::unexpected{duration->error()};
  job.priority = static_cast<std::uint8_t>(*priority);
  job.max_attempts = static_cast<std::uint32_t>(*max_attempts);
  job.delay = *delay;
  job.timeout = *timeout;
  job.ttl = *ttl;
  return job;
}

namespace {

/// Moves what looks into the parser's buffer, which lasts for one line only.
void keep_views(job_batch& batch, std::string_view queue) {
  auto& job = batch.command.jobs.back();
  auto* first = batch.decoded.data();
  auto* last = first + batch.decoded.size();
  for (auto* view : {&job.payload, &job.handler, &job.idempotency_key}) {
    auto kept = view->data() >= first && view->data() < last;
    if (!view->empty() && view->data() != queue.data() && !kept)
      *view = keep(batch, *view);
  }
}

void read_document(simdjson::ondemand::parser& parser, std::string_view text,
                   std::size_t capacity, job_batch& batch,
                   std::string_view queue, std::size_t max_payload) {
  simdjson::ondemand::document doc;
  if (parser.iterate(text.data(), text.size(), capacity).get(doc)
      != simdjson::SUCCESS)
    refuse("broken JSON");
  read_line(doc, batch, queue, max_payload);
  const char* rest = nullptr;
  if (doc.current_location().get(rest) == simdjson::SUCCESS)
    refuse("more than one value in a line");
  keep_views(batch, queue);
}

} // namespace

expected<std::unique_ptr<job_batch>> jobs_from_ndjson(std::string body,
                                                      std::string_view queue,
                                                      std::size_t max_payload) {
  auto size = body.size();
  body.reserve(size + simdjson::SIMDJSON_PADDING);
  auto batch = make_batch(std::move(body), queue);
  // Every line is parsed by itself, so that an error can name it.
  simdjson::ondemand::parser parser;
  std::size_t line = 0;
  try {
    for (std::size_t begin = 0; begin < size;) {
      ++line;
      auto end = std::min(batch->body.find('\n', begin), size);
      auto text = std::string_view{batch->body}.substr(begin, end - begin);
      if (text.find_first_not_of(" \t\r") != std::string_view::npos)
        read_document(parser, text, batch->body.capacity() - begin, *batch,
                      queue, max_payload);
      begin = end + 1;
    }
  } catch (const bad_job& bad) {
    return fail_with(bad.code, fmt::format("line {}: {}", line, bad.text));
  } catch (const simdjson::simdjson_error&) {
    return fail_with(errc::invalid_argument,
                     fmt::format("line {}: broken JSON", line));
  } catch (const std::exception& e) {
    return fail_with(errc::internal, e.what());
  }
  return batch;
}

expected<std::unique_ptr<job_batch>>
jobs_from_msgpack(std::string body, std::string_view queue,
                  std::size_t max_payload) {
  auto batch = make_batch(std::move(body), queue);
  std::size_t index = 0;
  try {
    std::size_t offset = 0;
    auto by_reference
      = [](msgpack::type::object_type, std::size_t, void*) { return true; };
    // A few bytes can claim an array of billions.
    msgpack::unpack_limit limit{
      limits::jobs_per_batch, max_members, SIZE_MAX, SIZE_MAX, 0, max_depth};
    auto handle = msgpack::unpack(batch->body.data(), batch->body.size(),
                                  offset, by_reference, nullptr, limit);
    auto& root = handle.get();
    if (root.type != msgpack::type::ARRAY || offset != batch->body.size())
      return fail_with(errc::invalid_argument,
                       "expected one msgpack array of maps");
    for (; index < root.via.array.size; ++index)
      read_map(root.via.array.ptr[index], *batch, queue, max_payload);
  } catch (const bad_job& bad) {
    return fail_with(bad.code, fmt::format("element {}: {}", index, bad.text));
  } catch (const msgpack::array_size_overflow&) {
    return fail_with(errc::invalid_argument, too_many_jobs());
  } catch (const std::exception&) {
    return fail_with(errc::invalid_argument, "broken msgpack");
  }
  return batch;
}

} // namespace muster
