"""Records what the SentencePiece library makes of some strings with a model: the witness of the project's own reader.

Usage: python3 record.py some.model > some.json
"""
import json
import random
import sys

import sentencepiece

processor = sentencepiece.SentencePieceProcessor(model_file=sys.argv[1])
rng = random.Random(7)
texts = ["", " ", "  ", "a", "你好", "你好，世界！", "Hello, world!", " leading", "trailing ", "two  spaces", "line\nbreak", "tab\tstop", "\r\n", "　全角　空格　",
         "Ｆｕｌｌ－ｗｉｄｔｈ：１２３", "ﬁne ①②㎏ …", "e\u0301a\u0308", "zero\u200bwidth", "\x00\x01\x7f", "😀🌍👩‍👩‍👧", "𠀀𪚥", "龘靐齉", "Ünïcödé ß ñ", "Русский текст", "한국어", "▁▁ ▁",
         "<n><|tab|><|blank_2|><|blank_80|><|blank_81|>", "[MASK] [gMASK] <sop> <eop> <pad> <unk> <s> </s>", "<0x41><0xE4>", "1234567890 3.14", "def f(x):\n    return x",
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "的的的的的的", "什么是人工智能？", "\ue000\uffff\ufffd", "\u0300\u0301", " \t \n "]
words = ["你好", "模型", "learn", "ing", " ", "  ", "，", "。", "！", "the", "是", "不", "\n", "\t", "数据", "😀", "é", "1", "9", "．", "Ａ", "<n>", "▁", "training", "question", "的"]
for _ in range(150):
    texts.append("".join(rng.choice(words) for _ in range(rng.randrange(1, 25))))
for _ in range(60):
    texts.append("".join(chr(rng.choice([rng.randrange(32, 127), rng.randrange(0xA0, 0x3000), rng.randrange(0x4E00, 0x9FFF), rng.randrange(0xFF00, 0xFFF0), rng.randrange(0x10000, 0x10FFFF)]))
                         for _ in range(rng.randrange(1, 20))))
rows = []
for text in texts:
    ids = processor.EncodeAsIds(text)
    rows.append({"text": text, "pieces": processor.EncodeAsPieces(text), "ids": ids, "decoded": processor.DecodeIds(ids)})
decodings = []
for _ in range(150):
    ids = [rng.choice([rng.randrange(processor.vocab_size()), rng.randrange(280)]) for _ in range(rng.randrange(1, 16))]
    decodings.append({"ids": ids, "decoded": processor.DecodeIds(ids)})
json.dump({"vocab_size": processor.vocab_size(), "strings": rows, "decodings": decodings}, sys.stdout, ensure_ascii=True, indent=0)
print()
