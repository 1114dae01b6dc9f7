#!/bin/sh
# What a teacher costs: the step of a student alone, the teacher's part of its step when it is taught
# in several ways, and how many times as long the student's own part becomes (1.4 at most is aimed
# at):  apps/bench/teaching.sh ["STUDENT'S OPTIONS" TEACHER]
#   ROUNDS=3 STEPS=24  how often and how long each is measured, by turns
#   HINT, ATTENTION    layers of --hint and --attention, by default the ends of stages
# Pictures are drawn (synthetic), as large as CIFAR-10's; the teacher is not trained. Every run is a
# line of bench-results/teaching.jsonl; the table has medians.
set -eu
bonsai=${BONSAI:-build/bonsai} batch=${BATCH:-128} rounds=${ROUNDS:-3} steps=${STEPS:-24}
student=${1:---net vgg_small} teacher=${2:-vgg16}
hint=${HINT:-stages} attention=${ATTENTION:-stages}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p bench-results
results=bench-results/teaching.jsonl
: > "$results"

data="--images $((batch * steps)) --test-images 16 --batch $batch --epochs 1 --lr 1e-5 --json"
# shellcheck disable=SC2086 # options have no spaces
"$bonsai" train --net "$teacher" --images "$batch" --test-images 16 --epochs 1 --batch "$batch" \
  --lr 1e-6 --out "$folder/teacher" > /dev/null 2>&1

run() {  # run WAY COMMAND...
  way=$1
  shift
  # shellcheck disable=SC2086
  result=$("$bonsai" "$@" $student $data --out "$folder/run" 2> "$folder/errors") ||
    { tail -n 1 "$folder/errors" >&2; exit 1; }
  printf '{"way": "%s", "student": "%s", "teacher": "%s", "result": %s}\n' "$way" "$student" \
    "$teacher" "$(printf '%s' "$result" | tr '\n' ' ')" >> "$results"
}
for round in $(seq "$rounds"); do
  taught="distill $folder/teacher/model.bonsai"
  run alone train
  # shellcheck disable=SC2086
  {
    run answers $taught
    run hints $taught --alpha 0 --hint "$hint"
    run attention $taught --alpha 0 --attention "$attention"
    run all $taught --hint "$hint" --attention "$attention"
  }
done

printf 'student %s, teacher %s, batch %s, milliseconds\n\n' "$student" "$teacher" "$batch"
awk '
function value(key) { if (!match($0, "\"" key "\": ?[0-9.e+-]+")) return 0
                      v = substr($0, RSTART, RLENGTH); sub(/.*: ?/, "", v); return v + 0 }
function text(key) { match($0, "\"" key "\": \"[^\"]*"); v = substr($0, RSTART, RLENGTH)
                     sub(/.*"/, "", v); return v }
function median(key, n,   i, j, t) {
  for (i = 1; i <= n; ++i) a[i] = data[key, i]
  for (i = 2; i <= n; ++i) for (j = i; j > 1 && a[j] < a[j-1]; --j) { t = a[j]; a[j] = a[j-1]; a[j-1] = t }
  return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
}
{ w = text("way"); if (!(w in count)) order[++ways] = w
  i = ++count[w]; data[w, "step", i] = value("step_ms"); data[w, "teacher", i] = value("teacher_ms")
  data[w, "own", i] = data[w, "step", i] - data[w, "teacher", i]
  data[w, "times", i] = data[w, "own", i] / data["alone", "step", i] }
END {
  print "| learns from | step | of which the teacher | the rest | times the step alone |"
  print "|---|---|---|---|---|"
  for (k = 1; k <= ways; ++k) { w = order[k]; n = count[w]
    printf "| %s | %.1f | %.1f | %.1f | %.2f |\n", w == "alone" ? "labels alone" : w, \
      median(w SUBSEP "step", n), median(w SUBSEP "teacher", n), median(w SUBSEP "own", n), \
      median(w SUBSEP "times", n) }
}' "$results"
