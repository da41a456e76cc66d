#include "actors/local_node.hpp"

#include <catch2/catch_session.hpp>

int main(int argc, char** argv) {
  muster::register_message_types();
  return Catch::Session().run(argc, argv);
}
