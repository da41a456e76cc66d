#include "runtime/secret_file.hpp"

#include "actors/spawn.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace muster {

namespace {

constexpr std::size_t max_size = std::size_t{1} << 20;

bool is_private(const struct stat& facts) noexcept {
  return (facts.st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

tl::unexpected<error> unreadable(const std::filesystem::path& file,
                                 int number) {
  return fail_with(
    errc::invalid_argument,
    fmt::format("cannot read '{}': {}", file.string(),
                std::error_code{number, std::system_category()}.message()));
}

} // namespace

expected<std::string> read_secret_file(const std::filesystem::path& file) {
  // A pipe without a writer must not keep us waiting.
  descriptor fd{::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  struct stat facts {};
  if (!fd.valid() || ::fstat(fd.get(), &facts) != 0)
    return unreadable(file, errno);
  if (!S_ISREG(facts.st_mode))
    return fail_with(errc::invalid_argument,
                     fmt::format("'{}' is not a file", file.string()));
  if (!is_private(facts))
    return fail_with(errc::invalid_argument,
                     fmt::format("'{0}' is open to others than its owner; say "
                                 "chmod 600 '{0}'",
                                 file.string()));
  std::string result;
  char buffer[4096];
  while (true) {
    auto got = ::read(fd.get(), buffer, sizeof(buffer));
    if (got == 0)
      return result;
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return unreadable(file, errno);
    result.append(buffer, static_cast<std::size_t>(got));
    if (result.size() > max_size)
      return fail_with(errc::invalid_argument,
                       fmt::format("'{}' is too large", file.string()));
  }
}

expected<void> create_secret_file(const std::filesystem::path& file,
                                  std::string_view text) {
  auto refuse = [&file](int number) {
    return fail_with(
      errc::io_error,
      fmt::format("cannot make '{}': {}", file.string(),
                  std::error_code{number, std::system_category()}.message()));
  };
  descriptor fd{
    ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
  if (!fd.valid())
    return refuse(errno);
  while (!text.empty()) {
    auto written = ::write(fd.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0)
      return refuse(errno);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(fd.get()) != 0)
    return refuse(errno);
  return {};
}

bool is_private_file(const std::filesystem::path& file) {
  struct stat facts {};
  return ::stat(file.c_str(), &facts) == 0 && is_private(facts);
}

} // namespace muster
