#include "runtime/problem.hpp"

#include "runtime/http_text.hpp"

#include <fmt/format.h>

#include <iterator>

namespace muster {

namespace {

/// Details may quote what a client sent.
constexpr std::size_t max_detail = 1'024;

http_response render(int status, std::string_view code,
                     std::string_view detail) {
  http_response result;
  result.status = status;
  result.content_type = "application/problem+json";
  auto& out = result.body;
  fmt::format_to(std::back_inserter(out),
                 R"({{"type":"about:blank","title":"{}","status":{})",
                 reason_of(status), status);
  if (!code.empty())
    fmt::format_to(std::back_inserter(out), R"(,"code":"{}")", code);
  out += ",\"detail\":";
  append_json_string(out, detail.substr(0, max_detail));
  out += "}";
  if (status == 429 || status == 503)
    result.headers.emplace_back("Retry-After", "1");
  return result;
}

} // namespace

std::string_view reason_of(int status) noexcept {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 507:
      return "Insufficient Storage";
    default:
      return "Unknown";
  }
}

int status_of(errc code) noexcept {
  switch (code) {
    case errc::none:
      return 200;
    case errc::invalid_argument:
    case errc::malformed:
      return 400;
    case errc::job_not_found:
    case errc::queue_not_found:
    case errc::not_found:
      return 404;
    case errc::stale_lease:
    case errc::wrong_state:
    case errc::cancelled:
      return 409;
    case errc::payload_too_large:
    case errc::result_too_large:
      return 413;
    case errc::queue_full:
    case errc::busy:
      return 429;
    case errc::store_full:
    case errc::disk_full:
    case errc::unavailable:
    case errc::not_leader:
    case errc::shutting_down:
    case errc::timed_out:
      return 503;
    default:
      return 500;
  }
}

http_response problem(const error& reason) {
  return problem(status_of(reason.code), reason);
}

http_response problem(int status, const error& reason) {
  return render(status, to_string(reason.code), reason.message);
}

http_response problem(int status, std::string_view detail) {
  return render(status, {}, detail);
}

} // namespace muster
