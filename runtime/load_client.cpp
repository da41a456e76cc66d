#include "runtime/load_client.hpp"

#include "actors/spawn.hpp"
#include "actors/tls_socket.hpp"
#include "runtime/process_usage.hpp"
#include "runtime/reply_parser.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

namespace muster {

namespace {

constexpr std::size_t read_size = std::size_t{256} << 10;
constexpr std::size_t max_events = 256;
constexpr int resting_pause_ms = 1;
constexpr millis handshake_limit{10'000};

std::string last_error() {
  return std::system_category().message(errno);
}

/// The address to connect to, looked up once.
class target_address {
public:
  static expected<target_address> resolve(const std::string& host,
                                          std::uint16_t port) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    addrinfo* found = nullptr;
    if (auto code = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(),
                                  &hints, &found))
      return fail_with(errc::unavailable,
                       "unknown host '" + host + "': " + ::gai_strerror(code));
    return target_address{found};
  }

  [[nodiscard]] expected<descriptor> connect() const {
    descriptor fd;
    for (auto* item = list_.get(); item != nullptr; item = item->ai_next) {
      fd.reset(::socket(item->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
      if (fd.valid()
          && ::connect(fd.get(), item->ai_addr, item->ai_addrlen) == 0) {
        int on = 1;
        ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        return fd;
      }
    }
    return fail_with(errc::unavailable, "cannot connect: " + last_error());
  }

private:
  explicit target_address(addrinfo* list) : list_(list, &::freeaddrinfo) {
    // nop
  }

  std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list_;
};

struct connection {
  descriptor fd;
  /// None for plain HTTP.
  std::unique_ptr<tls_engine> tls;
  /// The request, where something had to be added to it.
  std::string request;
  /// What is still to be written of the request.
  std::string_view unsent;
  /// What has come of a reply that is not complete; mostly empty.
  std::string input;
  std::optional<reply_head> head;
  load_clock::time_point sent;
  bool waiting = false;
  bool watches_output = false;
};

class load_run {
public:
  load_run(const load_options& options, load_source& source,
           target_address address)
    : options_(options),
      source_(source),
      address_(std::move(address)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      buffer_(read_size, '\0'),
      connections_(options.connections) {
    // nop
  }

  expected<load_report> run() {
    for (std::size_t i = 0; i < connections_.size(); ++i)
      if (!open(i))
        return tl::unexpected<error>{*failure_};
    now_ = load_clock::now();
    measure_at_ = now_ + options_.warm_up;
    end_at_ = measure_at_ + options_.window;
    give_up_at_ = end_at_ + options_.linger;
    for (std::size_t i = 0; i < connections_.size(); ++i)
      send_next(i);
    while (!failure_ && step())
      ;
    if (failure_)
      return tl::unexpected<error>{*failure_};
    for (std::size_t i = 0; i < connections_.size(); ++i)
      if (connections_[i].waiting)
        lose(i);
    return report_;
  }

private:
  // -- time -------------------------------------------------------------------

  struct reading {
    load_clock::time_point at;
    std::chrono::nanoseconds client{0};
    std::chrono::nanoseconds server{0};
  };

  [[nodiscard]] reading read_usage() const {
    reading result;
    result.at = load_clock::now();
    result.client = cpu_time(::getpid()).value_or(std::chrono::nanoseconds{});
    result.server
      = cpu_time(options_.servers).value_or(std::chrono::nanoseconds{});
    return result;
  }

  void check_time() {
    if (!began_ && now_ >= measure_at_)
      began_ = read_usage();
    if (began_ && !ended_ && now_ >= end_at_)
      end_window();
  }

  void end_window() {
    auto at = read_usage();
    std::chrono::duration<double> length = at.at - began_->at;
    std::chrono::duration<double> client = at.client - began_->client;
    std::chrono::duration<double> server = at.server - began_->server;
    report_.seconds = length.count();
    report_.client_cpu_seconds = client.count();
    report_.server_cpu_seconds = server.count();
    ended_ = true;
    give_up_at_ = std::min(give_up_at_, at.at + options_.linger);
  }

  // -- loop -------------------------------------------------------------------

  // False when the run is over.
  bool step() {
    std::array<epoll_event, max_events> events;
    auto limit = std::chrono::ceil<millis>(next_deadline() - now_).count();
    if (!resting_.empty() && !ended_)
      limit = std::min<long>(limit, resting_pause_ms);
    auto n = ::epoll_wait(epoll_.get(), events.data(), events.size(),
                          static_cast<int>(std::clamp(limit, 0L, 1'000L)));
    now_ = load_clock::now();
    check_time();
    for (int i = 0; i < n && !failure_; ++i) {
      auto index = static_cast<std::size_t>(events[i].data.u64);
      if ((events[i].events & EPOLLOUT) != 0)
        flush(index);
      if ((events[i].events & ~static_cast<unsigned>(EPOLLOUT)) != 0)
        receive(index);
    }
    if (!ended_ && !resting_.empty())
      wake_resting();
    if (ended_)
      return outstanding_ > 0 && now_ < give_up_at_;
    return true;
  }

  [[nodiscard]] load_clock::time_point next_deadline() const {
    if (!began_)
      return measure_at_;
    return ended_ ? give_up_at_ : end_at_;
  }

  void wake_resting() {
    if (source_.finished()) {
      if (!began_)
        began_ = read_usage();
      end_window();
      return;
    }
    auto again = std::exchange(resting_, {});
    for (auto index : again)
      send_next(index);
  }

  // -- connections ------------------------------------------------------------

  bool open(std::size_t index) {
    auto fd = address_.connect();
    if (!fd) {
      failure_ = fd.error();
      return false;
    }
    auto& self = connections_[index];
    self.fd = std::move(*fd);
    self.watches_output = false;
    if (options_.tls && !secure(self))
      return false;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = index;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, self.fd.get(), &event);
    return true;
  }

  bool secure(connection& self) {
    self.tls = tls_engine::connecting(options_.tls, options_.host);
    if (!self.tls) {
      failure_
        = error{errc::unavailable, "no certificate can be for this host"};
      return false;
    }
    auto met = shake_hands(self.fd.get(), *self.tls,
                           load_clock::now() + handshake_limit);
    if (!met)
      failure_ = met.error();
    return met.has_value();
  }

  void watch_output(std::size_t index, bool on) {
    auto& self = connections_[index];
    if (std::exchange(self.watches_output, on) == on)
      return;
    epoll_event event{};
    event.events = EPOLLIN | (on ? EPOLLOUT : 0U);
    event.data.u64 = index;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, self.fd.get(), &event);
  }

  void lose(std::size_t index) {
    auto& self = connections_[index];
    self.fd.reset();
    self.input.clear();
    self.head.reset();
    self.unsent = {};
    if (!std::exchange(self.waiting, false))
      return;
    --outstanding_;
    ++report_.unanswered;
    source_.on_lost(index);
  }

  // -- sending ----------------------------------------------------------------

  void send_next(std::size_t index) {
    if (ended_)
      return;
    auto& self = connections_[index];
    self.unsent = source_.next(index, now_);
    if (self.unsent.empty()) {
      resting_.push_back(index);
      return;
    }
    if (!options_.token.empty())
      authorize(self);
    if (self.tls)
      encrypt(self);
    self.waiting = true;
    ++outstanding_;
    self.sent = now_;
    flush(index);
  }

  void authorize(connection& self) const {
    auto line = self.unsent.find("\r\n") + 2;
    self.request = self.unsent.substr(0, line);
    self.request.append("Authorization: Bearer ")
      .append(options_.token)
      .append("\r\n")
      .append(self.unsent.substr(line));
    self.unsent = self.request;
  }

  static void encrypt(connection& self) {
    // A connection that is broken is found by reading.
    static_cast<void>(self.tls->write(self.unsent));
    self.request = std::exchange(self.tls->output(), {});
    self.unsent = self.request;
  }

  void flush(std::size_t index) {
    auto& self = connections_[index];
    while (!self.unsent.empty()) {
      auto n = ::send(self.fd.get(), self.unsent.data(), self.unsent.size(),
                      MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n >= 0) {
        self.unsent.remove_prefix(static_cast<std::size_t>(n));
      } else if (errno == EAGAIN) {
        watch_output(index, true);
        return;
      } else if (errno != EINTR) {
        // Reading tells why, and finds what the server may have said.
        self.unsent = {};
      }
    }
    if (self.watches_output)
      watch_output(index, false);
  }

  // -- receiving --------------------------------------------------------------

  void receive(std::size_t index) {
    auto& self = connections_[index];
    auto n = self.tls ? muster::receive(self.fd.get(), *self.tls,
                                        buffer_.data(), buffer_.size())
                      : ::recv(self.fd.get(), buffer_.data(), buffer_.size(),
                               MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
      return;
    if (n <= 0) {
      reconnect(index);
      return;
    }
    std::string_view bytes{buffer_.data(), static_cast<std::size_t>(n)};
    if (!self.input.empty()) {
      self.input.append(bytes);
      bytes = self.input;
    }
    if (take_reply(index, bytes))
      send_next(index);
    // What was decrypted already makes no event.
    else if (self.tls && self.waiting)
      receive(index);
  }

  void reconnect(std::size_t index) {
    lose(index);
    if (ended_ || !open(index))
      return;
    // Resting connections are asked anyhow.
    if (std::find(resting_.begin(), resting_.end(), index) == resting_.end())
      send_next(index);
  }

  // True if `bytes` are a whole reply; otherwise they are kept.
  bool take_reply(std::size_t index, std::string_view bytes) {
    auto& self = connections_[index];
    if (!self.head) {
      auto head = parse_reply_head(bytes);
      if (!head) {
        failure_ = head.error();
        return false;
      }
      self.head = *head;
      if (self.head && self.head->body != reply_head::framing::sized) {
        failure_ = error{errc::malformed, "a reply without Content-Length"};
        return false;
      }
    }
    if (!self.head || bytes.size() < self.head->size + self.head->length) {
      if (self.input.empty())
        self.input = bytes;
      return false;
    }
    if (!self.waiting) {
      failure_ = error{errc::malformed, "a reply that nobody asked for"};
      return false;
    }
    deliver(index, bytes.substr(self.head->size, self.head->length));
    auto keep_alive = self.head->keep_alive;
    self.head.reset();
    self.input.clear();
    if (keep_alive)
      return true;
    reconnect(index);
    return false;
  }

  void deliver(std::size_t index, std::string_view body) {
    auto& self = connections_[index];
    self.waiting = false;
    --outstanding_;
    now_ = load_clock::now();
    load_reply reply{self.head->status, body, self.sent, now_, false};
    reply.measured = began_ && !ended_;
    if (reply.measured)
      ++report_.replies;
    source_.on_reply(index, reply);
  }

  const load_options& options_;
  load_source& source_;
  target_address address_;
  descriptor epoll_;
  std::string buffer_;
  std::vector<connection> connections_;
  std::vector<std::size_t> resting_;
  std::size_t outstanding_ = 0;
  load_clock::time_point now_;
  load_clock::time_point measure_at_;
  load_clock::time_point end_at_;
  load_clock::time_point give_up_at_;
  std::optional<reading> began_;
  bool ended_ = false;
  load_report report_;
  std::optional<error> failure_;
};

} // namespace

expected<load_report> run_load(const load_options& options,
                               load_source& source) {
  auto address = target_address::resolve(options.host, options.port);
  if (!address)
    return tl::unexpected<error>{address.error()};
  return load_run{options, source, std::move(*address)}.run();
}

} // namespace muster
