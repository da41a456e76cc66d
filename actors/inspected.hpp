#pragma once

#include "actors/actor_census.hpp"
#include "actors/state_report.hpp"

#include <caf/behavior.hpp>
#include <caf/execution_unit.hpp>
#include <caf/mailbox_element.hpp>
#include <caf/resumable.hpp>
#include <caf/scheduled_actor.hpp>
#include <caf/stateful_actor.hpp>

#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

namespace muster {

/// Has one actor counted. Private to `inspected`.
class actor_probe {
public:
  using resume_one = caf::resumable::resume_result (*)(caf::scheduled_actor&,
                                                       caf::execution_unit*);

  ~actor_probe();

  /// Before the actor is known to anybody.
  void attach(caf::scheduled_actor& self);

  void on_enqueue() noexcept {
    if (!record_)
      return;
    if (current_record != nullptr)
      current_record->count_sent();
    record_->on_enqueue();
  }

  /// Has the actor handle up to `max` messages, one after the other.
  caf::resumable::resume_result run(caf::scheduled_actor& self,
                                    caf::execution_unit* context,
                                    std::size_t max, resume_one handle_one);

private:
  caf::resumable::resume_result run_traced(caf::scheduled_actor& self,
                                           caf::execution_unit* context,
                                           resume_one handle_one);
  void leave();

  std::shared_ptr<actor_census> census_;
  std::shared_ptr<actor_record> record_;
};

/// A CAF actor that takes part in inspection: it is listed, its messages are
/// counted and can be traced. Makes a base class for actors of one's own,
///
///     class my_actor : public muster::inspected<caf::event_based_actor> {…};
///     system.spawn<my_actor>(…);
///
/// Actors of `spawn_actor` have it already. CAF's own metrics by actor
/// (`caf.metrics-filters.actors`) leave such actors out.
template <class Base>
class inspected : public Base {
public:
  using Base::enqueue;

  /// For CAF's `spawn`, which hands over the rest to `Base`.
  template <class... Args>
  explicit inspected(caf::actor_config& config, Args&&... args)
    : Base(config, std::forward<Args>(args)...) {
    // nop
  }

  /// CAF's; lists the actor.
  void launch(caf::execution_unit* context, bool lazy, bool hide) override {
    probe_.attach(*this);
    Base::launch(context, lazy, hide);
  }

  /// CAF's; counts what waits.
  bool enqueue(caf::mailbox_element_ptr what,
               caf::execution_unit* context) override {
    probe_.on_enqueue();
    return Base::enqueue(std::move(what), context);
  }

  /// CAF's; counts what is handled.
  caf::resumable::resume_result resume(caf::execution_unit* context,
                                       std::size_t max) override {
    return probe_.run(*this, context, max,
                      [](caf::scheduled_actor& self, caf::execution_unit* ctx) {
                        return static_cast<inspected&>(self).Base::resume(ctx,
                                                                          1);
                      });
  }

private:
  actor_probe probe_;
};

/// Actors that tell of their state have `void describe(state_report&) const`.
template <class State>
concept describes_state = requires(const State& state, state_report& out) {
  state.describe(out);
};

/// Has an actor answer `tell_state`, too.
[[nodiscard]] caf::behavior
with_state_report(const caf::behavior& own,
                  std::function<void(state_report&)> report);

/// What `spawn_actor` makes of a class.
template <class State>
class inspected_actor : public inspected<caf::stateful_actor<State>> {
public:
  using super = inspected<caf::stateful_actor<State>>;
  using super::super;

  caf::behavior make_behavior() override {
    return with_state_report(super::make_behavior(), [this](state_report& out) {
      if constexpr (describes_state<State>)
        this->state.describe(out);
    });
  }
};

} // namespace muster
