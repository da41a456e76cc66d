#include "runtime/node_config.hpp"

#include <caf/io/middleman.hpp>

// The settings of `muster node` by name, and their help.

namespace muster {

node_config::node_config() {
  load<caf::io::middleman>();
  set_scheduler_defaults(*this);
  // Only a file that is asked for is read.
  config_file_path.clear();
  opt_group{custom_options_, "global"}
    .add(raw_.roles, "roles", "manager, worker")
    .add(raw_.name, "name", "the node's name")
    .add(raw_.data_dir, "data-dir", "store, log, node.json")
    .add(raw_.http_address, "http-address", "IP address for HTTP")
    .add(raw_.http_port, "http-port", "port for HTTP")
    .add(raw_.node_address, "node-address", "IP address for other nodes")
    .add(raw_.node_port, "node-port", "port for other nodes")
    .add(raw_.strict_ports, "strict-ports", "an occupied port is an error")
    .add(raw_.exit_with_stdin, "exit-with-stdin",
         "end when the standard input does")
    .add(raw_.worker_processes, "worker-processes",
         "processes that run jobs: a number, or auto")
    .add(raw_.worker_process, "worker-process",
         "for processes that a node makes itself")
    .add(raw_.insecure, "insecure", "listen beyond loopback unprotected")
    .add(raw_.http_token_file, "http-token-file", "tokens of HTTP clients")
    .add(raw_.http_certificate, "http-certificate", "certificate for HTTPS")
    .add(raw_.http_key, "http-key", "the certificate's key")
    .add(raw_.node_ca, "node-ca", "authority of nodes' certificates")
    .add(raw_.node_certificate, "node-certificate", "this node's certificate")
    .add(raw_.node_key, "node-key", "the certificate's key")
    .add(raw_.join, "join", "nodes to join")
    .add(raw_.node_advertise, "node-advertise", "how others reach this node")
    .add(raw_.node_heartbeat, "node-heartbeat",
         "how often nodes tell they live")
    .add(raw_.node_timeout, "node-timeout", "silence that ends a connection")
    .add(raw_.concurrency, "concurrency", "jobs that run at once")
    .add(raw_.queues, "queues", "queues that the worker serves")
    .add(raw_.handlers, "handlers", "shared objects with handlers")
    .add(raw_.lease_ttl, "lease-ttl", "time until an unextended lease expires")
    .add(raw_.heartbeat, "heartbeat", "how often leases are extended")
    .add(raw_.lease_grace, "lease-grace", "time for workers after a start")
    .add(raw_.drain_timeout, "drain-timeout",
         "time for running jobs at the end")
    .add(raw_.log_level, "log-level", "debug, info, warning, error")
    .add(raw_.log_format, "log-format", "text, json")
    .add(raw_.map_size, "map-size", "the largest size of the store")
    .add(raw_.segment_size, "segment-size", "size of the log's files")
    .add(raw_.snapshot_bytes, "snapshot-bytes", "log size at which it is cut")
    .add(raw_.store_reserve, "store-reserve", "room kept free in the store")
    .add(raw_.disk_reserve, "disk-reserve", "room kept free on the disk")
    .add(raw_.commit_interval, "commit-interval", "age of an open transaction")
    .add(raw_.max_payload, "max-payload", "largest payload")
    .add(raw_.max_result, "max-result", "largest result")
    .add(raw_.max_batch_body, "max-batch-body", "largest batch")
    .add(raw_.max_bodies, "max-bodies", "all requests' bodies together")
    .add(raw_.max_outbox, "max-outbox", "outcomes that a worker keeps")
    .add(raw_.http_threads, "http-threads", "threads that serve HTTP")
    .add(raw_.max_connections, "max-connections", "HTTP connections at once");
}

std::string_view node_config::help() {
  return R"(muster node [--SETTING=VALUE ...]

Starts a node. The same names work in the file given by --config-file=FILE
(CAF's syntax: name = "value").

  --roles=manager,worker      what the node does
  --name=NAME                 default: host name and a short id, kept
  --data-dir=./muster-data    store, log, node.json; used by one process
  --http-address=127.0.0.1    HTTP; an occupied port gives way to the next
  --http-port=8420            free one; 0 lets the system choose
  --node-address=127.0.0.1    traffic between nodes; same rule
  --node-port=8421
  --join=HOST:PORT,...        other nodes; a worker needs a manager's
  --node-advertise=HOST:PORT  how others reach this node, where that differs
                              from node-address
  --node-heartbeat=1s         how often nodes tell each other that they live
  --node-timeout=4s           silence after which a node counts as gone
  --strict-ports              an occupied port is an error instead
  --exit-with-stdin           end when the standard input does: for a parent
                              that holds the other end of a pipe
  --http-token-file=FILE      who may do what over HTTP; lines of NAME SECRET
                              SCOPE,SCOPE (read, enqueue, work, admin)
  --http-certificate=FILE     HTTPS instead of HTTP: the certificate (PEM, with
  --http-key=FILE             its chain) and its key; TLS 1.2 or later
  --node-ca=FILE              TLS between nodes: the authority whose
  --node-certificate=FILE     certificates are good, this node's certificate
  --node-key=FILE             and its key (PEM; see 'muster certs --help')
  --insecure                  listen beyond loopback without protection
  --concurrency=N             jobs that run at once; default: cores
  --worker-processes=N        processes that run the jobs, so that one which
                              crashes takes only its own with it; 0: the node
                              runs them itself; default: as many as concurrency
                              and at most 4 if there are handlers that are not
                              built in, else 0
  --queues=A,B                queues that the worker serves; default: all
  --handlers=FILE,...         plug-ins to load: shared objects with handlers
  --lease-ttl=30s             time until an unextended lease expires
  --heartbeat=10s             how often leases are extended; default: ttl / 3
  --lease-grace=5s            time that workers get to find a manager that
                              started again, before leases expire
  --drain-timeout=30s         time that running jobs get at SIGTERM
  --log-level=info            debug, info, warning, error
  --log-format=text           text, json
  --map-size=1TiB             the largest size of the store (sparse)
  --segment-size=32MiB        size of the log's preallocated files
  --snapshot-bytes=48MiB      log size at which it is cut
  --store-reserve=SIZE        room of the store kept for results and purges;
                              default: an eighth, at most 256MiB
  --disk-reserve=SIZE         disk space kept free; default: three segments
                              and 64MiB
  --commit-interval=100ms     how old lists and statistics may be
  --max-payload=16MiB         largest payload of a job
  --max-result=16MiB          largest result of a job
  --max-batch-body=32MiB      largest batch of jobs
  --max-bodies=512MiB         bodies of all requests together
  --max-outbox=256MiB         outcomes that a worker on another node keeps
                              while it cannot reach its manager
  --http-threads=1            threads that serve HTTP
  --max-connections=10000     HTTP connections at once

External commands as handlers stand in the configuration file only; the payload
comes on standard input, the result goes to standard output, exit status 0 is
success:

  exec.handlers.wordcount = ["wc", "-w"]

Tokens may stand there too, as hashes (of `printf %s SECRET | sha256sum`) or, if
the file is its owner's alone (chmod 600), as they are:

  http.tokens.ci = ["sha256:2bb80d53...", "enqueue", "read"]

CAF's own settings are there too, such as --caf.scheduler.max-threads=4.

When it serves, a node prints one line and writes the same facts to node.json in
its data directory:

  muster node NAME ready http=127.0.0.1:8420 node=127.0.0.1:8421 roles=...

SIGTERM and SIGINT let running jobs finish, or hand them back, and end with exit
status 0; a second one ends at once. Exit status 1: it could not start, or gave
up. Exit status 2: a wrong setting.

Examples:

  muster node
  muster node --data-dir=/var/lib/muster --concurrency=8 --log-format=json
  muster node --config-file=muster.conf --http-port=0
)";
}

} // namespace muster
