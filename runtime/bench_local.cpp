#include "runtime/bench_local.hpp"

#include "actors/spawn.hpp"
#include "persistence/journal.hpp"
#include "runtime/process_usage.hpp"

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <fcntl.h>
#include <mutex>
#include <system_error>
#include <unistd.h>

namespace muster {

namespace {

using clock_type = std::chrono::steady_clock;

constexpr std::size_t block = 4'096;
constexpr std::size_t file_size = std::size_t{64} << 20;

tl::unexpected<error> file_error(const char* what) {
  return fail_with(errc::io_error,
                   what + (": " + std::system_category().message(errno)));
}

expected<descriptor> make_file(const std::filesystem::path& path) {
  descriptor fd{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  if (!fd.valid())
    return file_error("cannot make a file");
  std::string zeros(std::size_t{1} << 20, '\0');
  for (std::size_t at = 0; at < file_size; at += zeros.size())
    if (::pwrite(fd.get(), zeros.data(), zeros.size(), static_cast<off_t>(at))
        < 0)
      return file_error("cannot write");
  if (::fsync(fd.get()) != 0)
    return file_error("cannot flush");
  return fd;
}

/// When to begin to measure, and when to end.
struct schedule {
  schedule(millis warm_up, millis window)
    : begin(clock_type::now() + warm_up), end(begin + window) {
    // nop
  }

  clock_type::time_point begin;
  clock_type::time_point end;
};

double seconds_between(clock_type::time_point from, clock_type::time_point to) {
  return std::chrono::duration<double>{to - from}.count();
}

/// Submits the same command again and again, on the journal's thread, as soon
/// as the one before is answered.
class journal_load {
public:
  journal_load(journal& target, std::size_t payload, schedule when)
    : target_(target), when_(when), payload_(payload, 'x') {
    new_job job;
    job.handler = "echo";
    job.payload = payload_;
    command_ = encode(enqueue_command{"bench", {job}});
  }

  void run(std::size_t outstanding) {
    running_ = outstanding;
    for (std::size_t i = 0; i < outstanding; ++i)
      submit();
    std::unique_lock guard{mutex_};
    ended_.wait(guard, [this] { return running_ == 0; });
  }

  latency_record latencies;
  std::uint64_t errors = 0;

private:
  void submit() {
    target_.submit(command_, [this, sent = clock_type::now()](auto result) {
      answered(sent, result.has_value());
    });
  }

  // One thread calls this; the last call hands everything to `run`.
  void answered(clock_type::time_point sent, bool ok) {
    auto now = clock_type::now();
    if (!ok)
      ++errors;
    else if (now >= when_.begin && now < when_.end)
      latencies.add(now - sent);
    if (now < when_.end && ok) {
      submit();
      return;
    }
    std::lock_guard guard{mutex_};
    if (--running_ == 0)
      ended_.notify_one();
  }

  journal& target_;
  schedule when_;
  std::string payload_;
  encoded_command command_;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::size_t running_ = 0;
};

/// As a client would: waits for each answer before it submits again, so that
/// the time includes the way to the journal's thread and back.
bench_row submit_one_by_one(journal& target, std::size_t payload,
                            schedule when) {
  bench_row row;
  latency_record latencies;
  while (true) {
    auto sent = clock_type::now();
    if (sent >= when.end)
      break;
    // One command, no warm-up: ends at its answer.
    journal_load one{target, payload, {millis{0}, millis{0}}};
    one.run(1);
    row.errors += one.errors;
    auto now = clock_type::now();
    if (sent >= when.begin)
      latencies.add(now - sent);
  }
  row.latency = latencies.summary();
  return row;
}

} // namespace

expected<bench_row> measure_disk(const std::filesystem::path& directory,
                                 millis warm_up, millis window) {
  auto fd = make_file(directory / "disk-test");
  if (!fd)
    return tl::unexpected<error>{fd.error()};
  std::string bytes(block, 'x');
  latency_record latencies;
  schedule when{warm_up, window};
  off_t at = 0;
  for (auto sent = clock_type::now(); sent < when.end;) {
    if (::pwrite(fd->get(), bytes.data(), bytes.size(), at) < 0
        || ::fdatasync(fd->get()) != 0)
      return file_error("cannot write and flush");
    at = (at + static_cast<off_t>(block)) % static_cast<off_t>(file_size);
    auto now = clock_type::now();
    if (sent >= when.begin)
      latencies.add(now - sent);
    sent = now;
  }
  ::unlink((directory / "disk-test").c_str());
  bench_row row;
  row.scenario = "disk";
  row.variant = "pwrite+fdatasync 4 KiB";
  row.jobs = latencies.count();
  row.seconds = seconds_between(when.begin, when.end);
  row.latency = latencies.summary();
  return row;
}

expected<bench_row> measure_journal(const std::filesystem::path& directory,
                                    std::size_t outstanding,
                                    std::size_t payload, millis warm_up,
                                    millis window) {
  journal_options options;
  options.directory = directory;
  auto opened = journal::open(std::move(options));
  if (!opened)
    return tl::unexpected<error>{opened.error()};
  schedule when{warm_up, window};
  bench_row row;
  if (outstanding <= 1) {
    row = submit_one_by_one(**opened, payload, when);
  } else {
    journal_load load{**opened, payload, when};
    load.run(outstanding);
    row.latency = load.latencies.summary();
    row.errors = load.errors;
  }
  (*opened)->close();
  row.scenario = "journal";
  row.variant = "enqueue, " + std::to_string(outstanding) + " outstanding";
  row.jobs = row.latency->count;
  row.seconds = seconds_between(when.begin, when.end);
  return row;
}

} // namespace muster
