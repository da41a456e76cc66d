#include "persistence/log.hpp"

#include <uv.h>

// libraft's headers do not say that they are C.
extern "C" {
#include <raft.h>
#include <raft/uv.h>
}

#include <algorithm>
#include <climits>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

// What libraft calls an entry is a frame of ours:
//
//     frame := kind(4 bytes) size(4 bytes) body(size bytes) zeros
//     kind 0, data:   body is an entry for the machine
//     kind 1, origin: body := position(8 bytes) store_id(8 bytes)
//
// numbers little-endian, padded to the multiple of 8 bytes that libraft asks
// for. An origin says which position the entry before the next one has: the
// first of a log begun on an existing store, and one after a log that lost a
// tail which the store already holds. A snapshot's content is the body of an
// origin. See docs/data_format.md.

namespace muster {

namespace {

constexpr std::uint32_t data_frame = 0;
constexpr std::uint32_t origin_frame = 1;
constexpr std::size_t frame_header = 8;
constexpr raft_id own_id = 1;
constexpr const char* own_address = "1";

// Snapshots are taken when asked for, never by count.
constexpr unsigned no_threshold = UINT_MAX;

// libraft reads 0 as "a snapshot that was received": at least one entry stays.
constexpr unsigned trailing_entries = 1;

constexpr unsigned heartbeat_ms = 1'000;
constexpr unsigned election_ms = 5'000;

struct origin {
  std::uint64_t position = 0;
  std::uint64_t store_id = 0;
};

static_assert(sizeof(origin) == 16);

errc code_of(int raft_error) noexcept {
  switch (raft_error) {
    case RAFT_CORRUPT:
    case RAFT_MALFORMED:
      return errc::store_corrupt;
    case RAFT_NOSPACE:
      return errc::disk_full;
    default:
      return errc::io_error;
  }
}

raft_buffer make_frame(std::uint32_t kind,
                       std::span<const std::string_view> parts) {
  std::size_t size = 0;
  for (auto part : parts)
    size += part.size();
  auto padded = (frame_header + size + 7) & ~std::size_t{7};
  raft_buffer buf{raft_malloc(padded), padded};
  if (buf.base == nullptr)
    return buf;
  auto* pos = static_cast<char*>(buf.base);
  auto size32 = static_cast<std::uint32_t>(size);
  std::memcpy(pos, &kind, 4);
  std::memcpy(pos + 4, &size32, 4);
  pos += frame_header;
  for (auto part : parts)
    pos = std::copy(part.begin(), part.end(), pos);
  std::memset(pos, 0, padded - frame_header - size);
  return buf;
}

// -- a transport for a group of one
// --------------------------------------------

int no_init(raft_uv_transport*, raft_id, const char*) {
  return 0;
}

int no_listen(raft_uv_transport*, raft_uv_accept_cb) {
  return 0;
}

int no_connect(raft_uv_transport*, raft_uv_connect*, raft_id, const char*,
               raft_uv_connect_cb) {
  return RAFT_NOCONNECTION;
}

void no_close(raft_uv_transport* t, raft_uv_transport_close_cb cb) {
  cb(t);
}

} // namespace

struct log::impl {
  impl(uv_loop_s* lp, log_machine& mach, log_options opts)
    : loop(lp), machine(mach), options(std::move(opts)) {
    // nop
  }

  struct append_request {
    struct raft_apply apply {};
    impl* self = nullptr;
    append_callback done;
  };

  uv_loop_s* loop;
  log_machine& machine;
  log_options options;

  raft_uv_transport lone{};
  raft_io io{};
  raft_fsm fsm{};
  raft instance{};

  bool io_ready = false;
  bool raft_ready = false;
  bool serving = false;
  bool origin_seen = false;
  bool snapshot_requested = false;
  std::uint64_t position = 0;
  std::size_t held_bytes = 0;
  std::uint64_t held_entries = 0;
  std::uint64_t snapshot_count = 0;
  error failure;
  std::function<void()> on_closed;

  // -- libraft's callbacks ----------------------------------------------------

  static int on_apply(raft_fsm* f, const raft_buffer* buf, void** result) {
    *result = nullptr;
    return static_cast<impl*>(f->data)->take_frame(*buf);
  }

  static int on_snapshot(raft_fsm* f, raft_buffer* bufs[], unsigned* n) {
    return static_cast<impl*>(f->data)->take_snapshot(bufs, n);
  }

  static int on_snapshot_finalize(raft_fsm*, raft_buffer* bufs[], unsigned* n) {
    for (unsigned i = 0; i < *n; ++i)
      raft_free((*bufs)[i].base);
    raft_free(*bufs);
    *bufs = nullptr;
    *n = 0;
    return 0;
  }

