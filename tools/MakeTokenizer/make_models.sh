#!/bin/sh
# Trains the small tokenizers of the tests. Needs Debian's `sentencepiece` and `python3-sentencepiece`.
set -e
cd "$(dirname "$0")"
here=$PWD
root=$here/../..
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
${PYTHON:-python3} make_corpus.py >"$work/corpus.txt"
${PYTHON:-python3} rules.py >"$work/rules.tsv"

# The trainer writes its arguments into the model: plain file names leave no folder of this machine in it.
cd "$work"
train="spm_train --input=corpus.txt --byte_fallback --num_threads=1 --minloglevel=1"

# As in ChatGLM2: pieces of BPE, whitespace kept, digits apart.
bpe="--model_type=bpe --normalization_rule_name=identity --remove_extra_whitespaces=false --split_digits --allow_whitespace_only_pieces"
$train $bpe --vocab_size=1500 --character_coverage=0.98 --model_prefix=bpe

# As in ChatGLM-6B: unigram pieces, a normaliser, special tokens as control pieces, blanks as user-defined ones.
blanks=$(i=2; while [ $i -le 80 ]; do printf ',<|blank_%d|>' $i; i=$((i + 1)); done)
$train --model_type=unigram --normalization_rule_tsv=rules.tsv --vocab_size=1800 --character_coverage=0.98 --model_prefix=unigram \
    --pad_id=3 --user_defined_symbols="<n>,<|tab|>$blanks" \
    --control_symbols="[MASK],[gMASK],[sMASK],<unused_0>,<sop>,<eop>,<ENC>,<dBLOCK>"

for size in bpe unigram; do
    cp $size.model "$root/tests/ChatGLM.Core.Tests/Data/$size.model"
    ${PYTHON:-python3} "$here/record.py" $size.model >"$root/tests/ChatGLM.Core.Tests/Data/$size.json"
done
