#!/bin/sh
# What parts of the recipe are worth when it is run to its end (docs/recipes.md), on Multi30k
# English-German, after `scripts/multi30k_compress.sh SEED dense`:
#
#   scripts/multi30k_recipes.sh SEED [PART]...
#
# Parts are recipe, rate-1.5, root, rates, rate-4.7, magnitude, no-teacher, one-shot and longer;
# without any, all; rate-4.7 needs rates. Each goes on where it was interrupted. On a GPU where
# there is one; CPU=--cpu keeps trainings off it (fairseq needs CUDA_VISIBLE_DEVICES= besides).
set -eu
seed=$1
shift
data=data-bin/multi30k
dense=runs/compress/seed$seed/dense/checkpoint_best.pt
out=runs/recipes/seed$seed
factor=1.5 # of the learning rate

# FOLDER FROM EPOCHS SPARSITY DROPOUT [OPTIONS]: a round, as `fairseq-prune compress --dry-run`
# says it but for --bf16, the mean of the last epochs, and OPTIONS
round() {
    folder=$out/$1 from=$2 epochs=$3 sparsity=$4 dropout=$5
    shift 5
    lr=$(awk "BEGIN { print $factor * 0.002 / sqrt(1 - $sparsity) }")
    least=$(awk "BEGIN { print $lr / 100 }")
    fairseq-train $data --user-dir fairseq_prune --task pruned_translation --arch pruned_lstm_nmt \
        --hidden-size 256 --init-range 0.2 --optimizer pruned_adam --adam-betas '(0.9,0.98)' \
        --clip-norm 5 --label-smoothing 0.1 --max-tokens 2000 --num-workers 0 --bf16 \
        --criterion distillation --lr $lr --lr-scheduler polynomial_decay \
        --end-learning-rate $least --warmup-updates $((263 * epochs / 50)) \
        --total-num-update $((263 * epochs + 1)) --max-epoch "$epochs" --dropout "$dropout" \
        --no-epoch-checkpoints --seed "$seed" ${CPU:-} --prune-scheme class-blind \
        --prune-score kron --prune-sparsity "$sparsity" --finetune-from-model "$from" \
        --save-dir "$folder" "$@"
}

# NAME EPOCHS EPOCHS EPOCHS OPTIONS: at 65, 80 and 90%
rounds() {
    name=$1 first=$2 second=$3 third=$4
    shift 4
    round "$name/65" $dense "$first" 0.65 0.177 "$@"
    round "$name/80" "$out/$name/65/checkpoint_best.pt" "$second" 0.8 0.134 "$@"
    round "$name/90" "$out/$name/80/checkpoint_best.pt" "$third" 0.9 0.0949 "$@"
}

score() {
    fairseq-generate $data --user-dir fairseq_prune --path "$out/$1/90/checkpoint_best.pt" \
        --gen-subset valid --beam 5 --batch-size 200 --max-len-a 2 --max-len-b 20 \
        --remove-bpe sentencepiece ${CPU:-} > "$out/$1/valid.out"
    for line in T-2 D-3; do
        grep "^${line%-*}-" "$out/$1/valid.out" | sed 's/^..//' | sort -n | cut -f"${line#*-}" \
            > "$out/$1/${line%-*}.txt"
    done
    sacrebleu "$out/$1/T.txt" -i "$out/$1/D.txt" -m bleu
}

teacher="--teacher $dense --teacher-weight 0.8"
[ $# -gt 0 ] || set -- recipe rate-1.5 root rates rate-4.7 magnitude no-teacher one-shot longer
for part; do
    case $part in
        recipe) rounds recipe 6 6 12 $teacher ;;
        rate-1.5) rounds rate-1.5 6 6 12 $teacher --lr 0.003 --end-learning-rate 3e-5 ;;
        rates) # 2, 2.5 and 3.2 times the dense model's
            round rates/65 $dense 6 0.65 0.177 $teacher --lr 0.004 --end-learning-rate 4e-5
            round rates/80 "$out/rates/65/checkpoint_best.pt" 6 0.8 0.134 $teacher \
                --lr 0.005 --end-learning-rate 5e-5
            round rates/90 "$out/rates/80/checkpoint_best.pt" 12 0.9 0.0949 $teacher \
                --lr 0.0064 --end-learning-rate 6.4e-5
            ;;
        rate-4.7) # after part rates
            round rate-4.7/90 "$out/rates/80/checkpoint_best.pt" 12 0.9 0.0949 $teacher \
                --lr 0.0094 --end-learning-rate 9.4e-5
            ;;
        root) factor=1 && rounds root 6 6 12 $teacher && factor=1.5 ;; # 1.7, 2.2, 3.2
        magnitude)
            rounds magnitude 6 6 12 $teacher --prune-scheme class-uniform --prune-score magnitude
            ;;
        no-teacher) rounds no-teacher 6 6 12 --criterion label_smoothed_cross_entropy ;;
        one-shot) round one-shot/90 $dense 24 0.9 0.0949 $teacher --prune-steps 4 ;;
        longer) rounds longer 8 8 16 $teacher ;;
        *) echo "unknown part: $part" >&2 && exit 2 ;;
    esac
    score "$part"
done
