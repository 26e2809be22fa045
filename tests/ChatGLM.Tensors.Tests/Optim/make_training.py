"""Records a short training run in PyTorch into training.json.

Run by hand: /usr/bin/python3 make_training.py   (needs torch; made with torch 1.13, one thread, float32).
The tests read the file and need no Python. A causal transformer of two layers with multi-query attention, LayerNorm, RMSNorm,
SwiGLU and a tied output is trained for three steps of AdamW in two groups, with the gradient norm clipped; then a few
numbers are trained by SGD in its variants.
"""

import json
import math
import pathlib

import numpy
import torch
import torch.nn.functional as F

torch.manual_seed(33)
torch.set_num_threads(1)

VOCAB, HIDDEN, HEADS, KV_HEADS, DIM, FFN, LAYERS = 11, 8, 4, 2, 2, 6, 2


def plain(t):
    return {"shape": list(t.shape), "data": [float(numpy.format_float_scientific(v, unique=True)) for v in t.detach().flatten().numpy()]}


parameters = {"embedding.weight": 0.4 * torch.randn(VOCAB, HIDDEN)}
for layer in range(LAYERS):
    p = f"layers.{layer}."
    parameters |= {
        p + "input_norm.weight": 1 + 0.2 * torch.randn(HIDDEN),
        p + "input_norm.bias": 0.2 * torch.randn(HIDDEN),
        p + "query_key_value.weight": 0.5 * torch.randn((HEADS + 2 * KV_HEADS) * DIM, HIDDEN),
        p + "query_key_value.bias": 0.2 * torch.randn((HEADS + 2 * KV_HEADS) * DIM),
        p + "dense.weight": 0.5 * torch.randn(HIDDEN, HEADS * DIM),
        p + "post_norm.weight": 1 + 0.2 * torch.randn(HIDDEN),
        p + "up.weight": 0.5 * torch.randn(2 * FFN, HIDDEN),
        p + "down.weight": 0.5 * torch.randn(HIDDEN, FFN),
        p + "down.bias": 0.2 * torch.randn(HIDDEN),
    }
parameters = {name: value.requires_grad_() for name, value in parameters.items()}
ids = torch.randint(0, VOCAB, (2, 5))
labels = torch.randint(0, VOCAB, (10,))
labels[3] = -100
start = {name: plain(value) for name, value in parameters.items()}


def forward():
    x = F.embedding(ids, parameters["embedding.weight"])
    batch, seq, _ = x.shape
    for layer in range(LAYERS):
        w = {name.removeprefix(f"layers.{layer}."): value for name, value in parameters.items()}
        qkv = F.linear(F.layer_norm(x, (HIDDEN,), w["input_norm.weight"], w["input_norm.bias"], 1e-5), w["query_key_value.weight"], w["query_key_value.bias"])
        q, k, v = (t.view(batch, seq, -1, DIM).transpose(1, 2) for t in qkv.split([HEADS * DIM, KV_HEADS * DIM, KV_HEADS * DIM], -1))
        k, v = (t.repeat_interleave(HEADS // KV_HEADS, 1) for t in (k, v))
        scores = (q @ k.transpose(2, 3) / math.sqrt(DIM)).masked_fill(torch.triu(torch.ones(seq, seq, dtype=torch.bool), 1), -math.inf)
        x = x + F.linear((scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, seq, -1), w["dense.weight"])
        normed = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * w["post_norm.weight"]
        gate, up = F.linear(normed, w["up.weight"]).chunk(2, -1)
        x = x + F.linear(F.silu(gate) * up, w["down.weight"], w["down.bias"])
    return F.cross_entropy(F.linear(x, parameters["embedding.weight"]).view(-1, VOCAB), labels)


decayed = [value for value in parameters.values() if value.dim() > 1]
others = [value for value in parameters.values() if value.dim() == 1]
optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0, "lr": 2e-2}], lr=1e-2, eps=1e-4)
losses, norms, gradients = [], [], {}
for step in range(3):
    optimizer.zero_grad()
    loss = forward()
    loss.backward()
    if step == 0:
        gradients = {name: plain(value.grad) for name, value in parameters.items()}
    losses.append(loss.item())
    norms.append(torch.nn.utils.clip_grad_norm_(list(parameters.values()), 0.5).item())
    optimizer.step()

sgd = {}
for name, options in {
    "plain": {},
    "weight_decay": {"weight_decay": 0.1},
    "momentum": {"momentum": 0.9},
    "dampening": {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01},
    "nesterov": {"momentum": 0.8, "nesterov": True, "weight_decay": 0.01},
}.items():
    value = torch.nn.Parameter(torch.randn(9))
    first = plain(value)
    optimizer = torch.optim.SGD([value], lr=0.05, **options)
    given = []
    for _ in range(4):
        value.grad = torch.randn(9)
        given.append(value.grad.clone())
        optimizer.step()
    sgd[name] = {"options": options, "start": first, "gradients": plain(torch.stack(given)), "end": plain(value)}

target = pathlib.Path(__file__).with_name("training.json")
target.write_text(json.dumps({
    "ids": ids.tolist(), "labels": labels.tolist(), "losses": losses, "norms": norms,
    "start": start, "gradients": gradients, "end": {name: plain(value) for name, value in parameters.items()}, "sgd": sgd,
}, separators=(",", ":")) + "\n")
print(target.name, target.stat().st_size, "bytes, losses", losses, "norms", norms)
