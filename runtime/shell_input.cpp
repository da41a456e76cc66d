#include "runtime/shell_input.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <poll.h>
#include <unistd.h>
#include <utility>

namespace muster {

namespace {

constexpr std::size_t longest_line = std::size_t{20} << 20;

class plain_input : public shell_input {
public:
  plain_input(int fd, shell_signals* signals, shell_console* prompts)
    : fd_(fd), signals_(signals), prompts_(prompts) {
    // nop
  }

  shell_line next(const std::string& prompt) override {
    if (prompts_ != nullptr)
      prompts_->print(prompt);
    while (true) {
      if (auto end = buffer_.find('\n'); end != std::string::npos) {
        shell_line result{shell_line::kind::line, buffer_.substr(0, end)};
        buffer_.erase(0, end + 1);
        return result;
      }
      if (ended_ || buffer_.size() > longest_line)
        return last_line();
      if (auto number = wait_for_input(); number != 0) {
        if (prompts_ != nullptr)
          prompts_->print("\n");
        return {number == SIGINT ? shell_line::kind::interrupted
                                 : shell_line::kind::end,
                {}};
      }
      read_some();
    }
  }

private:
  shell_line last_line() {
    auto text = std::exchange(buffer_, {});
    if (text.empty() || text.size() > longest_line)
      return {};
    return {shell_line::kind::line, std::move(text)};
  }

  /// The signal that came first, or 0.
  int wait_for_input() {
    auto signals = signals_ != nullptr ? signals_->ending_fd() : -1;
    std::array<pollfd, 2> items{{{fd_, POLLIN, 0}, {signals, POLLIN, 0}}};
    (void)::poll(items.data(), items.size(), -1);
    return items[1].revents != 0 ? signals_->take_ending() : 0;
  }

  void read_some() {
    std::array<char, 65'536> bytes;
    auto n = ::read(fd_, bytes.data(), bytes.size());
    if (n > 0)
      buffer_.append(bytes.data(), static_cast<std::size_t>(n));
    else if (n == 0 || (errno != EINTR && errno != EAGAIN))
      ended_ = true;
  }

  int fd_;
  shell_signals* signals_;
  shell_console* prompts_;
  std::string buffer_;
  bool ended_ = false;
};

} // namespace

std::unique_ptr<shell_input> make_plain_input(int fd, shell_signals* signals,
                                              shell_console* prompts) {
  return std::make_unique<plain_input>(fd, signals, prompts);
}

} // namespace muster
