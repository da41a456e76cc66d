#include "runtime/demo_workload.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <random>
#include <stdexcept>
#include <vector>

namespace muster {

namespace {

constexpr std::size_t digest_size = 64;

std::string random_text(std::mt19937_64& random, std::size_t size) {
  std::uniform_int_distribution<int> letter{'a', 'z'};
  std::string result(size, ' ');
  for (auto& c : result)
    c = static_cast<char>(letter(random));
  return result;
}

std::string sorted_lines(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    auto end = text.find('\n', at);
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  std::sort(lines.begin(), lines.end());
  std::string result;
  for (auto& line : lines)
    result += line + "\n";
  return result;
}

} // namespace

demo_job make_digest_job(std::uint64_t number, std::uint64_t mean_iterations) {
  std::mt19937_64 random{number};
  demo_job result;
  result.input = random_text(random, 16 + random() % 1'009);
  auto most = std::max<std::uint64_t>(2 * mean_iterations, 2) - 1;
  result.iterations = 1 + random() % most;
  return result;
}

demo_job make_command_job(std::uint64_t number) {
  // Apart from those of digests.
  std::mt19937_64 random{~number};
  demo_job result;
  result.what = number % 2 == 0 ? demo_job::kind::sort : demo_job::kind::count;
  for (int i = 0; i < 20; ++i)
    result.input += random_text(random, 1 + random() % 30) + "\n";
  return result;
}

std::string expected_result(const demo_job& job) {
  switch (job.what) {
    case demo_job::kind::digest:
      return repeated_sha512(job.input, job.iterations);
    case demo_job::kind::sort:
      return sorted_lines(job.input);
    case demo_job::kind::count:
      break;
  }
  return std::to_string(job.input.size()) + "\n";
}

std::string repeated_sha512(std::string_view buffer, std::uint64_t iterations) {
  std::unique_ptr<EVP_MD, decltype(&::EVP_MD_free)> sha512{
    ::EVP_MD_fetch(nullptr, "SHA512", nullptr), &::EVP_MD_free};
  std::unique_ptr<EVP_MD_CTX, decltype(&::EVP_MD_CTX_free)> context{
    ::EVP_MD_CTX_new(), &::EVP_MD_CTX_free};
  std::array<unsigned char, digest_size> digest{};
  auto data = static_cast<const void*>(buffer.data());
  auto size = buffer.size();
  for (std::uint64_t i = 0; i < iterations; ++i) {
    if (::EVP_DigestInit_ex2(context.get(), sha512.get(), nullptr) != 1
        || ::EVP_DigestUpdate(context.get(), data, size) != 1
        || ::EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) != 1)
      throw std::runtime_error{"SHA-512 is not available"};
    data = digest.data();
    size = digest.size();
  }
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

double measure_digest_rate() {
  using clock_type = std::chrono::steady_clock;
  constexpr std::uint64_t step = 5'000;
  std::uint64_t done = 0;
  auto begin = clock_type::now();
  std::chrono::duration<double> spent{0};
  while (spent.count() < 0.05) {
    static_cast<void>(repeated_sha512("muster", step));
    done += step;
    spent = clock_type::now() - begin;
  }
  return static_cast<double>(done) / spent.count();
}

} // namespace muster
