#!/usr/bin/env bash
# Has everything that Muster is built with on this machine, and prints the
# prefix where CAF and Catch2 are (an empty line if CMake finds them by itself).
# Further programs, which have Debian packages of their names, can be named.
#
#   1. Debian packages: what is missing is installed (root or sudo). Without apt
#      or rights, what is missing is named.
#   2. CAF and Catch2: taken as they are if CMake finds them. Otherwise their
#      Debian source packages are fetched through the machine's own apt, whose
#      configuration is left alone, and built into the cache:
#
#          $XDG_CACHE_HOME/muster/download/    source archives
#          $XDG_CACHE_HOME/muster/KEY/prefix   only ever there when complete
#
# Progress goes to standard error.
set -euo pipefail

caf_version=0.18.7
caf_sha256=d5c3abe8fd67a729aab1baeece10367637d903ba335f4c79378bcadfbcd34552
catch_version=3.7.1
catch_sha256=c991b247a1a0d7bb9c39aa35faf0fe9e19764213f28ffba3109388e62ee0269c
caf_archive=actor-framework_$caf_version.orig.tar.gz
catch_archive=catch2_$catch_version.orig.tar.gz
source_suites="experimental bookworm-backports"
build_flags="-O2 -g1 -DNDEBUG -w" # not our warnings
caf_options=(
  -DCAF_ENABLE_TESTING=OFF
  -DCAF_ENABLE_EXAMPLES=OFF
  -DCAF_ENABLE_TOOLS=OFF
  -DCAF_LOG_LEVEL=INFO # the default compiles logging out
)

# Debian package and what shows that it is there: a program, a <header>, or "-"
# for what only fetching needs.
packages=(
  "g++ c++"
  "cmake cmake"
  "ninja-build ninja"
  "ccache -"
  "git git"
  "pkg-config -"
  "liblmdb-dev <lmdb.h>"
  "libfmt-dev <fmt/format.h>"
  "libmsgpack-cxx-dev <msgpack.hpp>"
  "libboost-dev <boost/beast.hpp>"
  "libraft-dev <raft/uv.h>"
  "libuv1-dev <uv.h>"
  "nlohmann-json3-dev <nlohmann/json.hpp>"
  "libsimdjson-dev <simdjson.h>"
  "libssl-dev <openssl/ssl.h>"
  "libexpected-dev <tl/expected.hpp>"
  "libedit-dev <histedit.h>"
  "python3 python3"
  "clang-format -"
  "dpkg-dev -"
  "curl -"
  "ca-certificates -"
  "xz-utils -"
  "bzip2 -"
)

for program; do
  packages+=("$program $program")
done

