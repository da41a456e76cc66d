#include "runtime/service_manager.hpp"

#include "actors/spawn.hpp"

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>
#include <system_error>

namespace muster {

namespace {

constexpr auto variable = "NOTIFY_SOCKET";

error last_error(const char* what) {
  return {errc::io_error,
          std::string{what} + ": " + std::system_category().message(errno)};
}

} // namespace

service_manager::service_manager() {
  if (auto* name = std::getenv(variable); name != nullptr && *name != '\0')
    socket_ = name;
  ::unsetenv(variable);
}

expected<void> service_manager::tell(std::string_view state) const {
  if (!socket_)
    return {};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  auto& name = *socket_;
  if ((name[0] != '/' && name[0] != '@') || name.size() < 2
      || name.size() >= sizeof(address.sun_path))
    return fail_with(errc::invalid_argument,
                     "NOTIFY_SOCKET names no socket: " + name);
  std::memcpy(address.sun_path, name.data(), name.size());
  if (name[0] == '@')
    address.sun_path[0] = '\0';
  auto size
    = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  descriptor socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  if (!socket.valid())
    return tl::unexpected{last_error("no socket for the service manager")};
  auto n = ::sendto(socket.get(), state.data(), state.size(),
                    MSG_NOSIGNAL | MSG_DONTWAIT,
                    reinterpret_cast<const sockaddr*>(&address), size);
  if (n < 0)
    return tl::unexpected{last_error("the service manager cannot be told")};
  return {};
}

} // namespace muster