  static int on_restore(raft_fsm* f, raft_buffer* buf) {
    auto* self = static_cast<impl*>(f->data);
    auto rv
      = self->take_origin({static_cast<const char*>(buf->base), buf->len});
    // By libraft's contract a restored buffer is ours.
    if (rv == 0)
      raft_free(buf->base);
    return rv;
  }

  static void on_applied(struct raft_apply* req, int status, void*) {
    auto* request = static_cast<append_request*>(req->data);
    auto* self = request->self;
    auto done = std::move(request->done);
    delete request;
    if (status != 0)
      self->fail(status);
    done(status == 0);
  }

  static void on_raft_closed(raft* r) {
    auto* self = static_cast<impl*>(r->data);
    raft_uv_close(&self->io);
    self->raft_ready = false;
    auto closed = std::move(self->on_closed);
    closed();
  }

  // -- entries ----------------------------------------------------------------

  int take_frame(const raft_buffer& buf) {
    std::uint32_t kind = 0;
    std::uint32_t size = 0;
    const auto* base = static_cast<const char*>(buf.base);
    if (buf.len < frame_header)
      return refuse(errc::store_corrupt, "the log holds a frame too short");
    std::memcpy(&kind, base, 4);
    std::memcpy(&size, base + 4, 4);
    if (size > buf.len - frame_header)
      return refuse(errc::store_corrupt, "the log holds a frame cut short");
    std::string_view body{base + frame_header, size};
    held_bytes += buf.len;
    ++held_entries;
    if (snapshot_requested) {
      snapshot_requested = false;
      raft_set_snapshot_threshold(&instance, 1);
    }
    switch (kind) {
      case data_frame:
        if (!origin_seen)
          return refuse(errc::store_corrupt, "the log does not say which store "
                                             "it belongs to");
        ++position;
        if (position > options.durable)
          machine.apply(position, body);
        return 0;
      case origin_frame:
        return take_origin(body);
      default:
        return refuse(errc::store_newer, "the log was written by a newer "
                                         "version of Muster");
    }
  }

  int take_origin(std::string_view body) {
    origin value;
    if (body.size() < sizeof(value))
      return refuse(errc::store_corrupt, "the log's origin is cut short");
    std::memcpy(&value, body.data(), sizeof(value));
    if (value.store_id != options.store_id)
      return refuse(errc::store_foreign,
                    "the log in " + options.directory.string()
                      + " belongs to another store than store.mdb beside it");
    if (value.position > options.durable && !serving)
      return refuse(errc::store_corrupt,
                    "store.mdb is older than the log in "
                      + options.directory.string()
                      + ", which no longer holds what is missing");
    origin_seen = true;
    position = value.position;
    return 0;
  }

  int take_snapshot(raft_buffer* bufs[], unsigned* n) {
    raft_set_snapshot_threshold(&instance, no_threshold);
    held_bytes = 0;
    held_entries = 0;
    auto durable = machine.make_durable();
    if (!durable)
      return RAFT_IOERR;
    auto* array = static_cast<raft_buffer*>(raft_malloc(sizeof(raft_buffer)));
    auto* base = raft_malloc(sizeof(origin));
    if (array == nullptr || base == nullptr) {
      raft_free(array);
      raft_free(base);
      return RAFT_NOMEM;
    }
    origin value{*durable, options.store_id};
    std::memcpy(base, &value, sizeof(value));
    *array = {base, sizeof(value)};
    *bufs = array;
    *n = 1;
    ++snapshot_count;
    return 0;
  }

  // -- start ------------------------------------------------------------------

  expected<void> open() {
    std::error_code ec;
    std::filesystem::create_directories(options.directory, ec);
    if (ec)
      return fail_with(errc::io_error, "cannot create "
                                         + options.directory.string() + ": "
                                         + ec.message());
    lone.init = no_init;
    lone.listen = no_listen;
    lone.connect = no_connect;
    lone.close = no_close;
    auto* transport = options.transport ? options.transport : &lone;
    auto directory = options.directory.string();
    if (auto rv = raft_uv_init(&io, loop, directory.c_str(), transport);
        rv != 0)
      return fail_with(code_of(rv),
                       "cannot open " + directory + ": " + raft_strerror(rv));
    io_ready = true;
    raft_uv_set_segment_size(&io, options.segment_size);
    // A damaged log is for a person to look at, not to be cut silently.
    raft_uv_set_auto_recovery(&io, false);
    fsm.version = 2;
    fsm.data = this;
    fsm.apply = on_apply;
    fsm.snapshot = on_snapshot;
    fsm.snapshot_finalize = on_snapshot_finalize;
    fsm.restore = on_restore;
    if (auto rv = raft_init(&instance, &io, &fsm, own_id, own_address); rv != 0)
      return fail_with(code_of(rv), "cannot open " + directory + ": "
                                      + raft_errmsg(&instance));
    instance.data = this;
    raft_ready = true;
    raft_set_heartbeat_timeout(&instance, heartbeat_ms);
    raft_set_election_timeout(&instance, election_ms);
    raft_set_snapshot_threshold(&instance, no_threshold);
    raft_set_snapshot_trailing(&instance, trailing_entries);
    return load(directory);
  }

