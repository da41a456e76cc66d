#include "runtime/latency_record.hpp"

#include "runtime/bench_report.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace muster;
using namespace std::chrono_literals;

TEST_CASE("percentiles are values that were recorded") {
  latency_record record;
  for (int i = 1'000; i > 0; --i)
    record.add(i * 1us);
  auto summary = record.summary();
  CHECK(summary.count == 1'000);
  CHECK(summary.p50 == 500us);
  CHECK(summary.p90 == 900us);
  CHECK(summary.p99 == 990us);
  CHECK(summary.p999 == 999us);
  CHECK(summary.max == 1ms);
}

TEST_CASE("percentiles of one value are that value, of none zero") {
  latency_record record;
  CHECK(record.summary().p99 == 0ns);
  record.add(42us);
  CHECK(record.summary().p50 == 42us);
  CHECK(record.summary().max == 42us);
  CHECK(record.percentile(0) == 42us);
}

TEST_CASE("latencies out of range are kept at its ends") {
  latency_record record;
  record.add(-5us);
  record.add(24h);
  CHECK(record.percentile(0) == 0ns);
  CHECK(record.percentile(1) > 7min);
}

TEST_CASE("latency records can be joined") {
  latency_record first;
  latency_record second;
  first.add(1us);
  second.add(3us);
  second.add(2us);
  first.add(second);
  CHECK(first.count() == 3);
  CHECK(first.percentile(0.5) == 2us);
}

TEST_CASE("a row of a benchmark shows figures with three digits") {
  CHECK(render_number(0.1234) == "0.123");
  CHECK(render_number(1.234) == "1.23");
  CHECK(render_number(12.34) == "12.3");
  CHECK(render_number(123.4) == "123");
  CHECK(render_number(12'345.6) == "12,346");
  CHECK(render_number(-2'000) == "-2,000");
}

TEST_CASE("a row of a benchmark is aligned with its header") {
  bench_row row;
  row.scenario = "enqueue";
  row.variant = "one job a request";
  row.connections = 64;
  row.jobs = 100'000;
  row.seconds = 4;
  auto header = render_header();
  auto line = render_row(row);
  CHECK(line.size() == header.size());
  CHECK(line.find("25,000") + 6 == header.find("jobs/s") + 6);
  row.note = "first error: 503";
  CHECK(render_row(row).find("\n") == header.size());
}

TEST_CASE("a row of a benchmark is one line of JSON") {
  bench_row row;
  row.scenario = "drain";
  row.jobs = 10;
  row.seconds = 2;
  row.facts = {{"rss_anon_mib", 1.5}};
  row.note = "a \"note\"";
  auto json = render_json(row);
  CHECK(json.find('\n') == std::string::npos);
  CHECK(json.find(R"("jobs_per_second":5.0)") != std::string::npos);
  CHECK(json.find(R"("rss_anon_mib":1.5)") != std::string::npos);
  CHECK(json.find(R"(a \"note\")") != std::string::npos);
  CHECK(json.find("p50") == std::string::npos);
}
