"""Prints normalisation rules for spm_train, in the spirit of NFKC and small: full-width forms, ideographic space, some ligatures, controls.

Usage: python3 rules.py > rules.tsv
"""
rules = {chr(0xFF01 + i): chr(0x21 + i) for i in range(94)}
rules.update({"\u3000": " ", "\t": " ", "\r": " ", "\n": " ", "\r\n": " ", "\u00a0": " ", "ﬁ": "fi", "ﬂ": "fl", "①": "1", "②": "2", "㎏": "kg", "…": "..."})
rules.update({"e\u0301": "é", "a\u0308": "ä", "\u200b": "", "\x01": "", "\x7f": ""})
for source, target in sorted(rules.items()):
    print(" ".join(f"{ord(c):X}" for c in source) + "\t" + " ".join(f"{ord(c):X}" for c in target))
