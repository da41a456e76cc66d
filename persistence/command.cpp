#include "persistence/command.hpp"

#include "persistence/msgpack_io.hpp"

#include <cmath>
#include <exception>
#include <limits>

namespace muster {

namespace {

constexpr char entry_version = 1;
constexpr std::size_t entry_header = 9;

template <class... Fs>
struct overload : Fs... {
  using Fs::operator()...;
};

template <class... Fs>
overload(Fs...) -> overload<Fs...>;

// -- encoding -----------------------------------------------------------------

void pack_token(string_packer& to, lease_token token) {
  to.pack_uint64(static_cast<std::uint64_t>(token.id));
  to.pack_uint32(token.attempt);
}

void pack_fields(string_packer& to, const new_job& job) {
  to.pack_array(9);
  pack_text(to, job.handler);
  pack_bytes(to, job.payload);
  to.pack_uint8(job.priority);
  pack_duration(to, job.delay);
  to.pack_uint32(job.max_attempts);
  pack_duration(to, job.timeout);
  pack_duration(to, job.ttl);
  pack_text(to, job.idempotency_key);
  pack_duration(to, job.key_ttl);
}

template <class Items, class PackItem>
void pack_items(string_packer& to, const Items& items, PackItem pack_item) {
  to.pack_array(static_cast<std::uint32_t>(items.size()));
  for (auto& item : items)
    pack_item(item);
}

template <class T, class PackValue>
void pack_optional(string_packer& to, const std::optional<T>& value,
                   PackValue pack_value) {
  if (value)
    pack_value(*value);
  else
    to.pack_nil();
}

void pack_backoff(string_packer& to, const backoff_policy& policy) {
  to.pack_array(4);
  pack_duration(to, policy.min);
  pack_duration(to, policy.max);
  to.pack_double(policy.factor);
  to.pack_double(policy.jitter);
}

/// Packs a command's array: its kind, then its fields.
struct command_packer {
  string_packer& to;

  void begin(const command& cmd, std::uint32_t fields) {
    to.pack_array(fields + 1);
    to.pack_uint8(static_cast<std::uint8_t>(cmd.index()));
  }

  void fields(const enqueue_command& cmd) {
    pack_text(to, cmd.queue);
    pack_items(to, cmd.jobs, [this](auto& job) { pack_fields(to, job); });
  }

  void fields(const lease_command& cmd) {
    pack_text(to, cmd.queue);
    pack_text(to, cmd.worker);
    to.pack_uint32(cmd.max);
    pack_duration(to, cmd.ttl);
  }

  void fields(const complete_command& cmd) {
    pack_items(to, cmd.items, [this](auto& item) {
      to.pack_array(3);
      pack_token(to, item.token);
      pack_bytes(to, item.result);
    });
  }

  void fields(const fail_command& cmd) {
    pack_items(to, cmd.items, [this](auto& item) {
      to.pack_array(5);
      pack_token(to, item.token);
      to.pack_uint8(static_cast<std::uint8_t>(item.kind));
      pack_text(to, item.error);
      item.retry ? to.pack_true() : to.pack_false();
    });
  }

  void fields(const extend_command& cmd) {
    pack_items(to, cmd.items, [this](auto& item) {
      to.pack_array(4);
      pack_token(to, item.token);
      pack_duration(to, item.ttl);
      pack_optional(to, item.progress,
                    [this](auto& text) { pack_text(to, text); });
    });
  }

  void fields(const release_command& cmd) {
    pack_items(to, cmd.items, [this](auto& token) {
      to.pack_array(2);
      pack_token(to, token);
    });
  }

  void fields(const cancel_command& cmd) {
    to.pack_uint64(static_cast<std::uint64_t>(cmd.id));
  }

  void fields(const retry_command& cmd) {
    to.pack_uint64(static_cast<std::uint64_t>(cmd.id));
  }

  void fields(const tick_command& cmd) {
    to.pack_uint32(cmd.max);
  }

