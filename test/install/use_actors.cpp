#include "actors/child_process.hpp"
#include "actors/local_node.hpp"
#include "actors/plugin_loader.hpp"

int main() {
  muster::register_message_types();
  muster::handler_registry handlers;
  muster::add_builtin_handlers(handlers);
  return muster::load_plugin("absent.so", handlers) ? 1 : 0;
}
