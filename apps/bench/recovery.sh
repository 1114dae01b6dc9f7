#!/bin/sh
# A pruned network that is fine-tuned on labels alone, and with the unpruned one as its teacher:
#   MODEL=model.bonsai apps/bench/recovery.sh [WAY SEED]      (study.sh says what else can be set)
set -eu
study=recovery ways='labels parent'
model=$(realpath "${MODEL:?a trained model file}")
recipe='model.bonsai --target macs=0.5 --criterion l1 --batch 128 --lr 0.2 --finetune 2 --images 10000'

command_of() {
  case $1 in
    labels) echo "compress $recipe" ;;
    parent) echo "compress $recipe --teacher self" ;;
    *) echo "recovery: no way is named $1" >&2; exit 2 ;;
  esac
}
logs() { echo finetune; }
# Of the network after: the first accuracy behind "after".
accuracy_of() { sed -n '/"after"/,/"accuracy"/ s/.*"accuracy": *\([0-9.]*\).*/\1/p' "$1" | head -n 1; }

. "$(dirname "$0")/study.sh"
mkdir -p "${OUT:-bench-results/$study}"
cp "$model" "${OUT:-bench-results/$study}/model.bonsai"
run_study "$@"
