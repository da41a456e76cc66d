#pragma once

#include <fmt/format.h>

#include <sys/mount.h>

#include <filesystem>
#include <string_view>
#include <utility>

namespace muster {

/// A file system of its own size, gone with its owner.
class small_disk {
public:
  /// `size` as mount takes it, such as `96m`. Needs root; see `mounted`.
  small_disk(std::filesystem::path where, std::string_view size)
    : path_(std::move(where)) {
    std::filesystem::create_directory(path_);
    mounted_ = ::mount("muster-test", path_.c_str(), "tmpfs", 0,
                       fmt::format("size={}", size).c_str())
               == 0;
  }

  ~small_disk() {
    if (mounted_)
      ::umount2(path_.c_str(), MNT_DETACH);
  }

  small_disk(const small_disk&) = delete;
  small_disk& operator=(const small_disk&) = delete;

  /// False where the machine does not allow it; errno is mount's then.
  [[nodiscard]] bool mounted() const noexcept {
    return mounted_;
  }

  [[nodiscard]] const std::filesystem::path& path() const noexcept {
    return path_;
  }

private:
  std::filesystem::path path_;
  bool mounted_ = false;
};

} // namespace muster
