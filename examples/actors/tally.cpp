// An actor of the program's own with a durable mailbox.
//
//     tally [DIRECTORY]

// [program]
#include "runtime/actor_queue.hpp"

#include <caf/scoped_actor.hpp>
#include <caf/stateful_actor.hpp>

#include <cstdio>
#include <map>

using namespace std::chrono_literals;

struct tally_state {
  std::map<std::string, int> sums;
};

caf::behavior tally(caf::stateful_actor<tally_state>* self) {
  return {
    [self](const std::string& name, int amount) {
      return self->state.sums[name] += amount; // the job's result
    },
  };
}

int main(int argc, char** argv) {
  muster::runtime_options options;
  options.directory = argc > 1 ? argv[1] : "tally-data";
  muster::actor_queue queue{
    "tally", [](caf::actor_system& system) { return system.spawn(tally); }};
  queue.add_to(options);
  auto jobs = muster::runtime::open(std::move(options));
  if (!jobs)
    return std::fprintf(stderr, "%s\n", jobs.error().message.c_str()), 1;
  auto mailbox = queue.open(*jobs);
  if (!mailbox)
    return std::fprintf(stderr, "%s\n", mailbox.error().message.c_str()), 1;

  caf::scoped_actor self{jobs->system()};
  for (auto amount : {3, 4})
    self->request(*mailbox, 30s, "tea", amount)
      .receive(
        [&](const std::string& id) { // the message is on disk
          auto sum = queue.answer(*jobs, muster::parse_job_id(id).value(), 30s);
          if (sum)
            std::printf("tea: %d\n", sum->get_as<int>(0));
        },
        [](const caf::error& why) {
          std::fprintf(stderr, "not sent: %s\n", to_string(why).c_str());
        });
}
// [program]
