#pragma once

// What a source with Boost.Asio's coroutines includes before anything else of
// Boost. Private to the server.

// Boost 1.74 forgets this one.
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
