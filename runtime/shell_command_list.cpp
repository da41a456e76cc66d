#include "runtime/shell_commands.hpp"

#include <vector>

namespace muster {

namespace {

using enum word_kind;
using enum command_effect;

constexpr option_spec limit_option{"limit", count, "at most this many (100)"};
constexpr option_spec node_option{"node", node, "of this node"};

std::vector<command_spec> cluster_commands() {
  return {
    {"nodes",
     "nodes of the cluster, where they are and how they do",
     reads,
     {},
     {},
     "",
     {"nodes"}},
    {"tree",
     "supervision trees: who runs, since when, what was restarted",
     reads,
     {{"NODE", node, true}},
     {},
     "",
     {"tree", "tree worker-1"}},
    {"actors",
     "actors with their mailboxes and what they did",
     reads,
     {},
     {{"sort", sorting, "mailbox, busy, messages or name"},
      limit_option,
      node_option},
     "",
     {"actors", "actors --sort=busy --limit=10"}},
    {"top",
     "the busiest actors, live",
     reads,
     {},
     {{"sort", sorting, "busy, mailbox, messages or name"},
      limit_option,
      node_option,
      {"every", duration, "time between two looks (1s), at most 10s"}},
     "q or Ctrl-C ends it; m, b, s and n sort by mailbox, busy time, messages\n"
     "and name. Without a terminal it looks once.",
     {"top", "top --sort=mailbox --every=2s"}},
    {"actor",
     "everything about one actor",
     reads,
     {{"NAME", actor}},
     {node_option},
     "",
     {"actor node/manager"}},
    {"state",
     "what an actor says of its state",
     reads,
     {{"NAME", actor}},
     {node_option},
     "",
     {"state node/manager", "state node/worker --node=worker-1"}},
    {"trace",
     "messages of an actor as it handles them",
     reads,
     {{"NAME", actor}, {"N|N/DURATION", rate, true}},
     {node_option, {"for", duration, "ends after this time (30s)"}},
     "Ends after N messages (10), or shows at most N in each DURATION until "
     "the\n"
     "time is over; Ctrl-C ends it earlier. Messages may hold payloads, so "
     "that\n"
     "the token needs the scope admin.",
     {"trace node/manager", "trace node/worker 100",
      "trace node/manager 5/1s --for=1m"}},
    {"workers",
     "workers that the manager knows",
     reads,
     {},
     {},
     "",
     {"workers"}},
    {"worker",
     "everything about one worker",
     reads,
     {{"NAME", worker}},
     {},
     "",
     {"worker worker-1"}},
    {"metrics",
     "figures whose names begin with PREFIX",
     reads,
     {{"PREFIX", text, true}},
     {limit_option},
     "",
     {"metrics muster_queue", "metrics process"}},
    {"log",
     "log lines as they are written",
     reads,
     {{"LEVEL", log_level, true}},
     {node_option,
      {"limit", count, "earlier lines to begin with (20)"},
      {"once", flag, "only those that are there, then end"},
      {"set", log_level, "has the node log this and above", changes}},
     "Ctrl-C ends it. Without a terminal it shows what there is and ends. "
     "LEVEL "
     "is\n"
     "what is shown of what the node logs; --set changes what it logs, until "
     "it\n"
     "ends, and shows nothing.",
     {"log", "log warning --once", "log debug --node=worker-1",
      "log --set=debug --node=worker-1"}},
  };
}

std::vector<command_spec> job_commands() {
  return {
    {"queues",
     "queues with their depth and rates",
     reads,
     {},
     {limit_option},
     "",
     {"queues"}},
    {"queue",
     "one queue: depth, totals, rates, settings",
     reads,
     {{"QUEUE", queue}},
     {},
     "",
     {"queue mail"}},
    {"jobs",
     "jobs of a queue",
     reads,
     {{"QUEUE", queue}},
     {{"state", job_state, "only those in this state"},
      limit_option,
      {"after", text, "where an earlier list ended"}},
     "",
     {"jobs mail", "jobs mail --state=dead --limit=20"}},
    {"job",
     "one job: its attempts, who runs it, why it failed",
     reads,
     {{"ID", job}},
     {{"bytes", size, "of the payload to show (256)"}},
     "Of the payload only the beginning is shown.",
     {"job 17", "job 17 --bytes=4KiB"}},
    {"result",
     "a job's result, or why there is none",
     reads,
     {{"ID", job}},
     {{"bytes", size, "of it to show (1KiB)"},
      {"all", flag, "all of it; as it is where that is no terminal"},
      {"wait", duration, "for the job's end"}},
     "",
     {"result 17", "result 17 --wait=30s", "result 17 --all"}},
    {"leases",
     "jobs that run now, and until when their workers may",
     reads,
     {},
     {{"queue", queue, "only of this queue"},
      {"worker", worker, "only of this worker"},
      limit_option,
      {"after", text, "where an earlier list ended"}},
     "",
     {"leases", "leases --worker=worker-1"}},
  };
}

std::vector<command_spec> changing_commands() {
  return {
    {"enqueue",
     "put a job into a queue",
     changes,
     {{"QUEUE", queue}, {"PAYLOAD", text, true}},
     {{"file", text, "takes the payload from a file"},
      {"handler", handler, "who runs it (the queue's name)"},
      {"priority", priority, "0 to 255, higher first (100)"},
      {"delay", duration, "not before this time has passed"},
      {"max-attempts", number, "failures until it is dead (5)"},
      {"timeout", duration, "of one attempt (60s)"},
      {"ttl", duration, "cancelled if not begun within this"}},
     "",
     {"enqueue echo hello",
      "enqueue mail 'to: me' --delay=10s --handler=post"}},
    {"cancel",
     "cancel a job, also while it runs",
     changes,
     {{"ID", job}},
     {},
     "",
     {"cancel 17"}},
    {"retry",
     "put a dead job back",
     changes,
     {{"ID", job}},
     {},
     "",
     {"retry 17"}},
    {"purge",
     "remove all jobs of one state for good",
     changes,
     {{"QUEUE", queue}, {"STATE", final_state}},
     {},
     "",
     {"purge mail dead"}},
    {"pause",
     "give out no more jobs of a queue",
     changes,
     {{"QUEUE", queue}},
     {},
     "",
     {"pause mail"}},
    {"resume",
     "give them out again",
     changes,
     {{"QUEUE", queue}},
     {},
     "",
     {"resume mail"}},
    {"set",
     "change a queue's setting",
     changes,
     {{"QUEUE", queue}, {"KEY", setting}, {"VALUE", text}},
     {},
     "max_depth, max_running and rate: 0 is no limit; dead_letter: none ends "
     "it.",
     {"set mail max_running 20", "set mail retention 2h",
      "set mail backoff.min 500ms", "set mail dead_letter none"}},
    {"restart",
     "end an actor; its supervisor starts it again",
     changes,
     {{"ACTOR", actor}},
     {node_option},
     "",
     {"restart node/worker"}},
    {"stop",
     "end an actor, which stays down until `restart`",
     changes,
     {{"ACTOR", actor}},
     {node_option},
     "",
     {"stop node/worker"}},
    {"kill",
     "kill an actor without its supervisor's knowledge",
     changes,
     {{"ACTOR", actor}},
     {node_option},
     "For trying what supervision does.",
     {"kill node/manager"}},
    {"drain",
     "have a node finish or hand back its jobs, and end",
     changes,
     {{"NODE", node}},
     {},
     "",
     {"drain worker-1"}},
  };
}

std::vector<command_spec> shell_own_commands() {
  return {
    {"enable",
     "allow commands that change something",
     local,
     {},
     {},
     "Until then they are refused. `muster shell --write` allows them from "
     "the\n"
     "start. The node decides by the token's scopes: changes need admin, "
     "`enqueue`\n"
     "needs enqueue.",
     {"enable"}},
    {"disable", "refuse them again", local, {}, {}, "", {"disable"}},
    {"connect",
     "talk to another node",
     local,
     {{"HOST:PORT", address}},
     {},
     "Of its HTTP or its node address; https://HOST:PORT for TLS.",
     {"connect 127.0.0.1:8420", "connect https://jobs.example:8420"}},
    {"help",
     "commands, or all about one",
     local,
     {{"COMMAND", command, true}},
     {},
     "",
     {"help", "help jobs"}},
    {"quit", "leave", local, {}, {}, "Ctrl-D does the same.", {"quit"}},
  };
}

} // namespace

const std::vector<command_spec>& shell_commands() {
  static const auto all = [] {
    auto result = cluster_commands();
    for (auto* more :
         {&job_commands, &changing_commands, &shell_own_commands}) {
      auto commands = (*more)();
      result.insert(result.end(), commands.begin(), commands.end());
    }
    return result;
  }();
  return all;
}

} // namespace muster
