#include "persistence/record.hpp"

#include "persistence/msgpack_io.hpp"

#include <exception>

namespace muster {

namespace {

// Every record is an array whose first element is this. A field is only ever
// appended to an array: an older record lacks it and gets the default; the
// version rises when older programs must not read the record any more.
constexpr std::uint8_t record_version = 1;

void begin(string_packer& to, std::uint32_t fields) {
  to.pack_array(fields + 1);
  to.pack_uint8(record_version);
}

template <class ReadFields>
bool decode(std::string_view bytes, ReadFields read_fields) {
  try {
    msgpack_cursor at{bytes};
    field_reader from{at};
    std::uint8_t version = 0;
    from.read(version);
    if (version == 0 || version > record_version)
      return false;
    read_fields(from, at);
    from.finish();
    return true;
  } catch (const malformed_bytes&) {
    return false;
  } catch (const std::exception&) {
    return false;
  }
}

void pack_settings(string_packer& to, const queue_settings& settings) {
  to.pack_array(10);
  settings.paused ? to.pack_true() : to.pack_false();
  to.pack_uint64(settings.max_depth);
  to.pack_uint64(settings.max_running);
  to.pack_double(settings.rate);
  pack_duration(to, settings.retention);
  pack_duration(to, settings.backoff.min);
  pack_duration(to, settings.backoff.max);
  to.pack_double(settings.backoff.factor);
  to.pack_double(settings.backoff.jitter);
  pack_text(to, settings.dead_letter);
}

void read_settings(msgpack_cursor& at, queue_settings& settings) {
  field_reader fields{at};
  fields.read(settings.paused);
  fields.read(settings.max_depth);
  fields.read(settings.max_running);
  fields.read(settings.rate);
  fields.read(settings.retention);
  fields.read(settings.backoff.min);
  fields.read(settings.backoff.max);
  fields.read(settings.backoff.factor);
  fields.read(settings.backoff.jitter);
  fields.read(settings.dead_letter);
  fields.finish();
}

} // namespace

std::string_view cut_text(std::string_view text, std::size_t limit) noexcept {
  if (text.size() <= limit)
    return text;
  auto size = limit;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80)
    --size;
  return text.substr(0, size);
}

void encode_record(const job_record& rec, std::string& out) {
  out.clear();
  string_sink sink{out};
  string_packer to{sink};
  begin(to, 19);
  to.pack_uint32(rec.queue);
  pack_text(to, rec.handler);
  to.pack_uint8(static_cast<std::uint8_t>(rec.state));
  to.pack_uint8(rec.priority);
  to.pack_uint32(rec.attempt);
  to.pack_uint32(rec.failures);
  to.pack_uint32(rec.max_attempts);
  pack_duration(to, rec.timeout);
  pack_time(to, rec.enqueued_at);
  pack_time(to, rec.due_at);
  pack_time(to, rec.started_at);
  pack_time(to, rec.finished_at);
  pack_time(to, rec.lease_deadline);
  pack_time(to, rec.expires_at);
  to.pack_uint8(static_cast<std::uint8_t>(rec.ended));
  to.pack_uint64(rec.finish_sequence);
  pack_text(to, rec.worker);
  pack_text(to, rec.progress);
  pack_text(to, rec.error);
}

bool decode_record(std::string_view bytes, job_record& rec) {
  return decode(bytes, [&rec](field_reader& from, msgpack_cursor&) {
    from.read(rec.queue);
    from.read(rec.handler);
    from.read_enum(rec.state, job_state::cancelled);
    from.read(rec.priority);
    from.read(rec.attempt);
    from.read(rec.failures);
    from.read(rec.max_attempts);
    from.read(rec.timeout);
    from.read(rec.enqueued_at);
    from.read(rec.due_at);
    from.read(rec.started_at);
    from.read(rec.finished_at);
    from.read(rec.lease_deadline);
    from.read(rec.expires_at);
    from.read_enum(rec.ended, attempt_end::lost);
    from.read(rec.finish_sequence);
    from.read(rec.worker);
    from.read(rec.progress);
    from.read(rec.error);
  });
}

void encode_record(const queue_record& rec, std::string& out) {
  out.clear();
  string_sink sink{out};
  string_packer to{sink};
  begin(to, 13);
  pack_text(to, rec.name);
  pack_settings(to, rec.settings);
  to.pack_array(job_state_count);
  for (auto count : rec.depth)
    to.pack_uint64(count);
  for (auto total : {rec.enqueued_total, rec.leased_total, rec.succeeded_total,
                     rec.failed_total, rec.dead_total, rec.cancelled_total,
                     rec.expired_leases_total})
    to.pack_uint64(total);
  to.pack_double(rec.bucket.tokens);
  pack_time(to, rec.bucket.at);
  pack_time(to, rec.retention_at);
}

bool decode_record(std::string_view bytes, queue_record& rec) {
  return decode(bytes, [&rec](field_reader& from, msgpack_cursor& at) {
    from.read(rec.name);
    if (from.take())
      read_settings(at, rec.settings);
    if (from.take()) {
      field_reader counts{at};
      for (auto& count : rec.depth)
        counts.read(count);
      counts.finish();
    }
    for (auto* total :
         {&rec.enqueued_total, &rec.leased_total, &rec.succeeded_total,
          &rec.failed_total, &rec.dead_total, &rec.cancelled_total,
          &rec.expired_leases_total})
      from.read(*total);
    from.read(rec.bucket.tokens);
    from.read(rec.bucket.at);
    from.read(rec.retention_at);
  });
}

void encode_record(const attempt_record& rec, std::string& out) {
  out.clear();
  string_sink sink{out};
  string_packer to{sink};
  begin(to, 5);
  to.pack_uint8(static_cast<std::uint8_t>(rec.outcome));
  pack_text(to, rec.worker);
  pack_time(to, rec.started_at);
  pack_time(to, rec.ended_at);
  pack_text(to, rec.error);
}

bool decode_record(std::string_view bytes, attempt_record& rec) {
  return decode(bytes, [&rec](field_reader& from, msgpack_cursor&) {
    from.read_enum(rec.outcome, attempt_status::cancelled);
    from.read(rec.worker);
    from.read(rec.started_at);
    from.read(rec.ended_at);
    from.read(rec.error);
  });
}

void encode_record(const meta_record& rec, std::string& out) {
  out.clear();
  string_sink sink{out};
  string_packer to{sink};
  begin(to, 5);
  to.pack_uint64(rec.applied);
  to.pack_uint64(rec.next_job);
  to.pack_uint32(rec.next_queue);
  to.pack_uint64(rec.next_finish);
  pack_time(to, rec.now);
}

bool decode_record(std::string_view bytes, meta_record& rec) {
  return decode(bytes, [&rec](field_reader& from, msgpack_cursor&) {
    from.read(rec.applied);
    from.read(rec.next_job);
    from.read(rec.next_queue);
    from.read(rec.next_finish);
    from.read(rec.now);
  });
}

void encode_record(const key_record& rec, std::string& out) {
  out.clear();
  string_sink sink{out};
  string_packer to{sink};
  begin(to, 2);
  to.pack_uint64(static_cast<std::uint64_t>(rec.id));
  pack_time(to, rec.expires);
}

bool decode_record(std::string_view bytes, key_record& rec) {
  return decode(bytes, [&rec](field_reader& from, msgpack_cursor&) {
    from.read(rec.id);
    from.read(rec.expires);
  });
}

} // namespace muster
