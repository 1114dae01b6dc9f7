#!/bin/sh
# run_tests.sh BUILD_DIR [Catch2 argument...]: runs the test programs of a build and ends with one
# line of counts over all of them. Counts come from the lines that each test case leaves behind
# (tests/main/main.cpp); a program that dies adds one failure of its own.
#   TEST_PROGRAMS  the programs to run (default: all)
#   EMULATOR       put in front of each program (a cross build)
set -u
build=$1
shift
: "${TEST_PROGRAMS:=bonsai_tests bonsai_tests_double}" "${EMULATOR:=}"

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
for program in $TEST_PROGRAMS; do
  export BONSAI_TEST_RESULTS="$results/$program"
  : >"$BONSAI_TEST_RESULTS"
  echo "== $program $*"
  # shellcheck disable=SC2086  # the emulator is a command with arguments
  if ! $EMULATOR "$build/$program" "$@" && ! grep -q failed "$BONSAI_TEST_RESULTS"; then
    echo "$program ended badly: counted as one failure"
    echo failed >>"$BONSAI_TEST_RESULTS"
  fi
done

count() { cat "$results"/* | grep -c "^$1$"; }
passed=$(count passed) failed=$(count failed) skipped=$(count skipped)
[ "$skipped" = 0 ] && skips="" || skips=", $skipped skipped"
echo "$passed passed, $failed failed$skips"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
