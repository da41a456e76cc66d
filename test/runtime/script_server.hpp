#pragma once

#include "actors/spawn.hpp"
#include "runtime/reply_parser.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cstdint>
#include <fcntl.h>
#include <functional>
#include <mutex>
#include <netinet/in.h>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace muster {

/// What the server does with one request.
struct scripted_reply {
  /// Sent as they are, with pauses of some milliseconds between them.
  std::vector<std::string> parts;
  bool close_after = false;
  /// Answers and closes when the head has arrived, without taking the body.
  bool ignore_body = false;
};

/// A server that answers HTTP requests with bytes from a function. Each
/// connection is served until it closes or the function says so.
class script_server {
public:
  using script = std::function<scripted_reply(const std::string& request)>;

  explicit script_server(script fn) : script_(std::move(fn)) {
    listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener_.get(), raw, size) != 0
        || ::listen(listener_.get(), 64) != 0
        || ::getsockname(listener_.get(), raw, &size) != 0
        || ::pipe2(stop_, O_CLOEXEC) != 0)
      throw std::runtime_error{"cannot listen"};
    port_ = ntohs(address.sin_port);
    thread_ = std::thread{[this] { run(); }};
  }

  ~script_server() {
    ::close(stop_[1]);
    thread_.join();
    ::close(stop_[0]);
  }

  [[nodiscard]] std::uint16_t port() const noexcept {
    return port_;
  }

  /// Every request that came, whole.
  [[nodiscard]] std::vector<std::string> requests() const {
    std::lock_guard guard{mutex_};
    return requests_;
  }

  [[nodiscard]] std::size_t connections() const {
    std::lock_guard guard{mutex_};
    return connections_;
  }

private:
  struct client {
    descriptor fd;
    std::string input;
  };

  void run() {
    std::vector<client> clients;
    while (true) {
      std::vector<pollfd> items{{stop_[0], POLLIN, 0},
                                {listener_.get(), POLLIN, 0}};
      for (auto& item : clients)
        items.push_back({item.fd.get(), POLLIN, 0});
      ::poll(items.data(), items.size(), -1);
      if (items[0].revents != 0)
        return;
      for (std::size_t i = clients.size(); i-- > 0;)
        if (items[i + 2].revents != 0 && !serve(clients[i]))
          clients.erase(clients.begin() + static_cast<std::ptrdiff_t>(i));
      if (items[1].revents != 0) {
        client fresh;
        fresh.fd.reset(
          ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        clients.push_back(std::move(fresh));
        std::lock_guard guard{mutex_};
        ++connections_;
      }
    }
  }

  // False when the connection is over.
  bool serve(client& from) {
    std::array<char, 65'536> bytes;
    auto n = ::read(from.fd.get(), bytes.data(), bytes.size());
    if (n <= 0)
      return false;
    from.input.append(bytes.data(), static_cast<std::size_t>(n));
    while (true) {
      auto end = from.input.find("\r\n\r\n");
      if (end == std::string::npos)
        return true;
      auto size = end + 4 + body_size(from.input.substr(0, end + 4));
      auto request = from.input.substr(0, size);
      auto reply = script_(request);
      if (from.input.size() < size && !reply.ignore_body)
        return true;
      from.input.erase(0, size);
      {
        std::lock_guard guard{mutex_};
        requests_.push_back(request);
      }
      for (auto& part : reply.parts) {
        if (&part != &reply.parts.front())
          std::this_thread::sleep_for(std::chrono::milliseconds{5});
        if (::send(from.fd.get(), part.data(), part.size(), MSG_NOSIGNAL) < 0)
          return false;
      }
      if (reply.close_after)
        return false;
    }
  }

  static std::size_t body_size(std::string_view head) {
    for (auto& [name, value] : parse_headers(head))
      if (same_token(name, "content-length"))
        return std::stoul(value);
    return 0;
  }

  script script_;
  descriptor listener_;
  int stop_[2] = {-1, -1};
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::size_t connections_ = 0;
  std::thread thread_;
};

} // namespace muster
