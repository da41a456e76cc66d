#include "runtime/metrics.hpp"

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>

#include <map>
#include <set>
#include <sstream>
#include <string>

using namespace muster;

namespace {

node_figures sample() {
  node_figures result;
  result.name = "n";
  result.incarnation = "abc";
  result.journal.applied = 1'234;
  result.now = timestamp{millis{10'000}};
  result.started = timestamp{millis{4'000}};
  auto& queue = result.queues.emplace_back();
  queue.name = "mail";
  queue.depth[static_cast<std::size_t>(job_state::ready)] = 7;
  queue.enqueued_total = 9;
  auto& worker = result.workers.emplace_back();
  worker.name = "w";
  worker.running = 2;
  worker.concurrency = 4;
  return result;
}

std::string line_with(const std::string& text, const std::string& begin) {
  std::istringstream in{text};
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(begin))
      return line;
  return {};
}

} // namespace

TEST_CASE("metrics are well-formed, each with one help and one type before its "
          "samples") {
  std::istringstream in{render_metrics(sample())};
  std::set<std::string> helps;
  std::map<std::string, std::string> types;
  std::set<std::string> samples;
  for (std::string line; std::getline(in, line);) {
    INFO(line);
    std::istringstream words{line};
    std::string first;
    std::string second;
    std::string name;
    if (line.starts_with("# ")) {
      words >> first >> second >> name;
      if (second == "HELP") {
        CHECK(helps.insert(name).second);
      } else {
        CHECK(second == "TYPE");
        std::string type;
        words >> type;
        CHECK(types.emplace(name, type).second);
      }
      continue;
    }
    name = line.substr(0, line.find_first_of(" {"));
    auto known = types.contains(name);
    for (auto suffix : {"_bucket", "_sum", "_count"})
      if (name.ends_with(suffix))
        known = known
                || types.contains(
                  name.substr(0, name.size() - std::string{suffix}.size()));
    CHECK(known);
    auto value = line.substr(line.rfind(' ') + 1);
    CHECK_NOTHROW(std::stod(value));
    // A sample of the same labels twice is an error for who reads it.
    CHECK(samples.insert(line.substr(0, line.rfind(' '))).second);
  }
  CHECK(helps.size() == types.size());
}

TEST_CASE("metrics tell of queues, workers and the node") {
  auto text = render_metrics(sample());
  CHECK(text.find(R"(queue="mail",state="ready"} 7)") != std::string::npos);
  CHECK(line_with(text, "muster_worker_running_jobs{")
        == R"(muster_worker_running_jobs{worker="w"} 2)");
  CHECK(line_with(text, "muster_uptime_seconds").ends_with(" 6"));
  CHECK(find_sample(text, applied_entries_metric) == 1'234);
  CHECK(is_metrics_of(text, "abc"));
  CHECK(!is_metrics_of(text, "ab"));
  CHECK(!is_metrics_of(text, "abcd"));
}

TEST_CASE("a queue beyond the limit is only counted") {
  auto figures = sample();
  figures.queues.clear();
  for (std::size_t i = 0; i < max_measured_queues + 1; ++i)
    figures.queues.emplace_back().name = fmt::format("q{:04}", i);
  auto text = render_metrics(figures);
  CHECK(text.find(R"("q0999")") != std::string::npos);
  CHECK(text.find(R"("q1000")") == std::string::npos);
}

TEST_CASE("a sample is found by its whole name") {
  std::string text = "# HELP a_b x\na_bc 3\na_b{l=\"1\"} 4\na_b 5\nbad x\n";
  CHECK(find_sample(text, "a_b") == 5);
  CHECK(find_sample(text, "a_bc") == 3);
  CHECK(!find_sample(text, "a"));
  CHECK(!find_sample(text, "bad"));
  CHECK(!find_sample("", "a_b"));
}
