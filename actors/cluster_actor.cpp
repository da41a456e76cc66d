#include "actors/cluster_actor.hpp"

#include "actors/node_transport.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace muster {

namespace {

/// Between two looks at what is due.
constexpr millis min_pause{50};
constexpr millis max_pause{2'000};
/// A manager that is not there is asked for again so soon.
constexpr millis impatience{100};
constexpr millis answer_limit{5'000};
constexpr std::chrono::minutes complaint_interval{1};
constexpr std::size_t max_complaints = 100;

timestamp wall_clock() {
  return std::chrono::floor<millis>(std::chrono::system_clock::now());
}

double load_average() {
  double result = 0;
  return ::getloadavg(&result, 1) == 1 ? result : 0;
}

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

/// Hands hellos on.
class gate_state {
public:
  static constexpr const char* name = "muster.gate";

  gate_state(caf::event_based_actor* self, std::shared_ptr<cluster_board> board)
    : self_(self), board_(std::move(board)) {
    // nop
  }

  caf::behavior make_behavior() {
    ignore_strangers(self_);
    return {
      [this](std::string& tag, std::uint32_t version, std::string& fingerprint,
             std::string& body, caf::strong_actor_ptr& gate,
             caf::strong_actor_ptr& manager) -> caf::result<caf::message> {
        auto link = board_->link();
        if (!link)
          return encode_refusal("the node is starting");
        return self_->delegate(link, std::move(tag), version,
                               std::move(fingerprint), std::move(body),
                               std::move(gate), std::move(manager));
      }};
  }

private:
  caf::event_based_actor* self_;
  std::shared_ptr<cluster_board> board_;
};

address_book::options book_options(const cluster_options& from) {
  address_book::options result;
  result.self = from.identity.node.roles;
  result.given = from.join;
  result.remembered = from.remembered;
  return result;
}

} // namespace

caf::actor spawn_gate(caf::actor_system& system,
                      std::shared_ptr<cluster_board> board) {
  return spawn_actor<gate_state>(system, std::move(board));
}

cluster_state::cluster_state(caf::event_based_actor* self,
                             cluster_options options)
  : self_(self),
    options_(std::move(options)),
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
    self_, prober, 2 * options_.connect_limit + answer_limit,
    probe_node{at.host, at.port, options_.connect_limit},
    [this, at] { on_probed(at); },
    [this, at](const caf::error& err) { on_failed(at, from_caf(err)); });
}

void cluster_state::on_probed(const endpoint& at) {
  connect_through(
    self_, connector_of(self_->system()), at.host, at.port, answer_limit,
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
    self_, gate, answer_limit, hello_for({}),
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
  p.facts = std::move(from);
  book_.join(p.facts.hello.identity.node, now());
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
    self_, p.facts.gate, answer_limit, hello_for(who),
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
        if (auto reason = admit(*received))
          complain("node " + who + ": " + *reason);
      } else if (!received && received.error().code == errc::refused) {
        complain("node " + who + " refuses: " + received.error().message);
      }
      done(waits);
      publish();
    },
    [done](const caf::error&) { done(false); });
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
  auto pos = peers_.find(who);
  if (pos == peers_.end())
    return;
  unwatch(self_, pos->second.facts.gate);
  if (pos->second.facts.manager)
    unwatch(self_, pos->second.facts.manager);
  peers_.erase(pos);
  histories_[who].since = wall_clock();
  log(node_event::severity::warning, "node " + who + " is lost: " + why);
  book_.part(who, now(), chance());
  choose_manager();
  publish();
  schedule_tick();
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

// -- time ---------------------------------------------------------------------

void cluster_state::on_tick() {
  tick_at_ = time_point::max();
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
    infos.push_back(std::move(info));
  }
  if (histories_.size() > known_nodes.size())
    std::erase_if(histories_, [&known_nodes](auto& item) {
      return std::none_of(known_nodes.begin(), known_nodes.end(),
                          [&item](auto& n) { return n.name == item.first; });
    });
  options_.board->publish(std::move(infos));
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
