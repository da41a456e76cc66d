#include "runtime/metrics.hpp"

#include "muster_version.hpp"
#include "runtime/http_metrics.hpp"
#include "runtime/http_text.hpp"

#include <fmt/format.h>

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <span>
#include <system_error>

namespace muster {

namespace {

/// Appends lines of Prometheus text.
class writer {
public:
  explicit writer(std::string& out) : out_(out) {
    // nop
  }

  template <class Number>
  void one(std::string_view name, std::string_view type, std::string_view help,
           Number value) {
    render_head(out_, name, type, help);
    fmt::format_to(std::back_inserter(out_), "{} {}\n", name, value);
  }

  void head(std::string_view name, std::string_view type,
            std::string_view help) {
    render_head(out_, name, type, help);
  }

  template <class Number>
  void sample(std::string_view name, std::string_view labels, Number value) {
    fmt::format_to(std::back_inserter(out_), "{}{{{}}} {}\n", name, labels,
                   value);
  }

  void durations(std::string_view name, std::string_view help,
                 const histogram::snapshot& data) {
    render_head(out_, name, "histogram", help);
    render_histogram(out_, name, {}, data);
  }

  /// Of counts or bytes, where `durations` is of microseconds.
  void amounts(std::string_view name, std::string_view help,
               const histogram::snapshot& data) {
    render_head(out_, name, "histogram", help);
    auto to = std::back_inserter(out_);
    std::uint64_t total = 0;
    for (std::size_t i = 0; i + 1 < histogram::bucket_count; ++i) {
      total += data.buckets[i];
      if (i % 2 == 0)
        fmt::format_to(to, "{}_bucket{{le=\"{}\"}} {}\n", name,
                       std::uint64_t{1} << i, total);
    }
    fmt::format_to(to,
                   "{0}_bucket{{le=\"+Inf\"}} {1}\n{0}_sum {2}\n"
                   "{0}_count {1}\n",
                   name, data.count(), data.sum);
  }

