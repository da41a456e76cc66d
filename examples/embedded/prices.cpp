// Muster within a program: durable jobs, without a server.
//
//     prices [DIRECTORY]

// [program]
#include "runtime/runtime.hpp"

#include <cstdio>

struct order {
  std::string item;
  int count = 0;
  MSGPACK_DEFINE_MAP(item, count)
};

struct receipt {
  std::string text;
  int cents = 0;
  MSGPACK_DEFINE_MAP(text, cents)
};

muster::expected<receipt> price(const order& order) {
  if (order.count < 1)
    return muster::fail_with(muster::errc::invalid_argument, "count: too few");
  return receipt{std::to_string(order.count) + " " + order.item,
                 250 * order.count};
}

int main(int argc, char** argv) {
  muster::runtime_options options;
  options.directory = argc > 1 ? argv[1] : "prices-data";
  options.handlers["price"] = muster::typed_handler<order>(price);
  auto jobs = muster::runtime::open(std::move(options));
  if (!jobs)
    return std::fprintf(stderr, "%s\n", jobs.error().message.c_str()), 1;

  auto id = jobs->enqueue("price", order{"cups of tea", 3}); // on disk by now
  if (!id)
    return std::fprintf(stderr, "%s\n", id.error().message.c_str()), 1;
  auto done = jobs->wait<receipt>(*id, std::chrono::seconds{30});
  if (!done)
    return std::fprintf(stderr, "%s\n", done.error().message.c_str()), 1;
  std::printf("%s: %d cents\n", done->text.c_str(), done->cents);
}
// [program]
