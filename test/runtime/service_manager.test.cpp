#include "runtime/service_manager.hpp"

#include "actors/spawn.hpp"
#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

using namespace muster;

namespace {

// What a service manager has: a socket of a name as `NOTIFY_SOCKET` has it.
struct listener {
  explicit listener(const std::string& name)
    : socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)} {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@')
      address.sun_path[0] = '\0';
    auto size
      = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size)
            == 0);
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
  }

  std::string heard() const {
    std::array<char, 256> bytes;
    auto n = ::recv(socket.get(), bytes.data(), bytes.size(), 0);
    return n > 0 ? std::string(bytes.data(), static_cast<std::size_t>(n))
                 : std::string{};
  }

  descriptor socket;
};

} // namespace

TEST_CASE("the service manager hears by a socket in the file system") {
  temp_dir dir;
  listener there{(dir.path() / "notify").string()};
  service_manager manager;
  CHECK(manager.tell("READY=1"));
  CHECK(there.heard() == "READY=1");
  CHECK(manager.tell("STOPPING=1"));
  CHECK(there.heard() == "STOPPING=1");
}

TEST_CASE("the service manager hears by an abstract socket") {
  listener there{"@muster-test-" + std::to_string(::getpid())};
  service_manager manager;
  CHECK(manager.tell("READY=1"));
  CHECK(there.heard() == "READY=1");
}

TEST_CASE("children do not learn of the service manager") {
  temp_dir dir;
  listener there{(dir.path() / "notify").string()};
  service_manager manager;
  CHECK(std::getenv("NOTIFY_SOCKET") == nullptr);
}

TEST_CASE("without a service manager nothing is said") {
  ::unsetenv("NOTIFY_SOCKET");
  service_manager manager;
  CHECK(manager.tell("READY=1"));
}

TEST_CASE("a service manager that cannot be reached is an error, not the end") {
  ::setenv("NOTIFY_SOCKET", "/nowhere/notify", 1);
  CHECK(service_manager{}.tell("READY=1").error().code == errc::io_error);
  ::setenv("NOTIFY_SOCKET", "not-a-socket", 1);
  CHECK(service_manager{}.tell("READY=1").error().code
        == errc::invalid_argument);
}
