#pragma once

#include "actors/caf_helpers.hpp"
#include "actors/child_specification.hpp"
#include "actors/inspection.hpp"
#include "actors/inspection_messages.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

namespace muster {

/// The inspector as a child of a node's supervisor.
[[nodiscard]] child_specification
inspector_child(std::shared_ptr<node_inspection> inspection);

/// Asks actors and other nodes for those who cannot, and answers other nodes.
/// Every request has a time limit; none waits for another.
class inspector_state {
public:
  static constexpr const char* name = "muster.inspector";

  /// Requests that wait for something to happen, at once.
  static constexpr std::size_t max_waiting = 256;

  inspector_state(caf::event_based_actor* self,
                  std::shared_ptr<node_inspection> inspection);
  ~inspector_state();
  inspector_state(const inspector_state&) = delete;
  inspector_state& operator=(const inspector_state&) = delete;

  caf::behavior make_behavior();
  void describe(state_report& out) const;

private:
  using callback = std::function<void(inspection_answer)>;
  using time_point = std::chrono::steady_clock::time_point;

  /// Waits for news, or for its window of time to be over.
  struct waiting_request {
    inspection_request request;
    time_point until;
    /// The figures at the window's start.
    std::vector<actor_row> before;
    callback done;
  };

  void forward(const inspection_call& call);
  void serve(const inspection_request& request, millis limit, callback done);
  void wait(const inspection_request& request, callback done);
  void on_tick();

  void tell_state_of(const std::string& who, millis limit, callback done);
  void control(const inspection_request& request, millis limit, callback done);
  void restart(const caf::actor& supervisor, const std::string& id,
               millis limit, const callback& done);
  [[nodiscard]] caf::actor find(const std::string& who) const;

  caf::event_based_actor* self_;
  std::shared_ptr<node_inspection> inspection_;
  std::list<waiting_request> waiting_;
  bool ticking_ = false;
};

} // namespace muster
