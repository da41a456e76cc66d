#pragma once

#include <span>

// The subcommands of the program `muster`. Each takes the arguments after its
// name and returns the program's exit status: 0, 1 if it failed, 2 if it was
// called wrongly.

namespace muster {

using arguments = std::span<const char* const>;

int run_node(arguments args);
int run_shell(arguments args);
int run_enqueue(arguments args);
int run_backup(arguments args);
int run_demo(arguments args);
int run_bench(arguments args);
int run_certs(arguments args);
int run_version(arguments args);

} // namespace muster