  void fields(const configure_command& cmd) {
    pack_text(to, cmd.queue);
    pack_optional(to, cmd.paused,
                  [this](bool on) { on ? to.pack_true() : to.pack_false(); });
    pack_optional(to, cmd.max_depth, [this](auto n) { to.pack_uint64(n); });
    pack_optional(to, cmd.max_running, [this](auto n) { to.pack_uint64(n); });
    pack_optional(to, cmd.rate, [this](auto n) { to.pack_double(n); });
    pack_optional(to, cmd.retention, [this](auto d) { pack_duration(to, d); });
    pack_optional(to, cmd.backoff, [this](auto& b) { pack_backoff(to, b); });
    pack_optional(to, cmd.dead_letter,
                  [this](auto text) { pack_text(to, text); });
  }

  void fields(const purge_command& cmd) {
    pack_text(to, cmd.queue);
    to.pack_uint8(static_cast<std::uint8_t>(cmd.state));
    to.pack_uint32(cmd.max);
  }
};

constexpr std::uint32_t field_counts[] = {2, 4, 1, 1, 1, 1, 1, 1, 1, 8, 3};

static_assert(std::size(field_counts) == std::variant_size_v<command>);

// -- decoding -----------------------------------------------------------------

lease_token read_token(field_reader& from) {
  lease_token token;
  from.read(token.id);
  from.read(token.attempt);
  return token;
}

template <class T, class ReadItem>
std::vector<T> read_items(field_reader& from, ReadItem read_item) {
  auto* obj = from.next();
  if (obj == nullptr)
    throw malformed_bytes{};
  field_reader items{*obj};
  std::vector<T> result;
  result.reserve(items.left());
  while (auto* item = items.next()) {
    field_reader fields{*item};
    result.push_back(read_item(fields));
  }
  return result;
}

new_job read_new_job(field_reader& from) {
  new_job job;
  from.read(job.handler);
  from.read(job.payload);
  from.read(job.priority);
  from.read(job.delay);
  from.read(job.max_attempts);
  from.read(job.timeout);
  from.read(job.ttl);
  from.read(job.idempotency_key);
  from.read(job.key_ttl);
  return job;
}

command read_configure(field_reader& from) {
  configure_command cmd;
  from.read(cmd.queue);
  from.read(cmd.paused);
  from.read(cmd.max_depth);
  from.read(cmd.max_running);
  from.read(cmd.rate);
  from.read(cmd.retention);
  if (auto* obj = from.next(); obj != nullptr && !obj->is_nil()) {
    field_reader fields{*obj};
    auto& policy = cmd.backoff.emplace();
    fields.read(policy.min);
    fields.read(policy.max);
    fields.read(policy.factor);
    fields.read(policy.jitter);
  }
  from.read(cmd.dead_letter);
  return cmd;
}

command read_settlement(std::uint8_t kind, field_reader& from) {
  switch (kind) {
    case 2:
      return complete_command{read_items<completion>(from, [](auto& f) {
        completion item;
        item.token = read_token(f);
        f.read(item.result);
        return item;
      })};
    case 3:
      return fail_command{read_items<failure>(from, [](auto& f) {
        failure item;
        item.token = read_token(f);
        f.read_enum(item.kind, failure_kind::lost);
        f.read(item.error);
        f.read(item.retry);
        return item;
      })};
    case 4:
      return extend_command{read_items<extension>(from, [](auto& f) {
        extension item;
        item.token = read_token(f);
        f.read(item.ttl);
        f.read(item.progress);
        return item;
      })};
    default:
      return release_command{read_items<lease_token>(
        from, [](auto& f) { return read_token(f); })};
  }
}

command read_command(const msgpack::object& obj) {
  field_reader from{obj};
  std::uint8_t kind = 255;
  from.read(kind);
  switch (kind) {
    case 0: {
      enqueue_command cmd;
      from.read(cmd.queue);
      cmd.jobs = read_items<new_job>(
        from, [](auto& fields) { return read_new_job(fields); });
      return cmd;
    }
    case 1: {
      lease_command cmd;
      from.read(cmd.queue);
      from.read(cmd.worker);
      from.read(cmd.max);
      from.read(cmd.ttl);
      return cmd;
    }
    case 2:
    case 3:
    case 4:
    case 5:
      return read_settlement(kind, from);
    case 6: {
      cancel_command cmd;
      from.read(cmd.id);
      return cmd;
    }
    case 7: {
      retry_command cmd;
      from.read(cmd.id);
      return cmd;
    }
    case 8: {
      tick_command cmd;
      from.read(cmd.max);
      return cmd;
    }
    case 9:
      return read_configure(from);
    case 10: {
      purge_command cmd;
      from.read(cmd.queue);
      from.read_enum(cmd.state, job_state::cancelled);
      from.read(cmd.max);
      return cmd;
    }
    default:
      throw malformed_bytes{};
  }
}

// -- validation ---------------------------------------------------------------

struct rule_broken {
  std::string text;
};

void require(bool ok, const char* text) {
  if (!ok)
    throw rule_broken{text};
}

constexpr const char* name_rule
  = " must be 1 to 128 characters of A-Z a-z 0-9 . _ -";

void require_name(std::string_view name, const char* field) {
  if (!is_valid_name(name))
    throw rule_broken{std::string{field} + name_rule};
}

void require_duration(millis value, millis min, const char* field) {
  if (value < min || value > limits::duration)
    throw rule_broken{std::string{field}
                      + (min > millis{0} ? " must be at least 1ms"
                                         : " must not be negative")
                      + " and at most ten years"};
}

void check(const new_job& job) {
  require_name(job.handler, "handler");
  require_duration(job.delay, millis{0}, "delay");
  require_duration(job.timeout, millis{1}, "timeout");
  require_duration(job.ttl, millis{0}, "ttl");
  require_duration(job.key_ttl, millis{1}, "key_ttl");
  require(job.max_attempts >= 1 && job.max_attempts <= limits::max_attempts,
          "max_attempts must be 1 to 1000000");
  require(job.idempotency_key.size() <= limits::idempotency_key,
          "idempotency_key must be at most 255 bytes");
  require(job.payload.size() <= std::numeric_limits<std::uint32_t>::max() / 2,
          "payload must be less than 2 GiB");
}

void check(const enqueue_command& cmd) {
  require_name(cmd.queue, "queue");
  require(!cmd.jobs.empty(), "jobs must not be empty");
  require(cmd.jobs.size() <= limits::jobs_per_batch,
          "jobs must be at most 10000 in one batch");
  for (auto& job : cmd.jobs)
    check(job);
}

void check(const lease_command& cmd) {
  require_name(cmd.queue, "queue");
  require(cmd.worker.size() <= limits::worker_name,
          "worker must be at most 255 bytes");
  require(cmd.max >= 1, "max must be at least 1");
  require_duration(cmd.ttl, millis{1}, "ttl");
}

template <class Command>
void check_items(const Command& cmd) {
  require(!cmd.items.empty(), "items must not be empty");
}

void check(const complete_command& cmd) {
  check_items(cmd);
  for (auto& item : cmd.items)
    require(item.result.size() <= std::numeric_limits<std::uint32_t>::max() / 2,
            "result must be less than 2 GiB");
}

void check(const fail_command& cmd) {
  check_items(cmd);
}

void check(const extend_command& cmd) {
  check_items(cmd);
  for (auto& item : cmd.items)
    require_duration(item.ttl, millis{1}, "ttl");
}

void check(const release_command& cmd) {
  check_items(cmd);
}

void check(const cancel_command&) {
  // nop
}

void check(const retry_command&) {
  // nop
}

void check(const tick_command& cmd) {
  require(cmd.max >= 1, "max must be at least 1");
}

void check(const configure_command& cmd) {
  require_name(cmd.queue, "queue");
  if (cmd.rate)
    require(std::isfinite(*cmd.rate) && *cmd.rate >= 0 && *cmd.rate <= 1e9,
            "rate must be 0 to 1000000000");
  if (cmd.retention)
    require_duration(*cmd.retention, millis{0}, "retention");
  if (cmd.dead_letter && !cmd.dead_letter->empty())
    require_name(*cmd.dead_letter, "dead_letter");
  if (cmd.dead_letter)
    require(*cmd.dead_letter != cmd.queue,
            "dead_letter must be another queue");
  if (auto& policy = cmd.backoff) {
    require_duration(policy->min, millis{0}, "backoff.min");
    require_duration(policy->max, millis{0}, "backoff.max");
    require(policy->min <= policy->max,
            "backoff.min must not exceed backoff.max");
    require(std::isfinite(policy->factor) && policy->factor >= 1
              && policy->factor <= 1000,
            "backoff.factor must be 1 to 1000");
    require(policy->jitter >= 0 && policy->jitter <= 1,
            "backoff.jitter must be 0 to 1");
  }
}

void check(const purge_command& cmd) {
  require_name(cmd.queue, "queue");
  require(cmd.state != job_state::leased, "state must not be leased");
  require(cmd.max >= 1, "max must be at least 1");
}

} // namespace

expected<void> validate(const command& cmd) {
  try {
    std::visit([](auto& alternative) { check(alternative); }, cmd);
    return {};
  } catch (rule_broken& broken) {
    return fail_with(errc::invalid_argument, std::move(broken.text));
  }
}

encoded_command encode(const command& cmd) {
  encoded_command result;
  result.kind = static_cast<std::uint8_t>(cmd.index());
  std::visit(overload{
               [&result](const enqueue_command& alt) {
                 result.queue = alt.queue;
                 result.jobs = static_cast<std::uint32_t>(alt.jobs.size());
                 std::size_t bytes = 32 + alt.queue.size();
                 for (auto& job : alt.jobs) {
                   bytes += job.payload.size() + job.handler.size()
                            + job.idempotency_key.size() + 64;
                   if (job.delay <= millis{0})
                     ++result.ready_jobs;
                 }
                 result.bytes.reserve(bytes);
               },
               [&result](const lease_command& alt) { result.queue = alt.queue; },
               [&result](const configure_command& alt) {
                 result.queue = alt.queue;
               },
               [&result](const purge_command& alt) { result.queue = alt.queue; },
               [](const auto&) {},
             },
             cmd);
  string_sink sink{result.bytes};
  string_packer packer{sink};
  command_packer to{packer};
  to.begin(cmd, field_counts[cmd.index()]);
  std::visit([&to](auto& alternative) { to.fields(alternative); }, cmd);
  return result;
}

void begin_entry(std::string& out, timestamp now) {
  out.clear();
  out.push_back(entry_version);
  auto ms = static_cast<std::uint64_t>(now.time_since_epoch().count());
  for (int shift = 56; shift >= 0; shift -= 8)
    out.push_back(static_cast<char>((ms >> shift) & 0xFF));
}

entry_reader::entry_reader(std::string_view entry, timestamp now)
  : entry_(entry), offset_(entry_header), now_(now) {
  // nop
}

expected<entry_reader> entry_reader::open(std::string_view entry) {
  if (entry.size() < entry_header)
    return fail_with(errc::malformed, "a log entry is cut short");
  if (entry.front() > entry_version)
    return fail_with(errc::store_newer);
  if (entry.front() != entry_version)
    return fail_with(errc::malformed, "a log entry has no valid version");
  std::uint64_t ms = 0;
  for (auto c : entry.substr(1, 8))
    ms = (ms << 8) | static_cast<unsigned char>(c);
  return entry_reader{entry, timestamp{millis{static_cast<std::int64_t>(ms)}}};
}

expected<command> entry_reader::next() {
  try {
    auto handle = unpack_at(entry_, offset_);
    return read_command(handle.get());
  } catch (const malformed_bytes&) {
    return fail_with(errc::malformed, "a log entry holds a damaged command");
  } catch (const std::exception& e) {
    return fail_with(errc::internal, e.what());
  }
}

} // namespace muster
