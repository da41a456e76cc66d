#include "runtime/job_source.hpp"

#include <filesystem>
#include <iterator>
#include <system_error>
#include <utility>

namespace muster {

job_source::job_source(std::vector<std::string> files, bool lines,
                       std::istream& standard_input)
  : files_(std::move(files)), lines_(lines), standard_input_(&standard_input) {
  if (files_.empty())
    files_.emplace_back("-");
}

expected<std::optional<std::string>> job_source::next() {
  while (true) {
    if (input_ == nullptr) {
      if (index_ == files_.size())
        return std::nullopt;
      if (auto ok = open(files_[index_++]); !ok)
        return tl::unexpected{std::move(ok.error())};
    }
    std::string payload;
    if (lines_) {
      if (std::getline(*input_, payload))
        return payload;
      input_ = nullptr;
      continue;
    }
    payload.assign(std::istreambuf_iterator<char>{*input_}, {});
    input_ = nullptr;
    return payload;
  }
}

expected<void> job_source::open(const std::string& name) {
  if (name == "-") {
    input_ = standard_input_;
    return {};
  }
  std::error_code ec;
  file_ = std::ifstream{name, std::ios::binary};
  if (!file_ || std::filesystem::is_directory(name, ec))
    return fail_with(errc::io_error, "cannot read " + name);
  input_ = &file_;
  return {};
}

} // namespace muster