  std::string& out() {
    return out_;
  }

private:
  std::string& out_;
};

double seconds(millis value) {
  return static_cast<double>(value.count()) / 1e3;
}

void render_queues(writer& to, const node_figures& figures) {
  std::span queues{figures.queues.data(),
                   std::min(figures.queues.size(), max_measured_queues)};
  to.one("muster_queues_left_out", "gauge",
         "1 if there are more queues than the first 1000 by name shown here.",
         queues.size() < figures.queues.size() ? 1 : 0);
  to.head("muster_queue_jobs", "gauge", "Jobs by queue and state.");
  for (auto& queue : queues)
    for (std::size_t i = 0; i < job_state_count; ++i)
      to.sample("muster_queue_jobs",
                fmt::format("queue=\"{}\",state=\"{}\"", queue.name,
                            to_string(static_cast<job_state>(i))),
                queue.depth[i]);
  to.head("muster_queue_oldest_ready_seconds", "gauge",
          "Age of the oldest ready job of the highest waiting priority.");
  for (auto& queue : queues)
    if (queue.oldest_ready)
      to.sample("muster_queue_oldest_ready_seconds",
                fmt::format("queue=\"{}\"", queue.name),
                seconds(std::max(figures.now - *queue.oldest_ready, millis{})));
  using total = std::uint64_t queue_info::*;
  struct counter {
    const char* name;
    const char* help;
    total value;
  };
  constexpr counter counters[] = {
    {"muster_jobs_enqueued_total", "Jobs put into queues.",
     &queue_info::enqueued_total},
    {"muster_jobs_leased_total", "Attempts begun.", &queue_info::leased_total},
    {"muster_jobs_succeeded_total", "Jobs with a recorded result.",
     &queue_info::succeeded_total},
    {"muster_attempts_failed_total", "Failed attempts.",
     &queue_info::failed_total},
    {"muster_jobs_dead_total", "Jobs that used up their attempts.",
     &queue_info::dead_total},
    {"muster_jobs_cancelled_total", "Jobs cancelled or expired.",
     &queue_info::cancelled_total},
    {"muster_leases_expired_total", "Leases that nobody extended.",
     &queue_info::expired_leases_total},
  };
  for (auto& each : counters) {
    to.head(each.name, "counter", each.help);
    for (auto& queue : queues)
      to.sample(each.name, fmt::format("queue=\"{}\"", queue.name),
                queue.*each.value);
  }
}

void render_journal(writer& to, const node_figures& figures) {
  auto& j = figures.journal;
  to.one(applied_entries_metric, "counter",
         "Entries applied since the store's beginning.", j.applied);
  to.one("muster_log_entries_total", "counter", "Entries written to the log.",
         j.entries);
  to.one("muster_log_commands_total", "counter", "Commands in these entries.",
         j.commands);
  to.one("muster_log_written_bytes_total", "counter", "Bytes of these entries.",
         j.log_bytes);
  to.amounts("muster_log_entry_bytes", "Size of these entries.",
             j.log_write_bytes);
  to.amounts("muster_log_entry_commands", "Commands in an entry.",
             j.commands_per_entry);
  to.durations("muster_log_write_duration_seconds",
               "Time to have an entry on disk.", j.log_write_us);
  to.durations("muster_log_apply_duration_seconds",
               "Time to apply an entry to the store.", j.apply_us);
  to.one("muster_log_snapshots_total", "counter", "Times the log was cut.",
         j.snapshots);
  to.durations("muster_store_commit_duration_seconds",
               "Time of a commit of the store with its flush.", j.commit_us);
  to.one("muster_journal_waiting_commands", "gauge",
         "Commands without an answer yet.", j.waiting);
  to.one("muster_journal_refused_commands_total", "counter",
         "Commands refused before the log: busy, or no room.", j.refused);
  to.one("muster_store_used_bytes", "gauge", "Bytes in use of the store.",
         figures.usage.used);
  to.one("muster_store_map_bytes", "gauge", "The store's largest size.",
         figures.usage.map_size);
}

void render_worker(writer& to, const node_figures& figures) {
  to.head("muster_worker_running_jobs", "gauge", "Jobs that run, by worker.");
  for (auto& worker : figures.workers)
    to.sample("muster_worker_running_jobs",
              fmt::format("worker=\"{}\"", worker.name), worker.running);
  to.head("muster_worker_held_leases", "gauge",
          "Leases that a worker holds, running or waiting.");
  for (auto& worker : figures.workers)
    to.sample("muster_worker_held_leases",
              fmt::format("worker=\"{}\"", worker.name), worker.held);
  to.head("muster_worker_threads", "gauge", "Jobs that may run at once.");
  for (auto& worker : figures.workers)
    to.sample("muster_worker_threads",
              fmt::format("worker=\"{}\"", worker.name), worker.concurrency);
  to.head("muster_handler_attempts_total", "counter",
          "Attempts of this node's worker by handler and end.");
  for (auto& handler : figures.worker.handlers) {
    std::pair<const char*, std::uint64_t> ends[]
      = {{"succeeded", handler.succeeded},
         {"failed", handler.failed},
         {"timed_out", handler.timed_out},
         {"cancelled", handler.cancelled},
         {"released", handler.released}};
    for (auto& [end, count] : ends)
      to.sample("muster_handler_attempts_total",
                fmt::format("handler=\"{}\",end=\"{}\"", handler.handler, end),
                count);
  }
  to.head("muster_handler_run_duration_seconds", "histogram",
          "How long attempts ran.");
  for (auto& handler : figures.worker.handlers)
    render_histogram(to.out(), "muster_handler_run_duration_seconds",
                     fmt::format("handler=\"{}\"", handler.handler),
                     handler.run_us);
  to.one("muster_worker_stuck_threads", "gauge",
         "Threads given up because a handler did not return.",
         figures.worker.stuck);
  to.one("muster_worker_stuck_threads_total", "counter",
         "Threads ever given up for that reason.", figures.worker.stuck_total);
  to.one("muster_worker_outcome_batches_total", "counter",
         "Batches of outcomes sent to the manager.",
         figures.worker.outcome_batches);
  to.one("muster_worker_outcomes_acknowledged_total", "counter",
         "Outcomes that the manager has recorded.",
         figures.worker.outcomes_acknowledged);
  to.one("muster_worker_outcome_batches_resent_total", "counter",
         "Batches of outcomes sent again.",
         figures.worker.outcome_batches_resent);
  to.one("muster_worker_stale_outcomes_total", "counter",
         "Outcomes that came after the lease had ended.",
         figures.worker.outcomes_stale);
  to.one("muster_worker_outbox_outcomes", "gauge",
         "Outcomes that a worker on another node keeps for its manager.",
         figures.worker.outbox_outcomes);
  to.one("muster_worker_outbox_bytes", "gauge", "Their size.",
         figures.worker.outbox_bytes);
}

void render_supervision(writer& to, const node_figures& figures) {
  using total = std::uint64_t child_counters::*;
  struct counter {
    const char* name;
    const char* help;
    total value;
  };
  constexpr counter counters[] = {
    {"muster_supervisor_child_starts_total", "Times that a child came up.",
     &child_counters::starts},
    {"muster_supervisor_child_restarts_total",
     "Times that a child was started again.", &child_counters::restarts},
    {"muster_supervisor_child_failures_total",
     "Times that a child ended abnormally, could not start or was killed.",
     &child_counters::failures},
  };
  for (auto& each : counters) {
    to.head(each.name, "counter", each.help);
    for (auto& child : figures.children)
      if (!child.child.empty())
        to.sample(each.name,
                  fmt::format("supervisor=\"{}\",child=\"{}\"",
                              child.supervisor, child.child),
                  child.*each.value);
  }
  to.head("muster_supervisor_give_ups_total", "counter",
          "Times that a supervisor gave up.");
  for (auto& child : figures.children)
    if (child.child.empty())
      to.sample("muster_supervisor_give_ups_total",
                fmt::format("supervisor=\"{}\"", child.supervisor),
                child.give_ups);
}

void render_process(writer& to, const node_figures& figures) {
  to.head("muster_build_info", "gauge", "Always 1; the version is a label.");
  to.sample("muster_build_info",
            fmt::format("version=\"{}\",revision=\"{}\"", MUSTER_VERSION,
                        MUSTER_GIT_DESCRIPTION),
            1);
  to.head("muster_node_info", "gauge", "Always 1; the labels say who it is.");
  to.sample("muster_node_info",
            fmt::format("name=\"{}\",incarnation=\"{}\"", figures.name,
                        figures.incarnation),
            1);
  to.one("process_start_time_seconds", "gauge",
         "When the node was started, since 1970.",
         seconds(figures.started.time_since_epoch()));
  to.one("muster_uptime_seconds", "gauge", "Time since the node was started.",
         seconds(std::max(figures.now - figures.started, millis{0})));
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) == 0)
    to.one(
      "process_cpu_seconds_total", "counter",
      "Processor time of the process, user and system.",
      static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
        + static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec)
            / 1e6);
  if (auto* file = std::fopen("/proc/self/statm", "re")) {
    unsigned long total = 0;
    unsigned long resident = 0;
    if (std::fscanf(file, "%lu %lu", &total, &resident) == 2)
      to.one("process_resident_memory_bytes", "gauge",
             "Memory in use, pages of mapped files included.",
             resident * static_cast<unsigned long>(::sysconf(_SC_PAGESIZE)));
    std::fclose(file);
  }
  std::error_code ec;
  std::filesystem::directory_iterator descriptors{"/proc/self/fd", ec};
  if (!ec)
    to.one("process_open_fds", "gauge", "Open file descriptors.",
           std::distance(begin(descriptors), end(descriptors)));
}

} // namespace

std::string render_metrics(const node_figures& figures) {
  std::string out;
  writer to{out};
  render_process(to, figures);
  render_journal(to, figures);
  render_queues(to, figures);
  render_worker(to, figures);
  render_supervision(to, figures);
  return out;
}

std::optional<std::uint64_t> find_sample(std::string_view text,
                                         std::string_view name) noexcept {
  while (!text.empty()) {
    auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.starts_with(name) && line.substr(name.size()).starts_with(' '))
      return parse_unsigned(line.substr(name.size() + 1));
  }
  return std::nullopt;
}

bool is_metrics_of(std::string_view text, std::string_view incarnation) {
  return text.find(fmt::format("incarnation=\"{}\"", incarnation))
         != std::string_view::npos;
}

} // namespace muster
