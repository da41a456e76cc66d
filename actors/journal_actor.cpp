#include "actors/journal_actor.hpp"

#include <utility>

namespace muster {

journal_state::journal_state(caf::event_based_actor* self,
                             journal_actor_options options)
  : self_(self), options_(std::move(options)) {
  // nop
}

journal_state::~journal_state() {
  close();
}

caf::behavior journal_state::make_behavior() {
  ignore_strangers(self_);
  return {
    [this](start_child) { return open(); },
    [this](const journal_failed& msg) {
      self_->quit(to_caf(error{msg.code, msg.message}));
    },
  };
}

caf::result<void> journal_state::open() {
  auto options = options_.journal;
  // The journal must not keep the actor that holds it.
  options.on_failure = [self = caf::weak_actor_ptr{self_->ctrl()},
                        next = options_.journal.on_failure](const error& err) {
    if (auto strong = self.lock())
      tell_anonymously(caf::actor_cast<caf::actor>(strong),
                       journal_failed{err.code, err.message});
    if (next)
      next(err);
  };
  auto opened = journal::open(std::move(options));
  if (!opened) {
    auto reason = to_caf(opened.error());
    self_->quit(reason);
    return reason;
  }
  journal_ = std::move(*opened);
  options_.port->attach(journal_);
  return {};
}

void journal_state::close() {
  if (!journal_)
    return;
  // The journal's last callbacks may still look for it behind the port.
  options_.port->detach();
  journal_->close();
  journal_ = nullptr;
}

} // namespace muster