  expected<void> load(const std::string& directory) {
    raft_configuration conf;
    raft_configuration_init(&conf);
    auto rv = raft_configuration_add(&conf, own_id, own_address, RAFT_VOTER);
    if (rv == 0)
      rv = raft_bootstrap(&instance, &conf);
    raft_configuration_close(&conf);
    if (rv != 0 && rv != RAFT_CANTBOOTSTRAP)
      return fail_with(code_of(rv), "cannot begin a log in " + directory + ": "
                                      + raft_errmsg(&instance));
    rv = raft_start(&instance);
    if (failure.code != errc::none)
      return tl::unexpected{failure};
    if (rv != 0)
      return fail_with(code_of(rv), "cannot read the log in " + directory + ": "
                                      + raft_errmsg(&instance));
    if (raft_state(&instance) != RAFT_LEADER)
      return fail_with(errc::store_corrupt, "the log in " + directory
                                              + " belongs to a manager group");
    return {};
  }

  bool append_frame(std::uint32_t kind, std::span<const std::string_view> parts,
                    append_callback done) {
    if (failure.code != errc::none)
      return false;
    auto buf = make_frame(kind, parts);
    if (buf.base == nullptr)
      return false;
    auto* request = new append_request;
    request->self = this;
    request->done = std::move(done);
    request->apply.data = request;
    if (auto rv = raft_apply(&instance, &request->apply, &buf, 1, on_applied);
        rv != 0) {
      raft_free(buf.base);
      delete request;
      fail(rv);
      return false;
    }
    return true;
  }

  int refuse(errc code, std::string text) {
    if (failure.code == errc::none)
      failure = {code, std::move(text)};
    return RAFT_CORRUPT;
  }

  void fail(int raft_error) {
    serving = false;
    if (failure.code == errc::none)
      failure = {code_of(raft_error), "cannot write the log in "
                                        + options.directory.string() + ": "
                                        + raft_errmsg(&instance)};
  }
};

log::log(uv_loop_s* loop, log_machine& machine, log_options options)
  : impl_(std::make_unique<impl>(loop, machine, std::move(options))) {
  // nop
}

log::~log() = default;

void log::start(std::function<void(expected<void>)> ready) {
  if (auto opened = impl_->open(); !opened) {
    ready(std::move(opened));
    return;
  }
  auto serve = [this, ready](bool status) {
    impl_->serving = status;
    if (status)
      ready({});
    else
      ready(tl::unexpected{impl_->failure});
  };
  if (impl_->origin_seen && impl_->position >= impl_->options.durable) {
    serve(true);
    return;
  }
  origin value{impl_->options.durable, impl_->options.store_id};
  std::string_view body{reinterpret_cast<const char*>(&value), sizeof(value)};
  if (!impl_->append_frame(origin_frame, {&body, 1}, serve))
    serve(false);
}

bool log::append(std::span<const std::string_view> parts,
                 append_callback done) {
  return impl_->serving
         && impl_->append_frame(data_frame, parts, std::move(done));
}

void log::request_snapshot() {
  impl_->snapshot_requested = true;
}

std::size_t log::bytes_since_snapshot() const noexcept {
  return impl_->held_bytes;
}

std::uint64_t log::entries_since_snapshot() const noexcept {
  return impl_->held_entries;
}

std::uint64_t log::snapshots() const noexcept {
  return impl_->snapshot_count;
}

void log::close(std::function<void()> closed) {
  impl_->serving = false;
  if (!impl_->raft_ready) {
    if (impl_->io_ready)
      raft_uv_close(&impl_->io);
    closed();
    return;
  }
  impl_->on_closed = std::move(closed);
  raft_close(&impl_->instance, impl::on_raft_closed);
}

std::string log::failure_text() const {
  return impl_->failure.message;
}

} // namespace muster
