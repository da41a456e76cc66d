#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace muster {

/// A port of this machine that passes connections on to another one, with so
/// many bytes a second each way.
class slow_link {
public:
  slow_link(std::uint16_t target, std::size_t bytes_per_second)
    : target_(target), rate_(bytes_per_second) {
    door_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    keep_little(door_);
    auto at = address(0);
    ::bind(door_, reinterpret_cast<sockaddr*>(&at), sizeof(at));
    ::listen(door_, 16);
    socklen_t size = sizeof(at);
    ::getsockname(door_, reinterpret_cast<sockaddr*>(&at), &size);
    port_ = ntohs(at.sin_port);
    threads_.emplace_back([this] { accept_all(); });
  }

  ~slow_link() {
    stopping_ = true;
    // The first one makes the others: they are all there when it has ended.
    threads_.front().join();
    threads_.pop_front();
    for (auto& thread : threads_)
      thread.join();
    for (auto fd : sockets_)
      ::close(fd);
    ::close(door_);
  }

  slow_link(const slow_link&) = delete;
  slow_link& operator=(const slow_link&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept {
    return port_;
  }

private:
  static sockaddr_in address(std::uint16_t port) {
    sockaddr_in result{};
    result.sin_family = AF_INET;
    result.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    result.sin_port = htons(port);
    return result;
  }

  // What waits here does not show at its sender.
  static void keep_little(int fd) {
    int size = 128 << 10;
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
  }

  bool wait_for(int fd, short events) const {
    pollfd each{fd, events, 0};
    while (!stopping_)
      if (::poll(&each, 1, 20) > 0)
        return true;
    return false;
  }

  void accept_all() {
    while (wait_for(door_, POLLIN)) {
      auto near = ::accept4(door_, nullptr, nullptr, SOCK_CLOEXEC);
      if (near < 0)
        continue;
      auto far = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      keep_little(far);
      sockets_.insert(sockets_.end(), {near, far});
      auto at = address(target_);
      if (::connect(far, reinterpret_cast<sockaddr*>(&at), sizeof(at)) != 0) {
        ::shutdown(near, SHUT_RDWR);
        continue;
      }
      threads_.emplace_back([this, near, far] { pass_on(near, far); });
      threads_.emplace_back([this, near, far] { pass_on(far, near); });
    }
  }

  void pass_on(int from, int to) const {
    std::array<char, 32 << 10> buffer;
    using clock = std::chrono::steady_clock;
    auto free_at = clock::now();
    while (wait_for(from, POLLIN)) {
      auto n = ::recv(from, buffer.data(), buffer.size(), 0);
      if (n <= 0)
        break;
      std::this_thread::sleep_until(free_at);
      // Sleeping for too long is made up for.
      free_at = std::max(free_at, clock::now() - std::chrono::milliseconds{50})
                + std::chrono::microseconds{n * 1'000'000
                                            / static_cast<std::int64_t>(rate_)};
      for (ssize_t done = 0; done < n;) {
        if (!wait_for(to, POLLOUT))
          return;
        auto sent
          = ::send(to, buffer.data() + done, static_cast<std::size_t>(n - done),
                   MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN)
          break;
        done += std::max<ssize_t>(sent, 0);
      }
    }
    ::shutdown(from, SHUT_RDWR);
    ::shutdown(to, SHUT_RDWR);
  }

  std::uint16_t target_;
  std::size_t rate_;
  int door_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_{false};
  std::vector<int> sockets_;
  std::list<std::thread> threads_;
};

} // namespace muster
