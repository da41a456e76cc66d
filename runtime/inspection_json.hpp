#pragma once

#include "actors/actor_row.hpp"
#include "actors/message_trace.hpp"
#include "actors/supervisor_info.hpp"
#include "runtime/log_ring.hpp"

#include <span>
#include <string>
#include <string_view>

// What inspection shows, as JSON. Each function appends one value.

namespace muster {

/// `node` is the actor's; `alone`: with what its supervisor knows of it.
void render(std::string& out, const actor_row& row, std::string_view node,
            bool alone);

/// An object whose members end with `node`.
void render(std::string& out, const trace_part& part, std::string_view node);

/// `level` is what is logged at the moment.
void render(std::string& out, const log_ring::part& part, log_level level);

/// The trees as a list; each has its node if that is given.
void render(std::string& out, std::span<const supervisor_info> all,
            std::string_view node);

} // namespace muster
