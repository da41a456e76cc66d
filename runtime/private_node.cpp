#include "runtime/private_node.hpp"

#include "runtime/command_line.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <linux/magic.h>
#include <pthread.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace muster {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t shown_of_log = 1'500;
// Tells the watching thread to end.
constexpr auto wake_signal = SIGUSR2;

sigset_t watched_signals() {
  sigset_t result;
  ::sigemptyset(&result);
  for (auto signal : {SIGINT, SIGTERM, SIGHUP, wake_signal})
    ::sigaddset(&result, signal);
  return result;
}

fs::path default_parent() {
  // Not cleared at a restart, and hence on a disk; /tmp often is not.
  if (::access("/var/tmp", W_OK) == 0 && std::getenv("TMPDIR") == nullptr)
    return "/var/tmp";
  return fs::temp_directory_path();
}

std::string end_of(const fs::path& file) {
  std::ifstream in{file};
  std::string text{std::istreambuf_iterator<char>{in}, {}};
  if (text.size() > shown_of_log)
    text.erase(0, text.size() - shown_of_log);
  return text;
}

/// From the line that a node prints when it is ready.
expected<endpoint> read_address(std::string_view line, std::string_view name) {
  auto at = line.find(name);
  if (at == std::string_view::npos)
    return fail_with(errc::malformed,
                     "the node tells no address: " + std::string{line});
  line.remove_prefix(at + name.size());
  return parse_endpoint(line.substr(0, line.find(' ')));
}

} // namespace

// -- scratch ------------------------------------------------------------------

expected<std::unique_ptr<scratch>> scratch::make(fs::path parent,
                                                 std::string_view prefix) {
  if (parent.empty())
    parent = default_parent();
  std::error_code code;
  fs::create_directories(parent, code);
  auto pattern = (fs::absolute(parent) / prefix).string() + "-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr)
    return fail_with(errc::io_error, "cannot make a directory in "
                                       + parent.string() + ": "
                                       + std::system_category().message(errno));
  return std::unique_ptr<scratch>{new scratch{pattern}};
}

scratch::scratch(fs::path path) : path_(std::move(path)) {
  auto set = watched_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // Comes to the thread that writes, which cannot clear up here.
  struct sigaction pipe_end {};
  pipe_end.sa_handler = [](int) { ::kill(::getpid(), SIGTERM); };
  ::sigaction(SIGPIPE, &pipe_end, nullptr);
  watcher_ = std::thread{[this] { watch_signals(); }};
}

scratch::~scratch() {
  ::pthread_kill(watcher_.native_handle(), wake_signal);
  watcher_.join();
  remove();
}

bool scratch::in_memory() const {
  struct statfs facts {};
  return ::statfs(path_.c_str(), &facts) == 0
         && (facts.f_type == TMPFS_MAGIC || facts.f_type == RAMFS_MAGIC);
}

void scratch::watch_signals() {
  auto set = watched_signals();
  int got = 0;
  ::sigwait(&set, &got);
  if (got == wake_signal)
    return;
  // Never released: nothing is started any more.
  mutex_.lock();
  for (auto pid : children_)
    ::kill(-pid, SIGKILL);
  for (auto pid : children_)
    ::waitpid(pid, nullptr, 0);
  remove();
  ::_exit(128 + got);
}

void scratch::remove() noexcept {
  // Another thread may still be writing when a signal ends the program.
  for (int i = 0; i < 3; ++i) {
    std::error_code code;
    fs::remove_all(path_, code);
    if (!code)
      return;
  }
}

// -- node ---------------------------------------------------------------------

expected<private_node> private_node::start(scratch& where,
                                           private_node_options options) {
  auto directory = where.path() / options.name;
  std::error_code code;
  auto program = fs::read_symlink("/proc/self/exe", code);
  fs::create_directories(directory, code);
  process_options how;
  how.command = {program.string(),
                 "node",
                 "--http-address=127.0.0.1",
                 "--http-port=0",
                 "--node-port=0",
                 "--data-dir=" + (directory / "data").string()};
  how.command.insert(how.command.end(), options.settings.begin(),
                     options.settings.end());
  how.errors = directory / "node.log";
  how.directory = directory;
  std::unique_lock guard{where.mutex_};
  auto child = process::start(how);
  if (!child)
    return tl::unexpected<error>{child.error()};
  private_node result{where, std::move(*child)};
  where.children_.push_back(result.pid());
  guard.unlock();
  auto line = result.process_.read_line(options.ready_limit);
  if (!line)
    return fail_with(errc::unavailable,
                     "the node did not get ready: " + end_of(how.errors));
  auto http = read_address(*line, " http=");
  auto node = read_address(*line, " node=");
  if (!http || !node)
    return tl::unexpected<error>{(http ? node : http).error()};
  result.host_ = http->host;
  result.port_ = http->port;
  result.node_address_ = *node;
  return result;
}

private_node::private_node(scratch& where, process child)
  : where_(&where), process_(std::move(child)) {
  // nop
}

private_node::~private_node() {
  if (process_.pid() > 0)
    kill();
}

void private_node::kill() {
  process_.kill(SIGKILL);
  static_cast<void>(process_.wait(millis{60'000}));
  forget();
}

expected<void> private_node::stop(millis limit) {
  process_.kill(SIGTERM);
  auto status = process_.wait(limit);
  if (!status)
    return tl::unexpected<error>{status.error()};
  forget();
  if (!status->ok())
    return fail_with(errc::internal,
                     "the node ended with " + to_string(*status));
  return {};
}

// Another process may get its number from now on.
void private_node::forget() noexcept {
  std::lock_guard guard{where_->mutex_};
  std::erase(where_->children_, process_.pid());
}

} // namespace muster
