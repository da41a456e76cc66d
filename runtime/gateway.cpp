#include "runtime/gateway.hpp"

#include "runtime/http_server.hpp"
#include "runtime/routes.hpp"

#include <utility>

namespace muster {

expected<void> validate(const gateway_options& options) {
  auto invalid
    = [](const char* text) { return fail_with(errc::invalid_argument, text); };
  constexpr std::size_t kib = 1024;
  if (options.threads < 1 || options.threads > 64)
    return invalid("http-threads must be 1 to 64");
  if (options.max_connections < 1)
    return invalid("max-connections must be at least 1");
  if (options.max_header < kib || options.max_header > 1024 * kib)
    return invalid("max-header must be 1 KiB to 1 MiB");
  if (options.max_payload < 1 || options.max_payload > 1024 * 1024 * kib)
    return invalid("max-payload must be 1 byte to 1 GiB");
  if (options.max_result < 1 || options.max_result > 1024 * 1024 * kib)
    return invalid("max-result must be 1 byte to 1 GiB");
  if (options.max_bodies < options.max_batch_body
      || options.max_bodies < options.max_payload
      || options.max_bodies < options.max_result)
    return fail_with(errc::invalid_argument,
                     "max_bodies: must be at least max_payload, max_result and "
                     "max_batch_body");
  if (options.max_batch_body < 1 || options.max_batch_body > 1024 * 1024 * kib)
    return invalid("max-batch-body must be 1 byte to 1 GiB");
  if (options.certificate.empty() != options.key.empty())
    return invalid("http-certificate and http-key go together");
  if (options.handshake_timeout.count() < 1 || options.idle_timeout.count() < 1
      || options.request_timeout.count() < 1)
    return invalid("HTTP time-outs must be at least 1s");
  return {};
}

struct gateway::impl {
  std::shared_ptr<gateway_state> state;
  std::unique_ptr<http_server> server;
};

gateway::gateway(std::unique_ptr<impl> ptr) : impl_(std::move(ptr)) {
  // nop
}

gateway::~gateway() = default;

expected<std::unique_ptr<gateway>> gateway::start(gateway_options options,
                                                  gateway_backend backend) {
  if (auto valid = validate(options); !valid)
    return tl::unexpected{std::move(valid.error())};
  auto ptr = std::make_unique<impl>();
  ptr->state
    = std::make_shared<gateway_state>(std::move(options), std::move(backend));
  if (auto& opts = ptr->state->options; !opts.certificate.empty()) {
    auto context = tls_context::server(opts.certificate, opts.key);
    if (!context)
      return tl::unexpected{std::move(context.error())};
    ptr->state->tls = std::move(*context);
  }
  auto server = http_server::start(ptr->state);
  if (!server)
    return tl::unexpected{std::move(server.error())};
  ptr->server = std::move(*server);
  return std::unique_ptr<gateway>{new gateway{std::move(ptr)}};
}

std::uint16_t gateway::port() const {
  return impl_->server->port();
}

std::string gateway::address() const {
  return impl_->state->options.address;
}

const http_metrics& gateway::metrics() const {
  return impl_->state->metrics;
}

void gateway::drain() {
  impl_->state->draining = true;
  impl_->server->drain();
}

std::optional<error> gateway::fault() const {
  return impl_->server->fault();
}

std::uint64_t gateway::least_beats() const {
  return impl_->server->least_beats();
}

void gateway::stop(std::chrono::milliseconds limit) {
  impl_->state->draining = true;
  impl_->server->stop(limit);
}

} // namespace muster
