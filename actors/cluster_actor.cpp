#include "actors/cluster_actor.hpp"

#include "actors/node_transport.hpp"

#include <algorithm>
#include <utility>

namespace muster {

namespace {

/// Between two looks at what is due.
constexpr millis min_pause{50};
constexpr millis max_pause{2'000};
constexpr std::chrono::minutes complaint_interval{1};
constexpr std::size_t max_complaints = 100;

/// Tries an address on a thread of its own, once.
class prober_state {
public:
  static constexpr const char* name = "muster.prober";

  explicit prober_state(caf::event_based_actor* self) : self_(self) {
    // nop
  }

  caf::behavior make_behavior() {
    return {[this](const probe_node& msg) -> caf::result<void> {
      self_->quit();
      auto answer = probe(self_->system(), {msg.host, msg.port}, msg.limit);
      if (!answer)
        return to_caf(answer.error());
      return {};
    }};
  }

private:
  caf::event_based_actor* self_;
};

address_book::options book_options(const cluster_options& from) {
  address_book::options result;
  result.self = from.identity.node.roles;
  result.given = from.join;
  result.remembered = from.remembered;
  return result;
}

} // namespace

cluster_state::cluster_state(caf::event_based_actor* self,
                             cluster_options options)
  : self_(self),
    options_(std::move(options)),
    census_(actor_census::of(self->system())),
    book_(book_options(options_), self->clock().now()),
    remembered_(book_.nodes()),
    random_(std::random_device{}()) {
  for (auto& at : options_.identity.node.addresses)
    book_.on_self(at);
}

cluster_state::~cluster_state() {
  options_.board->set_link(nullptr);
  options_.board->set_manager(nullptr);
}

caf::behavior cluster_state::make_behavior() {
  ignore_strangers(self_);
  muster::on_down(self_, [this](const caf::actor_addr& who, const caf::error&) {
    on_down(who);
  });
  return {
    [this](start_child) {
      options_.board->set_link(self_);
      publish();
      on_tick();
    },
    [this](std::string& tag, std::uint32_t version, std::string& fingerprint,
           std::string& body, caf::strong_actor_ptr& gate,
           caf::strong_actor_ptr& manager) -> caf::result<caf::message> {
      return on_hello({std::move(tag), version, std::move(fingerprint),
                       std::move(body), std::move(gate), std::move(manager)});
    },
    [this](leave_cluster msg) { return leave(msg.limit); },
    [this](clock_tick msg) {
      if (msg.number == last_tick_)
        on_tick();
    },
  };
}

// -- looking for others -------------------------------------------------------

void cluster_state::seek(const endpoint& at) {
  auto prober = spawn_detached<prober_state>(self_->system());
  ask(
    self_, prober, 2 * options_.connect_limit + options_.answer_limit,
    probe_node{at.host, at.port, options_.connect_limit},
    [this, at] { on_probed(at); },
    [this, at](const caf::error& err) { on_failed(at, from_caf(err)); });
}

void cluster_state::on_probed(const endpoint& at) {
  connect_through(
    self_, connector_of(self_->system()), at.host, at.port,
    options_.answer_limit,
    [this, at](const caf::actor& gate) {
      if (gate)
        greet(at, gate);
      else
        on_failed(at, {errc::unavailable, "nobody is published there"});
    },
    [this, at](const caf::error& err) {
      on_failed(at, {errc::io_error, to_string(err)});
    });
}

void cluster_state::greet(const endpoint& at, const caf::actor& gate) {
  ask(
    self_, gate, options_.answer_limit, hello_for({}),
    [this, at](std::string& tag, std::uint32_t version,
               std::string& fingerprint, std::string& body,
               caf::strong_actor_ptr& other, caf::strong_actor_ptr& manager) {
      on_greeted(at, {std::move(tag), version, std::move(fingerprint),
                      std::move(body), std::move(other), std::move(manager)});
    },
    [this, at](const caf::error& err) { on_failed(at, from_caf(err)); });
}

void cluster_state::on_greeted(const endpoint& at, const hello_parts& answer) {
  auto received = decode_hello(answer);
  if (!received)
    return on_failed(at, received.error());
  auto& other = received->hello.identity;
  if (other.incarnation == options_.identity.incarnation)
    return book_.on_self(at);
  auto who = other.node.name;
  if (leaving_ || received->hello.leaving)
    return book_.on_failed(at, now(), chance());
  if (auto reason = admit(*received))
    return on_failed(at, {errc::refused, *reason});
  book_.on_connected(at, who);
  publish();
}

void cluster_state::on_failed(const endpoint& at, const error& reason) {
  complain("cannot join " + to_string(at) + ": " + reason.message);
  book_.on_failed(at, now(), chance());
  schedule_tick();
}

// -- time ---------------------------------------------------------------------

void cluster_state::on_tick() {
  tick_at_ = time_point::max();
  if (leaving_)
    return;
  for (auto& at : book_.take_due(now()))
    seek(at);
  for (auto& [who, p] : peers_)
    if (now() >= p.next_hello)
      say_hello(who, p);
  remember_if_changed();
  schedule_tick();
}

void cluster_state::schedule_tick() {
  auto next = book_.next_due().value_or(time_point::max());
  for (auto& item : peers_)
    if (!item.second.asked)
      next = std::min(next, item.second.next_hello);
  next = std::clamp(next, now() + min_pause, now() + max_pause);
  // One that comes too early does no harm; one that is replaced comes all the
  // same, and wakes the node for nothing.
  if (tick_at_ <= next)
    return;
  tick_at_ = next;
  tell_self_later(self_, std::chrono::ceil<millis>(next - now()),
                  clock_tick{++last_tick_});
}

void cluster_state::remember_if_changed() {
  auto nodes = book_.nodes();
  if (nodes == remembered_)
    return;
  remembered_ = std::move(nodes);
  if (options_.remember)
    options_.remember(remembered_);
}

void cluster_state::complain(const std::string& text) {
  auto time = now();
  std::erase_if(complaints_, [time](auto& item) {
    return time - item.second >= complaint_interval;
  });
  if (complaints_.size() >= max_complaints
      || !complaints_.try_emplace(text, time).second)
    return;
  log(node_event::severity::warning, text);
}

void cluster_state::log(node_event::severity level, std::string text) const {
  if (options_.log)
    options_.log({level, "cluster", std::move(text)});
}

cluster_state::time_point cluster_state::now() const {
  return self_->clock().now();
}

double cluster_state::chance() {
  return std::uniform_real_distribution<double>{0, 1}(random_);
}

} // namespace muster