say() { printf '[%4ds] %s\n' "$SECONDS" "$*" >&2; }
die() {
  printf 'dependencies: %s\n' "$*" >&2
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# Runs a command quietly; its output is shown only if it fails.
quietly() {
  local log=$1
  shift
  "$@" >>"$log" 2>&1 || {
    tail -n 40 "$log" >&2
    die "'$1' failed; the whole output is in $log"
  }
}

# -- packages -----------------------------------------------------------------

as_root() {
  if ((EUID == 0)); then
    env DEBIAN_FRONTEND=noninteractive "$@"
  else
    sudo env DEBIAN_FRONTEND=noninteractive "$@"
  fi
}

missing_packages() {
  local installed
  installed=$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' \
    "${packages[@]%% *}" 2>/dev/null | sed -n 's/^.i *//p') || true
  printf '%s\n' "${packages[@]%% *}" |
    grep -vxF -e "${installed:-none}" || true
}

install_packages() {
  say "installing $*"
  local options=(-q -y -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300)
  as_root apt-get "${options[@]}" update >&2 ||
    say "apt-get update failed; trying with the lists that are there"
  as_root apt-get "${options[@]}" install --no-install-recommends "$@" >&2
}

# For machines of other kinds: looks for the programs and headers themselves.
probe_packages() {
  local entry package what absent=()
  for entry in "${packages[@]}"; do
    read -r package what <<<"$entry"
    case $what in
      -) ;;
      "<"*) echo "#include $what" | "${CXX:-c++}" -std=c++20 -E -x c++ - \
        >/dev/null 2>&1 || absent+=("$what (Debian: $package)") ;;
      c++) have "${CXX:-c++}" || absent+=("a C++20 compiler") ;;
      *) have "$what" || absent+=("$what (Debian: $package)") ;;
    esac
  done
  if ((${#absent[@]})); then
    printf 'missing: %s\n' "${absent[@]}" >&2
    die "install what is missing and start again"
  fi
}

ensure_packages() {
  if have apt-get && have dpkg-query; then
    local missing
    mapfile -t missing < <(missing_packages)
    ((${#missing[@]})) || return 0
    if ((EUID == 0)) || have sudo; then
      install_packages "${missing[@]}" && return 0
      say "the packages could not be installed"
    else
      say "neither root nor sudo; not installed: ${missing[*]}"
    fi
  fi
  probe_packages
}

# -- CAF and Catch2 -----------------------------------------------------------

# Are they where CMake looks by itself, or under MUSTER_PREFIX_PATH?
found_by_cmake() {
  local dir=$1
  mkdir -p "$dir"
  cat >"$dir/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.25)
project(probe LANGUAGES C CXX)
list(PREPEND CMAKE_PREFIX_PATH \$ENV{MUSTER_PREFIX_PATH})
find_package(CAF $caf_version REQUIRED COMPONENTS core io openssl)
find_package(Catch2 3 REQUIRED)
END
  cmake -S "$dir" -B "$dir/build" -G Ninja >"$dir/log" 2>&1
}

# The machine's Debian archives, best first: lines of URIs, tab, key file.
debian_archives() {
  local keyring=/usr/share/keyrings/debian-archive-keyring codename="" file
  for file in "$keyring.pgp" "$keyring.gpg"; do
    if [[ -r $file ]]; then
      keyring=$file
      break
    fi
  done
  [[ -r $keyring ]] || keyring=""
  if [[ -r /etc/os-release ]]; then
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  fi
  {
    for file in /etc/apt/sources.list.d/*.sources; do
      [[ ! -r $file ]] || awk '
        function value(line) { sub(/^[^:]*:[ \t]*/, "", line); return line }
        BEGIN { RS = ""; FS = "\n" }
        {
          types = uris = suites = components = key = ""; enabled = 1
          for (i = 1; i <= NF; ++i) {
            name = tolower($i)
            if (name ~ /^types:/) types = value($i)
            else if (name ~ /^uris:/) uris = value($i)
            else if (name ~ /^suites:/) suites = value($i)
            else if (name ~ /^components:/) components = value($i)
            else if (name ~ /^signed-by:/) key = value($i)
            else if (name ~ /^enabled:[ \t]*(no|false|0|off)/) enabled = 0
          }
          if (enabled && types ~ /deb/)
            print uris "\t" suites "\t" components "\t" key
        }' "$file"
    done
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
      [[ ! -r $file ]] || awk '
        /^[ \t]*deb(-src)?[ \t]/ {
          sub(/#.*/, ""); key = ""
          if (match($0, /\[[^]]*\]/)) {
            options = substr($0, RSTART + 1, RLENGTH - 2)
            $0 = substr($0, 1, RSTART - 1) " " substr($0, RSTART + RLENGTH)
            n = split(options, option, /[ \t]+/)
            for (i = 1; i <= n; ++i)
              if (sub(/^signed-by=/, "", option[i])) key = option[i]
          }
          components = ""
          for (i = 4; i <= NF; ++i) components = components " " $i
          print $2 "\t" $3 "\t" components "\t" key
        }' "$file"
    done
  } | awk -F '\t' -v OFS='\t' -v keyring="$keyring" -v codename="$codename" '
    (" " $3 " ") !~ / main / { next }
    {
      plain = named = 0
      n = split($2, suite, " ")
      for (i = 1; i <= n; ++i) {
        if (suite[i] !~ /security|\/updates$/) plain = 1
        if (suite[i] == codename || suite[i] ~ /^(old)*stable$/) named = 1
      }
      key = $4 ~ /^\// ? $4 : keyring
    }
    plain && $4 ~ /debian-archive/ { print 1, $1, key; next }
    named && $4 !~ /^\// { print 2, $1, key }' | sort -s -k1,1 | cut -f2- |
    awk '!seen[$0]++'
}

# Fetches the source archives that are not yet in $1.
fetch_sources() {
  local into=$1 uris key
  [[ ! -r $into/$caf_archive || ! -r $into/$catch_archive ]] || return 0
  have apt-get || die "CAF $caf_version and Catch2 3 are not here, and without" \
    "apt they cannot be fetched: install them, and name their prefix in" \
    "MUSTER_PREFIX_PATH if CMake does not look there"
  while IFS=$'\t' read -r uris key; do
    say "fetching the sources of CAF $caf_version and Catch2"
    if fetch_from "$into" "$uris" "$key"; then
      return 0
    fi
  done < <(debian_archives)
  die "no Debian archive in the machine's apt sources offers CAF $caf_version" \
    "and Catch2 3 as source packages ($source_suites)"
}

fetch_from() {
  local into=$1 uris=$2 key=$3 apt=$work/apt log=$root/fetch.log
  local source version wanted
  rm -rf "$apt"
  mkdir -p "$apt"/{parts,lists/partial,cache/archives/partial,got}
  {
    echo "Types: deb-src"
    echo "URIs: $uris"
    echo "Suites: $source_suites"
    echo "Components: main"
    [[ -z $key ]] || echo "Signed-By: $key"
  } >"$apt/parts/muster.sources"
  local options=(
    -q
    -o Dir::Etc::SourceList=/dev/null
    -o Dir::Etc::SourceParts="$apt/parts"
    -o Dir::State::Lists="$apt/lists"
    -o Dir::Cache="$apt/cache"
    -o Acquire::Languages=none
    -o Acquire::Retries=3
    -o APT::Sandbox::User=root
  )
  : >"$log"
  apt-get "${options[@]}" update >>"$log" 2>&1 || true
  for source in actor-framework catch2; do
    wanted=$catch_version
    [[ $source == catch2 ]] || wanted=$caf_version
    version=$(apt-cache "${options[@]}" showsrc --only-source "$source" \
      2>>"$log" | sed -n "s/^Version: \(${wanted//./\\.}-.*\)/\1/p" |
      sort -V | tail -n 1)
    if [[ -z $version ]]; then
      tail -n 5 "$log" >&2
      say "$source $wanted is not offered there"
      return 1
    fi
    # The packaging part is not wanted, and not served for every version.
    (cd "$apt/got" && apt-get "${options[@]}" source --download-only \
      --tar-only "$source=$version") >>"$log" 2>&1 || {
      tail -n 5 "$log" >&2
      return 1
    }
  done
  mv "$apt/got/$caf_archive" "$apt/got/$catch_archive" "$into"
  rm -rf "$apt" "$log"
}

verify() {
  echo "$2  $1" | sha256sum --check --status || {
    rm -f "$1"
    die "$(basename "$1") is not the file expected; it has been removed"
  }
}

# Builds one source archive and installs it under $work/stage.
build_source() {
  local name=$1 archive=$2
  shift 2
  local dir=$work/$name launcher=()
  mkdir -p "$dir/source"
  tar -xf "$archive" -C "$dir/source" --strip-components=1
  have ccache && launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  quietly "$log" cmake -S "$dir/source" -B "$dir/build" -G Ninja \
    -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="$build_flags" \
    -DCMAKE_CXX_STANDARD=20 \
    -DCMAKE_INSTALL_PREFIX="$prefix" \
    -DCMAKE_INSTALL_LIBDIR=lib \
    "${launcher[@]}" "$@"
  quietly "$log" cmake --build "$dir/build"
  quietly "$log" env DESTDIR="$work/stage" cmake --install "$dir/build"
}

build_prefix() {
  local downloads=$root/download log=$root/$key.log
  mkdir -p "$downloads"
  : >"$log"
  fetch_sources "$downloads"
  verify "$downloads/$caf_archive" "$caf_sha256"
  verify "$downloads/$catch_archive" "$catch_sha256"
  say "building Catch2 $catch_version"
  build_source catch2 "$downloads/$catch_archive" -DCATCH_INSTALL_DOCS=OFF
  say "building CAF $caf_version (some minutes, once)"
  # The libraries find each other wherever they are.
  build_source caf "$downloads/$caf_archive" "${caf_options[@]}" \
    -DBUILD_SHARED_LIBS=ON -DCMAKE_INSTALL_RPATH="\$ORIGIN"
  mkdir -p "$root/$key"
  mv "$work/stage$prefix" "$prefix"
  rm -f "$log"
  say "CAF and Catch2 are in $prefix"
}

main() {
  ensure_packages
  if [[ -n ${MUSTER_PREFIX_PATH:-} ]]; then
    echo "$MUSTER_PREFIX_PATH"
    return
  fi
  root=${XDG_CACHE_HOME:-$HOME/.cache}/muster
  key=$(
    {
      "${CXX:-c++}" --version
      uname -m
      echo "$caf_version $catch_version $build_flags ${caf_options[*]}"
    } | sha256sum | cut -c 1-12
  )
  key=caf-$caf_version-$key
  prefix=$root/$key/prefix
  if [[ ! -d $prefix ]]; then
    mkdir -p "$root"
    # One builds, others wait for it; what a killed build left is removed.
    exec {lock}>"$root/lock"
    if have flock && ! flock -n "$lock"; then
      say "waiting for another build of the dependencies"
      flock "$lock"
    fi
    # Always the same place, so that ccache knows what was compiled before.
    work=$root/work
    rm -rf "$work"
    if [[ ! -d $prefix ]]; then
      trap 'rm -rf "$work"' EXIT
      if found_by_cmake "$work/probe"; then
        echo
        return
      fi
      build_prefix
    fi
  fi
  echo "$prefix"
}

main
