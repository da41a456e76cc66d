#include "runtime/node_json.hpp"

#include "actors/spawn.hpp"
#include "runtime/http_text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <system_error>

namespace muster {

namespace {

endpoint endpoint_from(const nlohmann::json& object) {
  return endpoint{object.at("address").get<std::string>(),
                  object.at("port").get<std::uint16_t>()};
}

void append_endpoint(std::string& out, const endpoint& at, bool tls = false) {
  out += R"({"address":)";
  append_json_string(out, at.host);
  out += fmt::format(R"(,"port":{}{}}})", at.port, tls ? R"(,"tls":true)" : "");
}

bool write_all(int fd, std::string_view content) {
  while (!content.empty()) {
    auto written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0)
      return false;
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

} // namespace

std::string ready_line(const node_facts& facts) {
  return fmt::format("muster node {} ready http={} node={} roles={}",
                     facts.name, to_string(facts.http), to_string(facts.node),
                     fmt::join(facts.roles, ","));
}

std::string to_json(const node_facts& facts) {
  std::string out = R"({"name":)";
  append_json_string(out, facts.name);
  out += fmt::format(R"(,"pid":{},"incarnation":)", facts.pid);
  append_json_string(out, facts.incarnation);
  out += R"(,"roles":[)";
  for (auto& role : facts.roles) {
    if (out.back() != '[')
      out += ',';
    append_json_string(out, role);
  }
  out += R"(],"http":)";
  append_endpoint(out, facts.http, facts.https);
  out += R"(,"node":)";
  append_endpoint(out, facts.node);
  out += "}\n";
  return out;
}

expected<node_facts> parse_node_json(std::string_view text) {
  try {
    auto object = nlohmann::json::parse(text);
    node_facts result;
    result.name = object.at("name").get<std::string>();
    result.pid = object.at("pid").get<int>();
    result.incarnation = object.at("incarnation").get<std::string>();
    result.roles = object.at("roles").get<std::vector<std::string>>();
    result.http = endpoint_from(object.at("http"));
    result.https = object.at("http").value("tls", false);
    result.node = endpoint_from(object.at("node"));
    return result;
  } catch (const nlohmann::json::exception&) {
    return fail_with(errc::malformed, "node.json is not what a node writes");
  }
}

expected<node_facts> read_node_json(const std::filesystem::path& data_dir) {
  std::ifstream in{data_dir / "node.json"};
  if (!in)
    return fail_with(errc::io_error,
                     "there is no node.json in " + data_dir.string());
  return parse_node_json(std::string{std::istreambuf_iterator<char>{in}, {}});
}

expected<void> replace_file(const std::filesystem::path& path,
                            std::string_view content) {
  auto temporary = path;
  temporary += ".new";
  auto refuse = [&temporary](int number) {
    return fail_with(
      errc::io_error,
      fmt::format("cannot write {}: {}", temporary.string(),
                  std::error_code{number, std::system_category()}.message()));
  };
  descriptor file{
    ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
  if (!file.valid() || !write_all(file.get(), content)
      || ::fsync(file.get()) != 0)
    return refuse(errno);
  std::error_code ec;
  std::filesystem::rename(temporary, path, ec);
  if (ec)
    return refuse(ec.value());
  return {};
}

} // namespace muster
