#include "actors/plugin_loader.hpp"

#include "handler_fixture.hpp"
#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>

#include <filesystem>
#include <fstream>
#include <thread>

using namespace muster;
using muster::test::attempt;

namespace {

std::filesystem::path plugin_file(const std::string& name) {
  return std::filesystem::path{MUSTER_PLUGIN_DIR} / ("lib" + name + ".so");
}

struct loaded {
  loaded() {
    REQUIRE(load_plugin(plugin_file("muster_test_plugin"), registry));
  }

  expected<std::string> run(std::string_view handler, attempt& job) {
    job.job.handler = handler;
    auto* found = registry.find(handler);
    REQUIRE(found != nullptr);
    return job.run(*found);
  }

  expected<std::string> run(std::string_view handler, std::string payload) {
    attempt job{std::move(payload)};
    return run(handler, job);
  }

  handler_registry registry;
};

void check_refused(const std::filesystem::path& file, errc code,
                   std::string_view part) {
  handler_registry registry;
  auto result = load_plugin(file, registry);
  REQUIRE(!result);
  auto& why = result.error();
  INFO(why.message);
  CHECK(why.code == code);
  CHECK(why.message.starts_with("'" + file.string() + "' "));
  CHECK(why.message.find(part) != std::string::npos);
  CHECK(why.message.find('\n') == std::string::npos);
  CHECK(registry.names().empty());
}

} // namespace

TEST_CASE("a plug-in's handlers run under their names") {
  handler_registry registry;
  auto names = load_plugin(plugin_file("muster_test_plugin"), registry);
  REQUIRE(names);
  CHECK(*names
        == std::vector<std::string>{"crash", "shout", "throws", "refuse",
                                    "describe", "wait", "hang"});
  loaded plugin;
  CHECK(plugin.run("shout", "hello") == "HELLO");
  CHECK(plugin.run("shout", std::string{"a\0b", 3}) == std::string{"A\0B", 3});
  CHECK(plugin.run("shout", "") == "");
}

TEST_CASE("what a plug-in's handler throws fails the attempt only") {
  loaded plugin;
  CHECK(plugin.run("throws", "exception")
        == fail_with(errc::handler_failed, "no luck"));
  CHECK(plugin.run("throws", "number")
        == fail_with(errc::handler_failed, "the handler threw"));
}

TEST_CASE("a plug-in's handler can fail a job for good") {
  loaded plugin;
  CHECK(plugin.run("refuse", "") == fail_with(errc::invalid_argument, "never"));
}

TEST_CASE("a plug-in's handler sees its job and tells how far it is") {
  loaded plugin;
  attempt job{""};
  job.job.max_attempts = 7;
  CHECK(plugin.run("describe", job) == "images describe 42 1 of 7");
  CHECK(job.control.take_progress() == "images describe 42 1 of 7");
}

TEST_CASE("a plug-in's handler hears that it should stop") {
  loaded plugin;
  attempt job{""};
  std::thread other{
    [&job] { job.control.request_stop(stop_reason::cancelled); }};
  CHECK(plugin.run("wait", job)
        == fail_with(errc::handler_failed, "stopped for reason 1"));
  other.join();
  attempt late{"", millis{20}};
  CHECK(plugin.run("wait", late)
        == fail_with(errc::handler_failed, "stopped for reason 2"));
}

TEST_CASE("a handler that leaves no result has failed") {
  handler_registry registry;
  // Its layout is right, its name too: it only does nothing.
  REQUIRE(load_plugin(plugin_file("muster_odd_plugin_0"), registry));
  attempt job{""};
  CHECK(job.run(*registry.find("quiet"))
        == fail_with(errc::handler_failed, "the plug-in returned no result"));
}

TEST_CASE("files that are no plug-in for this program are refused") {
  temp_dir dir;
  check_refused(dir.path() / "absent.so", errc::io_error, "is no file");
  check_refused(dir.path(), errc::io_error, "is no file");
  auto text = dir.path() / "text.so";
  std::ofstream{text} << "This is text, and more than an ELF header has, which "
                         "the loader would call too short otherwise.";
  check_refused(text, errc::io_error, "cannot be loaded: ");
  check_refused(plugin_file("muster_odd_plugin_1"), errc::malformed,
                "MUSTER_PLUGIN");
  check_refused(plugin_file("muster_odd_plugin_2"), errc::version_mismatch,
                "which is older than");
  check_refused(plugin_file("muster_odd_plugin_3"), errc::version_mismatch,
                "which is newer than");
  check_refused(plugin_file("muster_odd_plugin_4"), errc::version_mismatch,
                "Muster 9.8.7");
  check_refused(plugin_file("muster_odd_plugin_5"), errc::malformed,
                "in no known way");
  check_refused(plugin_file("muster_odd_plugin_6"), errc::invalid_argument,
                "a name is");
  check_refused(plugin_file("muster_odd_plugin_7"), errc::malformed,
                "has no handlers");
}

TEST_CASE("a plug-in cannot take a name that another has") {
  loaded plugin;
  auto again = load_plugin(plugin_file("muster_test_plugin"), plugin.registry);
  REQUIRE(!again);
  CHECK(again.error().code == errc::invalid_argument);
  CHECK(again.error().message.find("crash: the name is taken")
        != std::string::npos);
}
