// A program that uses a node on another machine: it puts jobs into a queue, and
// runs jobs of another queue itself.
//
//     mailer [PORT]

// [program]
#include "runtime/remote_client.hpp"

#include <cstdio>
#include <cstdlib>

using namespace std::chrono_literals;

int main(int argc, char** argv) {
  muster::remote_client_options options;
  if (argc > 1)
    options.port = static_cast<std::uint16_t>(std::atoi(argv[1]));
  auto node = muster::remote_client::make(options);
  if (!node)
    return std::fprintf(stderr, "%s\n", node.error().message.c_str()), 1;

  // A job for somebody else, and one for ourselves; neither call blocks.
  auto echo = node->enqueue_bytes_async("echo", "hello");
  auto mail = node->enqueue_bytes_async("mail", "to: me");
  auto id = echo.get();
  if (!id)
    return std::fprintf(stderr, "%s\n", id.error().message.c_str()), 1;
  auto result = node->wait_bytes_async(*id, 30s);

  auto leases
    = node->lease("mail", {.max = 10, .wait = 20s, .worker = "mailer"});
  if (!leases)
    return std::fprintf(stderr, "%s\n", leases.error().message.c_str()), 1;
  for (auto& lease : *leases) {
    std::printf("sending '%s'\n", lease.payload.c_str());
    if (auto done = node->complete(lease, "sent"); !done)
      std::fprintf(stderr, "not recorded: %s\n", done.error().message.c_str());
  }
  std::printf("echo says '%s'\n", result.get().value_or("nothing").c_str());
}
// [program]
