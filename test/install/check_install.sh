#!/usr/bin/env bash
# check_install.sh SOURCE_DIR BUILD_DIR: installs what BUILD_DIR has built and
# shows that programs outside the tree can use it: with find_package, each layer
# alone, with pkg-config, and with the sources in a project of theirs.
set -euo pipefail

source=$(cd "$1" && pwd)
build=$(cd "$2" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
prefix=$scratch/prefix
# What Muster was found by must not be what its users need.
unset MUSTER_PREFIX_PATH

quietly() {
  "$@" >"$scratch/log" 2>&1 || {
    cat "$scratch/log"
    echo "failed: $*"
    exit 1
  }
}

quietly cmake --install "$build" --prefix "$prefix"
"$prefix/bin/muster" version >/dev/null

cp -r "$source/test/install" "$scratch/consumer"
cp -r "$source/examples" "$scratch/examples"
quietly cmake -G Ninja -S "$scratch/consumer" -B "$scratch/build" \
  -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_CXX_STANDARD=20 \
  -DEXAMPLES_DIR="$scratch/examples"
quietly cmake --build "$scratch/build"
for layer in persistence actors runtime; do
  quietly "$scratch/build/use_$layer"
done
got=$(cd "$scratch" && "$scratch/build/examples/muster_example_prices")
[[ $got == "tea: 750 cents" ]] || {
  echo "the example says: $got"
  exit 1
}
echo "find_package: good"

export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
# shellcheck disable=SC2046 # flags
quietly c++ -Wall -Wextra -Wpedantic -Werror \
  "$scratch/examples/embedded/prices.cpp" -o "$scratch/prices" \
  $(pkg-config --cflags --libs muster)
got=$(cd "$scratch" && "$scratch/prices")
[[ $got == "tea: 750 cents" ]]
echo "pkg-config: good"

# To build all of it would take minutes: it is told whether it can be.
caf=$(sed -n 's/^CAF_DIR:PATH=//p' "$build/CMakeCache.txt")
quietly cmake -G Ninja -S "$scratch/consumer" -B "$scratch/around" \
  -DCMAKE_PREFIX_PATH="${caf%/lib/cmake/CAF}" -DMUSTER_SOURCE_DIR="$source"
echo "add_subdirectory: good"
