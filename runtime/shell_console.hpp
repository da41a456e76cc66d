#pragma once

#include "actors/spawn.hpp"
#include "persistence/job.hpp"
#include "runtime/shell_screen.hpp"

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

namespace muster {

/// Takes SIGINT, SIGTERM, SIGHUP and SIGWINCH for the process, so that they end
/// what is waited for rather than the program. Made before any other thread;
/// leaves the signals blocked.
class shell_signals {
public:
  /// Errors: throws `std::system_error`.
  shell_signals();

  /// Can be read from once a signal that ends something has come.
  [[nodiscard]] int ending_fd() const noexcept {
    return ending_.get();
  }

  /// Can be read from once the terminal's size has changed.
  [[nodiscard]] int resize_fd() const noexcept {
    return resize_.get();
  }

  /// The signal that has come, which is then done with; 0 for none. Of several
  /// the one that is not SIGINT.
  [[nodiscard]] int take_ending() noexcept;

  /// Whether the terminal's size has changed since the last call.
  [[nodiscard]] bool take_resize() noexcept;

private:
  descriptor ending_;
  descriptor resize_;
};

/// Where a shell's commands write, and what they are steered by while they run.
/// Not thread-safe.
class shell_console {
public:
  struct settings {
    /// Must outlive the console.
    std::FILE* out = stdout;
    std::FILE* errors = stderr;
    /// Each command writes one line of JSON.
    bool json = false;
    /// Null where nothing can end a command. Must outlive the console.
    shell_signals* signals = nullptr;
    /// Where keys come from while a command runs; -1 for nowhere.
    int keys = -1;
  };

  explicit shell_console(settings with);

  [[nodiscard]] bool json() const noexcept {
    return settings_.json;
  }

  /// The screen as it is now.
  [[nodiscard]] screen look() const;

  /// Whether somebody sees it and can press keys.
  [[nodiscard]] bool live() const;

  /// Writes at once. Text from elsewhere must be `printable`.
  void print(std::string_view text);
  void complain(std::string_view text);

  /// Whether the output can be written no more: its reader has gone.
  [[nodiscard]] bool gone() const noexcept;

  /// What ended a wait for a key.
  struct event {
    /// 0 if there was none.
    char key = 0;
    bool interrupted = false;
    bool resized = false;
  };

  /// Waits for a key, a signal, or the time. A signal stays to be taken.
  [[nodiscard]] event wait(millis limit);

  /// Waits, keys being left alone. False if a signal came, which stays.
  [[nodiscard]] bool pause(millis limit);

  /// Can be read from while there is something for `wait` to take.
  [[nodiscard]] descriptor watch() const;

  /// As `shell_signals::take_ending`; 0 without any.
  [[nodiscard]] int take_signal() noexcept;

private:
  settings settings_;
};

/// Takes a whole screen while it lives: keys come one by one and are not shown,
/// and what was on the screen comes back.
class full_screen {
public:
  /// `console` must outlive it.
  explicit full_screen(shell_console& console, int keys);
  ~full_screen();
  full_screen(const full_screen&) = delete;
  full_screen& operator=(const full_screen&) = delete;

  /// Replaces what it shows. Lines that do not fit are left out.
  void show(std::string_view text);

private:
  struct terminal_mode;

  shell_console& console_;
  int keys_;
  std::unique_ptr<terminal_mode> before_;
};

} // namespace muster
