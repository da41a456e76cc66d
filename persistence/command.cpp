#include "persistence/command.hpp"

#include "persistence/msgpack_io.hpp"

#include <algorithm>
#include <exception>
#include <iterator>

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
    to.pack_uint64(cmd.max_bytes);
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
    pack_duration(to, cmd.spare_leases);
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

constexpr std::uint32_t field_counts[] = {2, 5, 1, 1, 1, 1, 1, 1, 2, 8, 3};

static_assert(std::size(field_counts) == std::variant_size_v<command>);

// -- decoding -----------------------------------------------------------------

lease_token read_token(field_reader& from) {
  lease_token token;
  from.read(token.id);
  from.read(token.attempt);
  return token;
}

template <class T, class ReadItem>
std::vector<T> read_items(field_reader& from, msgpack_cursor& at,
                          ReadItem read_item) {
  if (!from.take())
    throw malformed_bytes{};
  field_reader items{at};
  std::vector<T> result;
  // What the bytes claim is not what they hold.
  result.reserve(std::min<std::size_t>(items.left(), limits::jobs_per_batch));
  while (items.take()) {
    field_reader fields{at};
    result.push_back(read_item(fields));
    fields.finish();
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

command read_configure(field_reader& from, msgpack_cursor& at) {
  configure_command cmd;
  from.read(cmd.queue);
  from.read(cmd.paused);
  from.read(cmd.max_depth);
  from.read(cmd.max_running);
  from.read(cmd.rate);
  from.read(cmd.retention);
  if (from.take() && !at.nil()) {
    field_reader fields{at};
    auto& policy = cmd.backoff.emplace();
    fields.read(policy.min);
    fields.read(policy.max);
    fields.read(policy.factor);
    fields.read(policy.jitter);
    fields.finish();
  }
  from.read(cmd.dead_letter);
  return cmd;
}

command read_settlement(std::uint8_t kind, field_reader& from,
                        msgpack_cursor& at) {
  switch (kind) {
    case 2:
      return complete_command{read_items<completion>(from, at, [](auto& f) {
        completion item;
        item.token = read_token(f);
        f.read(item.result);
        return item;
      })};
    case 3:
      return fail_command{read_items<failure>(from, at, [](auto& f) {
        failure item;
        item.token = read_token(f);
        f.read_enum(item.kind, failure_kind::lost);
        f.read(item.error);
        f.read(item.retry);
        return item;
      })};
    case 4:
      return extend_command{read_items<extension>(from, at, [](auto& f) {
        extension item;
        item.token = read_token(f);
        f.read(item.ttl);
        f.read(item.progress);
        return item;
      })};
    default:
      return release_command{read_items<lease_token>(
        from, at, [](auto& f) { return read_token(f); })};
  }
}

command read_fields(std::uint8_t kind, field_reader& from, msgpack_cursor& at) {
  switch (kind) {
    case 0: {
      enqueue_command cmd;
      from.read(cmd.queue);
      cmd.jobs = read_items<new_job>(
        from, at, [](auto& fields) { return read_new_job(fields); });
      return cmd;
    }
    case 1: {
      lease_command cmd;
      from.read(cmd.queue);
      from.read(cmd.worker);
      from.read(cmd.max);
      from.read(cmd.ttl);
      from.read(cmd.max_bytes);
      return cmd;
    }
    case 2:
    case 3:
    case 4:
    case 5:
      return read_settlement(kind, from, at);
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
      from.read(cmd.spare_leases);
      return cmd;
    }
    case 9:
      return read_configure(from, at);
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

command read_command(msgpack_cursor& at) {
  field_reader from{at};
  std::uint8_t kind = 255;
  from.read(kind);
  auto result = read_fields(kind, from, at);
  from.finish();
  return result;
}

} // namespace

encoded_command encode(const command& cmd) {
  encoded_command result;
  result.kind = static_cast<std::uint8_t>(cmd.index());
  std::visit(
    overload{
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
      [&result](const configure_command& alt) { result.queue = alt.queue; },
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
    msgpack_cursor at{entry_, offset_};
    auto result = read_command(at);
    offset_ = at.offset();
    return result;
  } catch (const malformed_bytes&) {
    return fail_with(errc::malformed, "a log entry holds a damaged command");
  } catch (const std::exception& e) {
    return fail_with(errc::internal, e.what());
  }
}

} // namespace muster
