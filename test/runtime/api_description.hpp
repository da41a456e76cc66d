#pragma once

#include "runtime/http_client.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// docs/openapi.yaml, to hold a server's answers against.
class api_description {
public:
  struct operation {
    /// In capitals.
    std::string method;
    /// With placeholders.
    std::string path;
    /// With references resolved at its own level.
    nlohmann::json facts;
    /// Its own and its path's, references resolved.
    std::vector<nlohmann::json> parameters;
  };

  /// Throws if the file cannot be read.
  [[nodiscard]] static const api_description& get();

  [[nodiscard]] const std::vector<operation>& operations() const noexcept {
    return operations_;
  }

  /// What about an answer is not as described; empty if all is.
  [[nodiscard]] std::vector<std::string> faults(std::string_view method,
                                                std::string_view target,
                                                const http_reply& reply) const;

  /// What about a value breaks a schema.
  [[nodiscard]] std::vector<std::string>
  faults(const nlohmann::json& schema, const nlohmann::json& value) const;

private:
  api_description();

  [[nodiscard]] const operation* find(std::string_view method,
                                      std::string_view target) const;
  [[nodiscard]] const nlohmann::json& resolve(const nlohmann::json& node) const;
  void check(const nlohmann::json& schema, const nlohmann::json& value,
             const std::string& where, std::vector<std::string>& out) const;
  void check_object(const nlohmann::json& schema, const nlohmann::json& value,
                    const std::string& where,
                    std::vector<std::string>& out) const;

  nlohmann::json root_;
  std::vector<operation> operations_;
};

} // namespace muster
