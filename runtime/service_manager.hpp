#pragma once

#include "persistence/expected.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace muster {

/// The service manager that has started this process, such as systemd with
/// `Type=notify`: hears how it stands with it by datagrams to the socket that
/// `NOTIFY_SOCKET` names, a path or, after `@`, an abstract name. Not
/// thread-safe.
class service_manager {
public:
  /// Takes the name out of the environment, so that children do not speak for
  /// us. To be called before other threads start.
  service_manager();

  /// Says a line such as `READY=1`. Does nothing if there is nobody to hear it.
  /// Errors: `io_error`, `invalid_argument` for a name that is no socket's.
  expected<void> tell(std::string_view state) const;

private:
  std::optional<std::string> socket_;
};

} // namespace muster
