#include "actors/sha512_chain.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <msgpack.hpp>
#include <openssl/evp.h>

namespace muster {

namespace {

constexpr std::size_t digest_size = 64;

using digest = std::array<char, digest_size>;

struct free_context {
  void operator()(EVP_MD_CTX* ptr) const noexcept {
    EVP_MD_CTX_free(ptr);
  }
};

struct free_algorithm {
  void operator()(EVP_MD* ptr) const noexcept {
    EVP_MD_free(ptr);
  }
};

using algorithm_ptr = std::unique_ptr<EVP_MD, free_algorithm>;

// Looking the algorithm up costs more than a digest: once is enough.
const EVP_MD* algorithm() {
  static const algorithm_ptr found{EVP_MD_fetch(nullptr, "SHA512", nullptr)};
  return found.get();
}

class sha512_hasher {
public:
  bool hash(std::string_view input, digest& out) noexcept {
    auto* bytes = reinterpret_cast<unsigned char*>(out.data());
    return context_ != nullptr && algorithm_ != nullptr
           && EVP_DigestInit_ex(context_.get(), algorithm_, nullptr) == 1
           && EVP_DigestUpdate(context_.get(), input.data(), input.size()) == 1
           && EVP_DigestFinal_ex(context_.get(), bytes, nullptr) == 1;
  }

private:
  std::unique_ptr<EVP_MD_CTX, free_context> context_{EVP_MD_CTX_new()};
  const EVP_MD* algorithm_ = algorithm();
};

// Leaves the bytes where they are, in the payload.
bool by_reference(msgpack::type::object_type, std::size_t, void*) {
  return true;
}

expected<sha512_work> to_work(const msgpack::object& root) {
  auto malformed
    = [](const char* text) { return fail_with(errc::malformed, text); };
  if (root.type != msgpack::type::MAP)
    return malformed("the payload is not a msgpack map");
  sha512_work work;
  bool has_buffer = false;
  for (auto& [key, value] : root.via.map) {
    if (key.type != msgpack::type::STR)
      continue;
    std::string_view name{key.via.str.ptr, key.via.str.size};
    if (name == "iterations") {
      if (value.type != msgpack::type::POSITIVE_INTEGER || value.via.u64 == 0)
        return malformed("iterations: must be an integer of at least 1");
      work.iterations = value.via.u64;
    } else if (name == "buffer") {
      if (value.type == msgpack::type::BIN)
        work.buffer = {value.via.bin.ptr, value.via.bin.size};
      else if (value.type == msgpack::type::STR)
        work.buffer = {value.via.str.ptr, value.via.str.size};
      else
        return malformed("buffer: must be of type bin or str");
      has_buffer = true;
    }
  }
  if (work.iterations == 0)
    return malformed("iterations: is missing");
  if (!has_buffer)
    return malformed("buffer: is missing");
  return work;
}

} // namespace

expected<sha512_work> parse_sha512_work(std::string_view payload) {
  // A map of two needs no depth; the rest of the limits follow the payload's.
  constexpr std::size_t max_depth = 8;
  auto bound = payload.size();
  msgpack::unpack_limit limit{bound, bound, bound, bound, bound, max_depth};
  try {
    bool referenced = false;
    std::size_t offset = 0;
    auto handle = msgpack::unpack(payload.data(), payload.size(), offset,
                                  referenced, by_reference, nullptr, limit);
    if (offset != payload.size())
      return fail_with(errc::malformed, "bytes follow the payload's map");
    return to_work(handle.get());
  } catch (const std::exception&) {
    return fail_with(errc::malformed, "the payload is not msgpack");
  }
}

expected<std::string> run_sha512_work(const sha512_work& work,
                                      job_context& ctx) {
  // About a millisecond's worth.
  constexpr std::uint64_t stride = 4'096;
  constexpr std::uint64_t progress_every = 256 * stride;
  sha512_hasher hasher;
  digest value{};
  if (!hasher.hash(work.buffer, value))
    return fail_with(errc::handler_failed, "the system offers no SHA-512");
  for (std::uint64_t done = 1; done < work.iterations;) {
    if (ctx.cancelled())
      return ctx.stopped();
    auto until = std::min(done + stride, work.iterations);
    for (; done < until; ++done)
      if (!hasher.hash({value.data(), value.size()}, value))
        return fail_with(errc::handler_failed, "the system offers no SHA-512");
    if (done % progress_every == 1) {
      auto percent = static_cast<double>(done)
                     / static_cast<double>(work.iterations) * 100;
      ctx.progress(std::to_string(static_cast<int>(percent)) + " %");
    }
  }
  return std::string{value.data(), value.size()};
}

} // namespace muster
