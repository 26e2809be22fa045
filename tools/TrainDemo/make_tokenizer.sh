#!/bin/sh
# Trains the tokenizer of the samples' snapshot on the text of `TrainDemo corpus`. Needs Debian's `sentencepiece`.
set -e
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
dotnet run -c Release --project "$root/tools/TrainDemo" -- corpus >"$work/corpus.txt"

# The trainer writes its arguments into the model: plain file names leave no folder of this machine in it.
cd "$work"
# As in ChatGLM2: pieces of BPE with bytes behind them, whitespace kept, digits apart. Short pieces, so that a sentence of this small world is not learned as one.
spm_train --input=corpus.txt --model_prefix=tokenizer --model_type=bpe --vocab_size="${VOCABULARY:-2816}" --max_sentencepiece_length=8 --byte_fallback --character_coverage=0.99999 \
    --normalization_rule_name=identity --remove_extra_whitespaces=false --split_digits --allow_whitespace_only_pieces --num_threads=1 --minloglevel=1
cp tokenizer.model "${1:-$root/samples/Snapshot}/tokenizer.model"
