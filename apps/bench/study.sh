# What the studies beside it share: each does one thing in several ways, each way with several
# seeds, and ends with a table of means and spreads. A study sets `study`, `ways` and functions:
#   command_of WAY    the subcommand and its options, without data, seed and folder
#   accuracy_of FILE  from what the command printed
#   logs              the folders below a run's own that hold a log.jsonl
# and then calls run_study [WAY SEED]; with arguments that run alone. Runs that are there are not
# repeated. From the environment: BONSAI, DATA, SEEDS, OUT.
bonsai=$(realpath "${BONSAI:-build/bonsai}") data=${DATA:-cifar10} seeds=${SEEDS:-1 2 3}
[ ! -e "$data" ] || data=$(realpath "$data")

# run_way WAY SEED: a JSON value with the command, what it printed and its epochs.
run_way() {
  command="$(command_of "$1") --seed $2 --out $1-$2"
  # shellcheck disable=SC2086 # options have no spaces
  "$bonsai" $command --data "$data" --json > "$1-$2.out" 2> "$1-$2.log"
  {
    printf '{"way": "%s", "seed": %s,\n "command": "bonsai %s --data cifar10",\n' "$1" "$2" "$command"
    for log in $(logs "$1"); do
      printf ' "%s": [\n%s\n ],\n' "$log" "$(sed 's/^/  /; $!s/$/,/' "$1-$2/$log/log.jsonl")"
    done
    printf ' "result": %s}\n' "$(cat "$1-$2.out")"
  } > "$1-$2.json.part"
  mv "$1-$2.json.part" "$1-$2.json"
}

# Accuracy in per cent per seed, mean and largest difference.
table_of_ways() {
  for way in $ways; do
    printf '%s' "$way"
    for seed in $seeds; do
      [ -e "$way-$seed.json" ] && printf ' %s' "$(accuracy_of "$way-$seed.out")"
    done
    printf '\n'
  done | awk '{ printf "%-14s", $1; sum = 0; low = 100; high = 0
    for (i = 2; i <= NF; ++i) { x = 100 * $i; sum += x; printf " %6.2f", x
      if (x < low) low = x; if (x > high) high = x }
    if (NF > 1) printf "   mean %6.2f   spread %5.2f", sum / (NF - 1), high - low
    printf "\n" }'
}

run_study() {
  mkdir -p "${OUT:-bench-results/$study}"
  cd "${OUT:-bench-results/$study}"
  [ $# -ne 2 ] || { ways=$1 seeds=$2; }
  for seed in $seeds; do
    for way in $ways; do
      [ -e "$way-$seed.json" ] || run_way "$way" "$seed"
    done
  done
  table_of_ways
}
