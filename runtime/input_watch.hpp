#pragma once

#include <functional>
#include <memory>

namespace muster {

/// Sees the end of the standard input: the parent, who alone holds the other
/// end of that pipe, is gone. From then on the process has ten seconds to end,
/// after which SIGALRM ends it; while it starts it ends at once.
class input_watch {
public:
  /// Starts a thread that reads the standard input and drops what it reads.
  /// `at_end` is called on it where the process ends at once; may be empty.
  explicit input_watch(std::function<void()> at_end = {});

  /// The process has something to end in order.
  void serving() noexcept;

  [[nodiscard]] bool ended() const noexcept;

private:
  struct shared_state;
  std::shared_ptr<shared_state> state_;
};

} // namespace muster
