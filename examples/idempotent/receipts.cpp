// A handler that does no harm when it runs again.

#include "runtime/runtime.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace fs = std::filesystem;

// [handler]
struct order {
  std::string number;
  int cents = 0;
  MSGPACK_DEFINE_MAP(number, cents)
};

muster::expected<std::string> read_file(const fs::path& file) {
  std::ifstream in{file};
  if (!in)
    return muster::fail_with(muster::errc::io_error, "no " + file.string());
  return std::string{std::istreambuf_iterator<char>{in}, {}};
}

/// Writes the receipt of an order and returns its text.
muster::expected<std::string>
issue(const fs::path& directory, const order& order, muster::job_context& job) {
  // The same for every attempt, and for every job about this order.
  if (!muster::is_valid_name(order.number))
    return muster::fail_with(muster::errc::invalid_argument, "number: no name");
  auto receipt = directory / (order.number + ".txt");
  // An attempt before this one may have come so far and died then.
  if (fs::exists(receipt))
    return read_file(receipt);
  // This attempt's own: another one may still be running.
  auto draft = directory / (order.number + '.' + to_string(job.job().token));
  std::ofstream out{draft};
  out << "order " << order.number << ": " << order.cents << " cents\n";
  out.close();
  // All of it, or nothing.
  std::error_code failed;
  if (out)
    fs::rename(draft, receipt, failed);
  if (!out || failed)
    return muster::fail_with(muster::errc::io_error, "cannot write a receipt");
  return read_file(receipt);
}
// [handler]

int fail(const muster::error& why) {
  std::fprintf(stderr, "%s\n", why.message.c_str());
  return 1;
}

int main(int argc, char** argv) {
  const fs::path home = argc > 1 ? argv[1] : "receipts-data";
  const auto directory = home / "receipts";
  fs::create_directories(directory);
  muster::runtime_options options;
  options.directory = home / "jobs";
  options.handlers["issue"] = muster::typed_handler<order>(
    [directory](const order& order,
                muster::job_context& job) -> muster::expected<std::string> {
      auto text = issue(directory, order, job);
      // As if the worker had died between the work and its report.
      if (job.attempt() == 1)
        return muster::fail_with(muster::errc::handler_failed, "interrupted");
      return text;
    });
  auto jobs = muster::runtime::open(std::move(options));
  if (!jobs)
    return fail(jobs.error());
  auto id = jobs->enqueue("issue", order{"A-17", 750});
  if (!id)
    return fail(id.error());
  auto text = jobs->wait<std::string>(*id, std::chrono::seconds{30});
  if (!text)
    return fail(text.error());
  auto count = std::distance(fs::directory_iterator{directory},
                             fs::directory_iterator{});
  std::printf("%s%d receipt\n", text->c_str(), static_cast<int>(count));
}
