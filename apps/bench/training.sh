#!/bin/sh
# Images per second of a training step, Bonsai and (where python3 has it) PyTorch by turns, so
# that both meet the same machine:  apps/bench/training.sh [net...]
#   PYTHON=/usr/bin/python3  the interpreter, and with it the PyTorch
#   TORCH_FLAGS=--compile    options of torch_step.py
#   ROUNDS=3 SECONDS_EACH=3  how often and how long each is measured
# A round takes about 15 seconds per network, 7 without PyTorch. Every run is a line of
# bench-results/training.jsonl; the table, bench-results/training.md as well, gives medians with the
# least and largest, and of the ratios of each round: to PyTorch, and of all threads to one.
set -eu
here=$(dirname "$0")
threads=${THREADS:-$(nproc)} batch=${BATCH:-128} rounds=${ROUNDS:-3} seconds=${SECONDS_EACH:-3}
[ $# -gt 0 ] || set -- vgg_small vgg16 resnet9 resnet20 resnet56 mobilenet shufflenet igc_l24m2 \
  densenet40 densenet_bc100
python=${PYTHON:-python3}
mkdir -p bench-results
results=bench-results/training.jsonl
: > "$results"

jemalloc=$(find /usr/lib -name 'libjemalloc.so*' 2>/dev/null | head -n 1)
"$python" -c 'import torch' 2>/dev/null && torch=yes || torch=no

record() {  # record ENGINE NET THREADS JSON
  printf '{"engine": "%s", "net": "%s", "batch": %s, "threads": %s, "result": %s}\n' \
    "$1" "$2" "$batch" "$3" "$(printf '%s' "$4" | tr '\n' ' ')" >> "$results"
}

bonsai() {  # bonsai NET THREADS
  record bonsai "$1" "$2" "$(build/bonsai bench "$1" --train --batch "$batch" --threads "$2" \
    --seconds "$seconds" --json)"
}

for net in "$@"; do
  for round in $(seq "$rounds"); do
    printf '%s: round %s of %s\n' "$net" "$round" "$rounds" >&2
    bonsai "$net" "$threads"
    [ "$threads" -eq 1 ] || bonsai "$net" 1
    [ $torch = yes ] || continue
    record torch "$net" "$threads" "$(env OPENBLAS_NUM_THREADS=1 ATEN_CPU_CAPABILITY=avx512 LD_PRELOAD="$jemalloc" \
      MALLOC_CONF=thp:always,metadata_thp:auto,dirty_decay_ms:-1,muzzy_decay_ms:-1 \
      "$python" "$here/torch_step.py" "$net" --batch "$batch" --threads "$threads" \
      --seconds "$seconds" ${TORCH_FLAGS:-})"
  done
done
[ $torch = yes ] || echo "PyTorch is not installed: no ratio (Debian, Ubuntu: python3-torch)"

awk -v threads="$threads" '
function value(key) { match($0, "\"" key "\": ?[0-9.e+-]+"); v = substr($0, RSTART, RLENGTH)
                      sub(/.*: ?/, "", v); return v + 0 }
function text(key) { match($0, "\"" key "\": \"[^\"]*"); v = substr($0, RSTART, RLENGTH)
                     sub(/.*"/, "", v); return v }
# Fills a[1..n] in ascending order.
function sort(key, n,   i, j, t) {
  for (i = 1; i <= n; ++i) a[i] = data[key, i]
  for (i = 2; i <= n; ++i) for (j = i; j > 1 && a[j] < a[j-1]; --j) { t = a[j]; a[j] = a[j-1]; a[j-1] = t }
}
function median(key, n) {
  if (!n) return 0
  sort(key, n)
  return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
}
function spread(key, n, digits,   m) {
  if (!n) return "-"
  m = median(key, n)
  return sprintf("%." digits "f (%." digits "f-%." digits "f)", m, a[1], a[n])
}
{ e = text("engine"); n = text("net"); if (!(n in seen)) { seen[n] = 1; order[++nets] = n }
  if (e == "bonsai" && value("threads") != threads) {
    i = ++count["one", n]; data["threads", n, i] = data["bonsai", n, "rate", i] / value("images_per_s")
    next
  }
  i = ++count[e, n]; data[e, n, "rate", i] = value("images_per_s")
  data[e, n, "memory", i] = value("peak_rss_bytes") / 1048576
  if (e == "bonsai") data[e, n, "share", i] = 100 * value("share_of_peak")
  else data["ratio", n, i] = data["bonsai", n, "rate", i] / data[e, n, "rate", i] }
END {
  printf "| network | Bonsai, images/s | of peak | MiB | %s threads / 1 | PyTorch, images/s | MiB | ratio |\n", threads
  print "|---|---|---|---|---|---|---|---|"
  for (k = 1; k <= nets; ++k) {
    n = order[k]; b = count["bonsai", n]; t = count["torch", n]
    printf "| %s | %s | %.0f %% | %.0f | %s | %s | %s | %s |\n", n, spread("bonsai" SUBSEP n SUBSEP "rate", b, 0), \
      median("bonsai" SUBSEP n SUBSEP "share", b), median("bonsai" SUBSEP n SUBSEP "memory", b), \
      spread("threads" SUBSEP n, count["one", n], 2), \
      spread("torch" SUBSEP n SUBSEP "rate", t, 0), \
      t ? sprintf("%.0f", median("torch" SUBSEP n SUBSEP "memory", t)) : "-", spread("ratio" SUBSEP n, t, 2)
    if (t) { logs += log(median("ratio" SUBSEP n, t)); ++compared }
  }
  if (compared) printf "\nGeometric mean of the ratios: %.2f\n", exp(logs / compared)
}' "$results" | tee bench-results/training.md
