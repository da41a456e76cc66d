#include "actors/cluster_actor.hpp"
#include "actors/inspection_messages.hpp"

#include <utility>

namespace muster {

namespace {

/// Hands hellos on, and what other nodes ask.
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
      },
      [this](const inspection_request& msg) -> caf::result<caf::message> {
        auto inspector = board_->inspector();
        if (!inspector)
          return caf::make_message(
            refuse(errc::unavailable, "the node is starting"));
        return self_->delegate(inspector, msg);
      },
    };
  }

private:
  caf::event_based_actor* self_;
  std::shared_ptr<cluster_board> board_;
};

} // namespace

caf::actor spawn_gate(caf::actor_system& system,
                      std::shared_ptr<cluster_board> board) {
  return spawn_actor<gate_state>(system, std::move(board));
}

} // namespace muster
