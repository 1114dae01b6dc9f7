#!/bin/sh
# setup.sh GROUP...: makes sure that what a job needs is on this machine. Probes first, and says
# nothing when all is there; otherwise installs what is missing with apt, on Debian and Ubuntu, or
# says in one line what to install elsewhere.
set -eu

# group, package, and what shows that it is there: any one of the names after the colon
here=/usr/lib/$(uname -m)-linux-gnu
arm64=/usr/lib/aarch64-linux-gnu
packages="
build g++ command:c++
build cmake command:cmake
build ninja-build command:ninja
build libopenblas-pthread-dev file:$here/openblas-pthread/libopenblas.so,/usr/lib64/libopenblasp.so,/opt/homebrew/opt/openblas,/usr/local/opt/openblas
build libstb-dev header:stb/stb_image.h,stb_image.h
build libcli11-dev header:CLI/CLI.hpp
build nlohmann-json3-dev header:nlohmann/json.hpp
build xz-utils command:xz
build curl command:curl
build ca-certificates file:/etc/ssl/certs/ca-certificates.crt,/etc/ssl/cert.pem,/etc/pki/tls/certs
test catch2 header:catch2/catch_all.hpp,catch2/catch.hpp
check clang-format command:clang-format
check clang-tidy command:run-clang-tidy
bench libbenchmark-dev header:benchmark/benchmark.h
arm64 g++-aarch64-linux-gnu command:aarch64-linux-gnu-g++
arm64 qemu-user command:qemu-aarch64
arm64 libstdc++6:arm64 file:$arm64/libstdc++.so.6
arm64 libopenblas-pthread-dev:arm64 file:$arm64/openblas-pthread/libopenblas.so
"
brew="cmake ninja openblas cli11 nlohmann-json xz catch2 google-benchmark clang-format llvm"

say() { echo "setup: $*" >&2; }

has_header() {
  [ -e "/usr/include/$1" ] || printf '#include <%s>\n' "$1" | c++ -E -x c++ - >/dev/null 2>&1
}

present() {  # kind:name,name,...
  for name in $(echo "${1#*:}" | tr ',' ' '); do
    case $1 in
      command:*) command -v "$name" >/dev/null && return 0 ;;
      header:*) has_header "$name" && return 0 ;;
      file:*) [ -e "$name" ] && return 0 ;;
    esac
  done
  return 1
}

missing_packages() {  # group...
  for wanted in "$@"; do
    echo "$packages" | while read -r group package probe; do
      [ "$group" = "$wanted" ] || continue
      present "$probe" || echo "$package"
    done
  done
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    say "needs root, and there is no sudo: run as root: apt-get install" $missing
    exit 1
  fi
}

apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq "$@"; }

install_with_apt() {
  case "$*" in
    *:arm64*) [ "$(dpkg --print-architecture)" = arm64 ] || as_root dpkg --add-architecture arm64 ;;
  esac
  # One unreachable source must not stop packages that come from another.
  apt update || say "apt-get update had problems; trying to install all the same"
  apt install --no-install-recommends --no-remove "$@" >/dev/null
}

missing=$(missing_packages "$@" | sort -u | tr '\n' ' ')
[ -n "$missing" ] || exit 0
if command -v apt-get >/dev/null; then
  say "installing $missing"
  # shellcheck disable=SC2086  # one word per package
  install_with_apt $missing || { say "apt-get could not install: $missing"; exit 1; }
elif [ "$(uname -s)" = Darwin ]; then
  say "please run: brew install $brew   (and put stb_image.h, stb_image_write.h in an include path)"
  exit 1
else
  say "please install what these Debian packages hold, then try again: $missing"
  exit 1
fi
