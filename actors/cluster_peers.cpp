#include "actors/cluster_actor.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <utility>

// The nodes that this one is connected to: hellos, and what they tell.

namespace muster {

namespace {

/// A manager that is not there is asked for again so soon, and so is a node
/// that does not answer.
constexpr millis impatience{100};

/// A node that leaves so many hellos in a row unanswered is lost.
constexpr std::uint32_t max_unanswered = 3;

timestamp wall_clock() {
  return std::chrono::floor<millis>(std::chrono::system_clock::now());
}

double load_average() {
  double result = 0;
  return ::getloadavg(&result, 1) == 1 ? result : 0;
}

} // namespace

// -- peers --------------------------------------------------------------------

caf::message cluster_state::on_hello(const hello_parts& parts) {
  auto received = decode_hello(parts);
  if (!received) {
    complain("a node is refused: " + received.error().message);
    return encode_refusal(received.error().code == errc::version_mismatch
                            ? "version mismatch: this node has wire version "
                                + std::to_string(wire_version)
                                + " and message types " + message_fingerprint()
                            : received.error().message);
  }
  auto who = received->hello.identity.node.name;
  // It is told who it met, and finds out.
  if (received->hello.identity.incarnation == options_.identity.incarnation)
    return hello_for(who);
  if (received->hello.leaving)
    depart(received->hello.identity);
  if (leaving_ || received->hello.leaving)
    return hello_for(who);
  if (auto reason = admit(*received)) {
    complain("node " + who + " is refused: " + *reason);
    return encode_refusal(*reason);
  }
  // The answer tells what our own hello would.
  if (auto& p = peers_[who];
      p.facts.manager || !p.facts.hello.identity.node.roles.manager)
    p.next_hello = next_hello();
  publish();
  return hello_for(who);
}

std::optional<std::string> cluster_state::admit(received_hello& from) {
  auto& other = from.hello.identity;
  if (auto reason = reason_to_refuse(options_.identity, other))
    return reason;
  auto& who = other.node.name;
  auto pos = peers_.find(who);
  if (pos != peers_.end()
      && pos->second.facts.hello.identity.incarnation != other.incarnation) {
    if (pos->second.facts.hello.identity.started > other.started)
      return "a node with the name " + who + " that started later is connected";
    lose(who, "it started again");
    pos = peers_.end();
  }
  auto& past = histories_[who];
  past.restarts
    += !past.incarnation.empty() && past.incarnation != other.incarnation;
  past.incarnation = other.incarnation;
  past.started = other.started;
  past.last_heard = wall_clock();
  past.load = from.hello.load;
  past.http = from.hello.http;
  if (pos == peers_.end()) {
    past.since = past.last_heard;
    pos = peers_.try_emplace(who).first;
    pos->second.since = past.last_heard;
    pos->second.next_hello = next_hello();
    watch(self_, from.gate);
    log(node_event::severity::info, "node " + who + " is connected");
  }
  auto& p = pos->second;
  if (p.facts.gate && p.facts.gate != from.gate)
    watch(self_, from.gate);
  if (from.manager && p.facts.manager != from.manager)
    watch(self_, from.manager);
  p.last_heard = past.last_heard;
  p.unanswered = 0;
  p.facts = std::move(from);
  // `who` has gone with it.
  auto& facts = p.facts.hello.identity.node;
  census_->name_node(p.facts.gate.node(), facts.name);
  book_.join(facts, now());
  for (auto& told : p.facts.hello.others)
    if (told.name != options_.identity.node.name)
      book_.learn(told, now());
  choose_manager();
  remember_if_changed();
  schedule_tick();
  return std::nullopt;
}

void cluster_state::say_hello(const std::string& who, peer& p) {
  if (std::exchange(p.asked, true))
    return;
  auto done = [this, who](bool again_soon) {
    auto pos = peers_.find(who);
    if (pos == peers_.end())
      return;
    pos->second.asked = false;
    pos->second.next_hello = again_soon ? now() + impatience : next_hello();
    schedule_tick();
  };
  ask(
    self_, p.facts.gate, options_.answer_limit, hello_for(who),
    [this, who, done](std::string& tag, std::uint32_t version,
                      std::string& fingerprint, std::string& body,
                      caf::strong_actor_ptr& gate,
                      caf::strong_actor_ptr& manager) {
      auto received
        = decode_hello({std::move(tag), version, std::move(fingerprint),
                        std::move(body), std::move(gate), std::move(manager)});
      auto waits = false;
      if (received && received->hello.identity.node.name == who) {
        waits
          = received->hello.identity.node.roles.manager && !received->manager;
        if (received->hello.leaving)
          depart(received->hello.identity);
        else if (auto reason = admit(*received))
          complain("node " + who + ": " + *reason);
      } else if (!received && received.error().code == errc::refused) {
        complain("node " + who + " refuses: " + received.error().message);
      }
      done(waits);
      publish();
    },
    [this, who, done, gate = p.facts.gate](const caf::error&) {
      // Its connection may live, and its process hang.
      if (auto pos = peers_.find(who);
          pos != peers_.end() && pos->second.facts.gate == gate
          && ++pos->second.unanswered >= max_unanswered)
        return lose(who, "it does not answer");
      done(true);
    });
}

void cluster_state::on_down(const caf::actor_addr& address) {
  for (auto& [who, p] : peers_) {
    if (p.facts.gate.address() == address)
      return lose(std::string{who}, "the connection is gone");
    if (p.facts.manager && p.facts.manager.address() == address) {
      p.facts.manager = nullptr;
      p.next_hello = now();
      choose_manager();
      return schedule_tick();
    }
  }
}

void cluster_state::lose(const std::string& who, const std::string& why) {
  if (!peers_.contains(who))
    return;
  drop(who);
  histories_[who].since = wall_clock();
  log(node_event::severity::warning, "node " + who + " is lost: " + why);
  book_.part(who, now(), chance());
  publish();
  schedule_tick();
}

void cluster_state::depart(const node_identity& other) {
  auto& who = other.node.name;
  auto pos = peers_.find(who);
  // An earlier process of this name may be late.
  if (pos == peers_.end()
      || pos->second.facts.hello.identity.incarnation != other.incarnation)
    return;
  drop(who);
  histories_[who].since = wall_clock();
  log(node_event::severity::info, "node " + who + " has left");
  book_.leave(who, now(), chance());
  publish();
  schedule_tick();
}

void cluster_state::drop(const std::string& who) {
  auto pos = peers_.find(who);
  unwatch(self_, pos->second.facts.gate);
  census_->name_node(pos->second.facts.gate.node(), {});
  if (pos->second.facts.manager)
    unwatch(self_, pos->second.facts.manager);
  peers_.erase(pos);
  choose_manager();
}

caf::result<void> cluster_state::leave(millis limit) {
  leaving_ = true;
  if (peers_.empty())
    return caf::unit;
  auto promise = self_->make_response_promise<void>();
  auto left = std::make_shared<std::size_t>(peers_.size());
  auto done = [promise, left]() mutable {
    if (--*left == 0)
      promise.deliver();
  };
  for (auto& [who, p] : peers_)
    ask(
      self_, p.facts.gate, limit, hello_for(who),
      [done](const std::string&, std::uint32_t, const std::string&,
             const std::string&, const caf::strong_actor_ptr&,
             const caf::strong_actor_ptr&) mutable { done(); },
      [done](const caf::error&) mutable { done(); });
  return promise;
}

// It stays with the one that it has.
void cluster_state::choose_manager() {
  auto current = peers_.find(manager_);
  if (current == peers_.end() || !current->second.facts.manager) {
    manager_.clear();
    for (auto& [who, p] : peers_) {
      if (p.facts.manager) {
        manager_ = who;
        break;
      }
    }
    current = peers_.find(manager_);
  }
  options_.board->set_manager(
    current != peers_.end() ? current->second.facts.manager : nullptr);
}

// Not the same for both sides of a connection, so that one of them comes first
// and spares the other the trouble.
cluster_state::time_point cluster_state::next_hello() {
  auto spread = options_.hello_interval / 2;
  return now() + options_.hello_interval
         + std::chrono::floor<millis>(chance() * spread);
}

caf::message cluster_state::hello_for(const std::string& who) const {
  node_hello hello;
  hello.identity = options_.identity;
  hello.load = load_average();
  hello.http = options_.board->http();
  hello.leaving = leaving_;
  for (auto& known : book_.nodes()) {
    if (known.name != who && hello.others.size() < limits::told_nodes)
      hello.others.push_back(known);
  }
  return encode_hello(hello, options_.gate, options_.own_manager());
}

void cluster_state::publish() {
  std::vector<node_info> infos;
  node_info self;
  self.node = options_.identity.node;
  self.incarnation = options_.identity.incarnation;
  self.state = "self";
  self.since = self.started = options_.identity.started;
  self.last_heard = wall_clock();
  self.load = load_average();
  self.http = options_.board->http();
  infos.push_back(std::move(self));
  auto known_nodes = book_.nodes();
  for (auto& known : known_nodes) {
    auto& past = histories_[known.name];
    node_info info;
    info.state = peers_.contains(known.name) ? "connected"
                 : past.incarnation.empty()  ? "known"
                                             : "lost";
    info.node = known;
    info.incarnation = past.incarnation;
    info.since = past.since;
    info.started = past.started;
    info.last_heard = past.last_heard;
    info.load = past.load;
    info.restarts = past.restarts;
    info.http = past.http;
    if (auto pos = peers_.find(known.name); pos != peers_.end())
      info.gate = pos->second.facts.gate;
    infos.push_back(std::move(info));
  }
  if (histories_.size() > known_nodes.size())
    std::erase_if(histories_, [&known_nodes](auto& item) {
      return std::none_of(known_nodes.begin(), known_nodes.end(),
                          [&item](auto& n) { return n.name == item.first; });
    });
  options_.board->publish(std::move(infos));
}

} // namespace muster
