#!/bin/sh
# Network slimming beside L1 at half the multiply-accumulates, the same epochs for all:
#   apps/bench/slimming.sh [WAY SEED]      (study.sh says what else can be set)
set -eu
study=slimming ways='l1 subgradient proximal'
recipe='--net vgg_small --images 10000 --batch 128 --lr 0.1 --epochs 6 --finetune 2'

command_of() {
  case $1 in
    l1) echo "compress $recipe --target macs=0.5 --round-to 1 --criterion l1" ;;
    subgradient) echo "slim $recipe --target macs=0.5 --penalty l1" ;;
    proximal) echo "slim $recipe --target macs=0.5 --penalty proximal" ;;
    *) echo "slimming: no way is named $1" >&2; exit 2 ;;
  esac
}
logs() { echo train finetune; }
# Of the network after: the first accuracy behind "after".
accuracy_of() { sed -n '/"after"/,/"accuracy"/ s/.*"accuracy": *\([0-9.]*\).*/\1/p' "$1" | head -n 1; }

. "$(dirname "$0")/study.sh"
run_study "$@"
