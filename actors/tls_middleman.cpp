#include "actors/tls_middleman.hpp"

#include <caf/actor_system.hpp>
#include <caf/detail/socket_guard.hpp>
#include <caf/io/basp_broker.hpp>
#include <caf/io/middleman.hpp>
#include <caf/io/middleman_actor_impl.hpp>
#include <caf/io/network/default_multiplexer.hpp>
#include <caf/io/network/doorman_impl.hpp>
#include <caf/io/network/stream_impl.hpp>
#include <caf/io/scribe.hpp>
#include <caf/openssl/session.hpp>
#include <caf/sec.hpp>

#include <openssl/err.h>

#include <exception>
#include <string>
#include <utility>

namespace muster {

namespace {

using caf::io::network::default_multiplexer;
using caf::io::network::native_socket;
using caf::io::network::rw_state;
using caf::openssl::session_ptr;

/// Null if the files of the certificate cannot be used, or the other side has
/// gone already.
session_ptr make_session(caf::actor_system& system, native_socket fd,
                         bool accepted) {
  ERR_clear_error();
  try {
    auto result = caf::openssl::make_session(system, fd, accepted);
    ERR_clear_error();
    return result;
  } catch (const std::exception&) {
    ERR_clear_error();
    return nullptr;
  }
}

/// What CAF's streams ask of a transport. OpenSSL wants its list of errors
/// empty before each call.
class tls_policy {
public:
  explicit tls_policy(session_ptr session) : session_(std::move(session)) {
    // nop
  }

  rw_state read_some(std::size_t& result, native_socket fd, void* to,
                     std::size_t size) {
    ERR_clear_error();
    return session_->read_some(result, fd, to, size);
  }

  rw_state write_some(std::size_t& result, native_socket fd, const void* from,
                      std::size_t size) {
    ERR_clear_error();
    return session_->write_some(result, fd, from, size);
  }

  bool must_read_more(native_socket fd, std::size_t threshold) {
    return session_->must_read_more(fd, threshold);
  }

private:
  session_ptr session_;
};

/// A connection; after CAF's own, which is not public.
class tls_scribe : public caf::io::scribe {
public:
  tls_scribe(default_multiplexer& loop, native_socket fd, session_ptr session)
    : scribe(caf::io::network::conn_hdl_from_socket(fd)),
      stream_(loop, fd, std::move(session)) {
    // nop
  }

  void configure_read(caf::io::receive_policy::config config) override {
    stream_.configure_read(config);
    if (std::exchange(launched_, true))
      return;
    stream_.start(this);
    // The handshake may have to go on with a write.
    stream_.force_empty_write(this);
  }

  void ack_writes(bool enable) override {
    stream_.ack_writes(enable);
  }

  caf::byte_buffer& wr_buf() override {
    return stream_.wr_buf();
  }

  caf::byte_buffer& rd_buf() override {
    return stream_.rd_buf();
  }

  void graceful_shutdown() override {
    stream_.graceful_shutdown();
    detach(&stream_.backend(), false);
  }

  void flush() override {
    stream_.flush(this);
  }

  std::string addr() const override {
    auto result = caf::io::network::remote_addr_of_fd(stream_.fd());
    return result ? *result : std::string{};
  }

  std::uint16_t port() const override {
    auto result = caf::io::network::remote_port_of_fd(stream_.fd());
    return result ? *result : 0;
  }

  void add_to_loop() override {
    stream_.activate(this);
  }

  void remove_from_loop() override {
    stream_.passivate();
  }

private:
  bool launched_ = false;
  caf::io::network::stream_impl<tls_policy> stream_;
};

class tls_doorman : public caf::io::network::doorman_impl {
public:
  using caf::io::network::doorman_impl::doorman_impl;

  bool new_connection() override {
    if (detached())
      return false;
    auto& loop = acceptor_.backend();
    auto fd = acceptor_.accepted_socket();
    caf::detail::socket_guard guard{fd};
    caf::io::network::nonblocking(fd, true);
    auto session = make_session(parent()->system(), fd, true);
    // True: the port stays open for others.
    if (!session)
      return true;
    auto made = caf::make_counted<tls_scribe>(loop, fd, std::move(session));
    guard.release();
    auto handle = made->hdl();
    parent()->add_scribe(std::move(made));
    return doorman::new_connection(&loop, handle);
  }
};

class tls_middleman_actor : public caf::io::middleman_actor_impl {
public:
  using caf::io::middleman_actor_impl::middleman_actor_impl;

  const char* name() const override {
    return "muster.tls-middleman";
  }

protected:
  caf::expected<caf::io::scribe_ptr> connect(const std::string& host,
                                             std::uint16_t port) override {
    auto fd = caf::io::network::new_tcp_connection(host, port);
    if (!fd)
      return std::move(fd.error());
    caf::detail::socket_guard guard{*fd};
    caf::io::network::nonblocking(*fd, true);
    auto session = make_session(system(), *fd, false);
    if (!session)
      return caf::make_error(caf::sec::cannot_connect_to_node);
    guard.release();
    return caf::make_counted<tls_scribe>(loop(), *fd, std::move(session));
  }

  caf::expected<caf::io::doorman_ptr>
  open(std::uint16_t port, const char* address, bool reuse) override {
    auto fd = caf::io::network::new_tcp_acceptor_impl(port, address, reuse);
    if (!fd)
      return std::move(fd.error());
    return caf::make_counted<tls_doorman>(loop(), *fd);
  }

private:
  default_multiplexer& loop() {
    return static_cast<default_multiplexer&>(system().middleman().backend());
  }
};

} // namespace

caf::io::middleman_actor spawn_tls_middleman(caf::actor_system& system) {
  return system.spawn<tls_middleman_actor, caf::detached + caf::hidden>(
    system.middleman().named_broker<caf::io::basp_broker>("BASP"));
}

} // namespace muster
