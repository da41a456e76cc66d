#include "runtime/peer_file.hpp"

#include "runtime/node_json.hpp"

#include <nlohmann/json.hpp>

#include <unistd.h>

#include <array>
#include <fstream>
#include <iterator>

namespace muster {

namespace {

constexpr auto file_name = "peers.json";

bool is_every_address(const std::string& host) {
  return host == "0.0.0.0" || host == "::";
}

} // namespace

std::string to_json(const std::vector<known_node>& nodes) {
  auto list = nlohmann::json::array();
  for (auto& node : nodes) {
    auto roles = nlohmann::json::array();
    if (node.roles.manager)
      roles.push_back("manager");
    if (node.roles.worker)
      roles.push_back("worker");
    auto addresses = nlohmann::json::array();
    for (auto& at : node.addresses)
      addresses.push_back(to_string(at));
    list.push_back(
      {{"name", node.name}, {"roles", roles}, {"addresses", addresses}});
  }
  return nlohmann::json{{"nodes", list}}.dump(
           2, ' ', false, nlohmann::json::error_handler_t::replace)
         + '\n';
}

expected<std::vector<known_node>> parse_peers(std::string_view text) {
  auto malformed
    = [] { return fail_with(errc::malformed, "not what a node writes"); };
  try {
    std::vector<known_node> result;
    auto file = nlohmann::json::parse(text);
    for (auto& item : file.at("nodes")) {
      known_node node;
      node.name = item.at("name").get<std::string>();
      for (auto& role : item.at("roles")) {
        auto name = role.get<std::string>();
        node.roles.manager |= name == "manager";
        node.roles.worker |= name == "worker";
      }
      for (auto& address : item.at("addresses")) {
        auto at = parse_endpoint(address.get<std::string>());
        if (!at)
          return malformed();
        node.addresses.push_back(std::move(*at));
      }
      if (node.name.empty() || node.addresses.size() > limits::node_addresses)
        return malformed();
      result.push_back(std::move(node));
    }
    return result;
  } catch (const nlohmann::json::exception&) {
    return malformed();
  }
}

std::vector<known_node> read_peers(const std::filesystem::path& data_dir) {
  std::ifstream in{data_dir / file_name, std::ios::binary};
  if (!in)
    return {};
  auto result
    = parse_peers(std::string{std::istreambuf_iterator<char>{in}, {}});
  return result ? std::move(*result) : std::vector<known_node>{};
}

expected<void> keep_peers(const std::vector<known_node>& nodes,
                          const std::filesystem::path& data_dir) {
  return replace_file(data_dir / file_name, to_json(nodes));
}

endpoint advertised_address(endpoint told, const endpoint& listening) {
  if (told.port == 0)
    told.port = listening.port;
  if (!told.host.empty())
    return told;
  told.host = listening.host;
  std::array<char, 256> name{};
  if (is_every_address(told.host)
      && ::gethostname(name.data(), name.size() - 1) == 0)
    told.host = name.data();
  return told;
}

} // namespace muster
