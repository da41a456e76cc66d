#include "runtime/node_name.hpp"

#include "persistence/job.hpp"
#include "runtime/node_json.hpp"

#include <unistd.h>

#include <array>
#include <fstream>
#include <random>

namespace muster {

namespace {

constexpr std::size_t max_host_name = 48;
constexpr int id_digits = 6;

/// Letters, digits and `._-` of the host's name.
std::string host_name() {
  std::array<char, 256> buffer{};
  if (::gethostname(buffer.data(), buffer.size() - 1) != 0)
    return "node";
  std::string result;
  for (auto c : std::string{buffer.data()})
    if (is_valid_name({&c, 1}) && result.size() < max_host_name)
      result += c;
  return result.empty() ? "node" : result;
}

std::string kept_name(const std::filesystem::path& data_dir) {
  std::ifstream in{data_dir / "node.name"};
  std::string result;
  std::getline(in, result);
  return is_valid_name(result) ? result : std::string{};
}

} // namespace

std::string random_hex(int digits) {
  std::random_device random;
  std::string result;
  for (int i = 0; i < digits; ++i)
    result += "0123456789abcdef"[random() % 16];
  return result;
}

std::string choose_name(const std::string& given,
                        const std::filesystem::path& data_dir) {
  if (!given.empty())
    return given;
  if (auto kept = kept_name(data_dir); !kept.empty())
    return kept;
  return host_name() + '-' + random_hex(id_digits);
}

expected<void> keep_name(const std::string& name,
                         const std::filesystem::path& data_dir) {
  if (kept_name(data_dir) == name)
    return {};
  return replace_file(data_dir / "node.name", name + '\n');
}

} // namespace muster
