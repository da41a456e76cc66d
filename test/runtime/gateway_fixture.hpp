#pragma once

#include "persistence/journal.hpp"
#include "runtime/gateway.hpp"
#include "runtime/http_client.hpp"
#include "test/support/temp_dir.hpp"

#include <nlohmann/json.hpp>

#include <memory>
#include <string>
#include <string_view>

namespace muster {

/// A gateway on a real journal, without workers.
class gateway_fixture {
public:
  explicit gateway_fixture(gateway_options options = {});
  ~gateway_fixture();

  /// A client of its own each time.
  [[nodiscard]] http_client client() const;

  http_reply send(std::string_view method, std::string_view target,
                  std::string_view body = {}, const http_headers& headers = {});

  /// The body of an answer that must have this status.
  nlohmann::json json(int status, std::string_view method,
                      std::string_view target, std::string_view body = {},
                      const http_headers& headers = {});

  /// Enqueues and returns the id.
  std::string enqueue(std::string_view queue, std::string_view payload,
                      std::string_view query = {});

  /// Leases one job and returns its token.
  std::string lease(std::string_view queue, std::string_view query = {});

  [[nodiscard]] std::string state_of(const std::string& id);

  temp_dir dir;
  std::shared_ptr<journal_port> port = std::make_shared<journal_port>();
  std::shared_ptr<journal> log;
  bool serving = true;
  std::unique_ptr<gateway> server;
  std::unique_ptr<http_client> http;
};

/// A connection whose bytes a test writes and reads itself.
class raw_connection {
public:
  explicit raw_connection(std::uint16_t port);
  ~raw_connection();
  raw_connection(const raw_connection&) = delete;
  raw_connection& operator=(const raw_connection&) = delete;

  void write(std::string_view bytes);
  void shut_down_writing();
  /// Reads until `text` has come `times` times, or the other side has closed,
  /// or a limit has passed.
  std::string read_until(std::string_view text, int times = 1);
  /// Everything until the other side closes.
  std::string read_all();

private:
  bool read_some(std::string& into);

  int fd_ = -1;
};

} // namespace muster
