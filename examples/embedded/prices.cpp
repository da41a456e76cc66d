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

muster::expected<int> price(const order& order) {
  if (order.count < 1)
    return muster::fail_with(muster::errc::invalid_argument, "count: too few");
  return 250 * order.count;
}

int fail(const muster::error& why) {
  std::fprintf(stderr, "%s\n", why.message.c_str());
  return 1;
}

int main(int argc, char** argv) {
  muster::runtime_options options;
  options.directory = argc > 1 ? argv[1] : "prices-data";
  options.handlers["price"] = muster::typed_handler<order>(price);
  auto jobs = muster::runtime::open(std::move(options));
  if (!jobs)
    return fail(jobs.error());
  auto id = jobs->enqueue("price", order{"tea", 3}); // on disk by now
  if (!id)
    return fail(id.error());
  auto cents = jobs->wait<int>(*id, std::chrono::seconds{30});
  if (!cents)
    return fail(cents.error());
  std::printf("tea: %d cents\n", *cents);
}
// [program]
