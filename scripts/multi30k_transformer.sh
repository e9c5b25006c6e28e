#!/bin/sh
# The Transformer of docs/results.md, on Multi30k English-German with a joined dictionary:
#
#   python scripts/prepare_data.py multi30k --joined --raw-dir RAW_DIR --out data-bin/multi30k-joined
#   scripts/multi30k_transformer.sh [dense|80|90]...
#
# Without parts: all, in this order. Each goes on where it was interrupted. On a GPU where there is
# one; CPU=--cpu keeps trainings off it (fairseq needs CUDA_VISIBLE_DEVICES= besides). MORE has
# further options of the rounds.
set -eu
data=data-bin/multi30k-joined
out=runs/transformer

train_dense() {
    fairseq-train $data --user-dir fairseq_prune --task translation \
        --arch transformer_iwslt_de_en --encoder-layers 3 --decoder-layers 3 \
        --encoder-embed-dim 256 --decoder-embed-dim 256 \
        --encoder-ffn-embed-dim 1024 --decoder-ffn-embed-dim 1024 \
        --encoder-attention-heads 4 --decoder-attention-heads 4 --share-all-embeddings \
        --optimizer adam --adam-betas '(0.9,0.98)' --lr 1e-3 --lr-scheduler inverse_sqrt \
        --warmup-updates 1000 --dropout 0.3 --criterion label_smoothed_cross_entropy \
        --label-smoothing 0.1 --max-tokens 2000 --max-epoch 15 --bf16 --num-workers 0 \
        --no-epoch-checkpoints --seed 1 ${CPU:-} --save-dir $out/dense
}

compress() {
    fairseq-prune compress $out/dense/checkpoint_best.pt $data --out "$out/$1" \
        --sparsity "0.$1" --epochs 24 --test test ${CPU:-} -- --bf16 --seed 1 ${MORE:-}
}

[ $# -gt 0 ] || set -- dense 80 90
for part; do
    case $part in
        dense) train_dense ;;
        *) compress "$part" ;;
    esac
done
