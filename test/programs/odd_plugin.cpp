// Shared objects that a node must refuse; ODD says which.

#include "actors/plugin.hpp"

#define ODD_NO_ENTRY 1
#define ODD_OLDER 2
#define ODD_NEWER 3
#define ODD_LAYOUT 4
#define ODD_FOREIGN 5
#define ODD_NAME 6
#define ODD_NOTHING 7

namespace wire = muster::plugin::wire;

#if ODD != ODD_NO_ENTRY

extern "C" const wire::description* muster_plugin_description();

namespace {

void run(void*, const wire::attempt*) {
  // No result.
}

const wire::handler handlers[]
  = {{ODD == ODD_NAME ? "no name" : "quiet", nullptr, run}};

wire::description made() {
  wire::description result{wire::magic, muster::plugin::abi_version,
                           wire::size,  "9.8.7",
                           handlers,    ODD == ODD_NOTHING ? 0U : 1U};
  if (ODD == ODD_OLDER)
    --result.abi;
  if (ODD == ODD_NEWER)
    ++result.abi;
  if (ODD == ODD_LAYOUT)
    result.size += 8;
  if (ODD == ODD_FOREIGN)
    result.abi_magic = 0;
  return result;
}

} // namespace

extern "C" const wire::description* muster_plugin_description() {
  static const auto result = made();
  return &result;
}

#endif
