#!/bin/sh
# Writes docs/zoo.md's table: every network, its counts, what is published of it, and how many
# images per second a training step reaches here:  apps/bench/zoo.sh > table.md
# With names, the rows of these networks alone:    apps/bench/zoo.sh resnet20 vgg16 >> table.md
# Networks for 32x32 run at batch 128, those for 224x224 and the widest of the others at batch 8.
set -eu
build/bonsai zoo --markdown | while IFS= read -r line; do
  net=$(printf '%s' "$line" | cut -d'|' -f2 | tr -d ' ')
  case " $* " in
    "  " | *" $net "*) ;;
    *) continue ;;
  esac
  case $net in
    network) rate='training images/s' ;;
    ---) rate='---' ;;
    *)
      case $net in
        *_224 | igc_l16m32_ident | igc_l32m26_ident | igc_l450m2_ident) batch=8 ;;
        *) batch=128 ;;
      esac
      rate=$(build/bonsai bench "$net" --train --batch "$batch" --seconds 1 --json < /dev/null |
        sed -n 's/.*"images_per_s": \([0-9]*\).*/\1/p')
      [ -n "$rate" ] || { echo "zoo.sh: no speed for $net" >&2; exit 1; }
      ;;
  esac
  printf '%s %s |\n' "$line" "$rate"
done
