#include "runtime/http_address.hpp"

#include "actors/inspection_messages.hpp"
#include "actors/local_node.hpp"
#include "actors/node_transport.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/io/middleman.hpp>
#include <caf/openssl/manager.hpp>
#include <caf/scoped_actor.hpp>

#include <set>
#include <string>
#include <vector>

namespace muster {

namespace {

struct client_config : caf::actor_system_config {
  explicit client_config(const tls_files& tls) {
    set_scheduler_defaults(*this);
    load<caf::io::middleman>();
    set("caf.middleman.app-identifiers", std::vector<std::string>{"muster"});
    if (tls.ca.empty())
      return;
    load<caf::openssl::manager>();
    openssl_cafile = tls.ca;
    openssl_certificate = tls.certificate;
    openssl_key = tls.key;
  }
};

expected<caf::actor> gate_at(caf::scoped_actor& self, const endpoint& node,
                             millis limit) {
  expected<caf::actor> result;
  self
    ->request(connector_of(self->system()), limit, caf::connect_atom_v,
              node.host, node.port)
    .receive(
      [&result](const caf::node_id&, const caf::strong_actor_ptr& found,
                const std::set<std::string>&) {
        result = caf::actor_cast<caf::actor>(found);
      },
      [&result](const caf::error& reason) {
        result = tl::unexpected{from_caf(reason)};
      });
  if (result && !*result)
    return fail_with(errc::unavailable, "no node is there");
  return result;
}

expected<endpoint> ask_gate(caf::scoped_actor& self, const caf::actor& gate,
                            millis limit) {
  expected<endpoint> result;
  inspection_request request;
  request.kind = inspection_kind::locate_http;
  self->request(gate, limit, request)
    .receive(
      [&result](const inspection_answer& answer) {
        result = answer.code == errc::none
                   ? parse_endpoint(answer.text)
                   : tl::unexpected{error{answer.code, answer.text}};
      },
      [&result](const caf::error& reason) {
        result = tl::unexpected{from_caf(reason)};
      });
  if (!result && result.error().code == errc::timed_out)
    return fail_with(errc::timed_out,
                     "the node does not say where its HTTP is; is it of the "
                     "same version?");
  return result;
}

} // namespace

expected<endpoint> http_address_of(const endpoint& node, const tls_files& tls,
                                   millis limit) {
  if (!tls.ca.empty())
    if (auto tried = tls_context::peer(tls); !tried)
      return fail_with(errc::invalid_argument, tried.error().message);
  client_config config{tls};
  caf::actor_system system{config};
  // CAF's connect has no time limit of its own.
  if (auto there = probe(system, node, limit); !there)
    return tl::unexpected{there.error()};
  expected<endpoint> result;
  {
    caf::scoped_actor self{system};
    auto gate = gate_at(self, node, limit);
    result = gate ? ask_gate(self, *gate, limit)
                  : expected<endpoint>{tl::unexpected{gate.error()}};
  }
  close_transport(system);
  return result;
}

} // namespace muster
