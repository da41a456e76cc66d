#pragma once

#include "actors/cluster_board.hpp"
#include "actors/supervisor_info.hpp"
#include "actors/worker_info.hpp"
#include "persistence/command.hpp"
#include "persistence/store_view.hpp"

#include <span>
#include <string>

// What the HTTP interface says of Muster's things. Each function appends one
// JSON value.

namespace muster {

/// Per second, over the last seconds.
struct queue_rates {
  double enqueued = 0;
  double finished = 0;
  double failed = 0;
};

void render(std::string& out, const job_info& job);
/// With the size of its payload, as lists of a queue's jobs show it.
void render(std::string& out, const job_info& job, std::size_t payload_bytes);
/// With its attempts, too.
void render(std::string& out, const job_info& job, std::size_t payload_bytes,
            const attempt_list& attempts);
/// A leased job as its lease.
void render_lease(std::string& out, const job_info& job);
void render(std::string& out, const leased_job& lease);
void render(std::string& out, const queue_info& queue, const queue_rates& rates,
            timestamp now);
void render(std::string& out, const queue_settings& settings);
void render(std::string& out, const worker_info& worker, timestamp now);
/// `worker` is the node's worker as the manager sees it; null if it has none.
void render(std::string& out, const node_info& info, const worker_info* worker,
            timestamp now);

/// A supervisor with those below it, which are found among `all`.
void render(std::string& out, const supervisor_info& supervisor,
            std::span<const supervisor_info> all);

} // namespace muster
