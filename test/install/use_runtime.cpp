#include "runtime/runtime.hpp"

int main() {
  muster::runtime_options options;
  return muster::runtime::open(std::move(options)) ? 1 : 0;
}
