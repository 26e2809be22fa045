"""Records what PyTorch computes, forward and backward, into recorded.json.

Run by hand: /usr/bin/python3 make_recorded.py   (needs torch; made with torch 1.13, one thread, float32).
The tests read the file and need no Python. Each case holds numbers (options) and tensors: inputs, a gradient dy of the
output drawn at random, the output y, and the gradient d_<input> of each input.
"""

import json
import math
import pathlib

import numpy
import torch
import torch.nn.functional as F

torch.manual_seed(20)
torch.set_num_threads(1)
cases = {}


def tensor_json(t):
    t = t.detach()
    if t.dtype == torch.bool or not t.is_floating_point():
        return {"dtype": "bool" if t.dtype == torch.bool else "int64", "shape": list(t.shape), "data": [int(v) for v in t.flatten()]}
    return {"dtype": "float32", "shape": list(t.shape), "data": [float(numpy.format_float_scientific(v, unique=True)) for v in t.float().flatten().numpy()]}


def put(name, numbers, tensors):
    cases[name] = {"numbers": numbers, "tensors": {key: tensor_json(value) for key, value in tensors.items()}}


def record(name, function, inputs, extra=None, numbers=None):
    """inputs get gradients, extra tensors do not."""
    leaves = {key: value.clone().requires_grad_() for key, value in inputs.items()}
    y = function(**leaves)
    dy = torch.randn_like(y)
    y.backward(dy)
    put(name, numbers or {}, {**inputs, **(extra or {}), "y": y, "dy": dy, **{"d_" + key: leaf.grad for key, leaf in leaves.items()}})


randn = torch.randn

record("linear", lambda x, weight, bias: F.linear(x, weight, bias), {"x": randn(2, 3, 20), "weight": randn(7, 20), "bias": randn(7)})
record("layer_norm", lambda x, weight, bias: F.layer_norm(x, (37,), weight, bias, 1e-5),
       {"x": 3 * randn(2, 5, 37) + 1, "weight": randn(37), "bias": randn(37)}, numbers={"epsilon": 1e-5})
record("rms_norm", lambda x, weight: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * weight,
       {"x": 2 * randn(2, 5, 37), "weight": randn(37)}, numbers={"epsilon": 1e-5})


def gelu_tanh(x):
    return 0.5 * x * (1 + torch.tanh(0.7978845608028654 * x * (1 + 0.044715 * x * x)))


spread = torch.cat([torch.linspace(-30, 30, 41), 2 * randn(30), 1e-4 * randn(6)])
for name, function in (("gelu_tanh", gelu_tanh), ("silu", F.silu), ("tanh", torch.tanh), ("sigmoid", torch.sigmoid), ("relu", F.relu),
                       ("softplus", lambda x: F.softplus(x, threshold=1000)), ("exp", torch.exp), ("square", torch.square)):
    record(name, lambda x, function=function: function(x), {"x": spread})
positive = torch.cat([torch.logspace(-20, 20, 41), torch.rand(40) + 0.5])
record("log", lambda x: torch.log(x), {"x": positive})
record("sqrt", lambda x: torch.sqrt(x), {"x": positive})
record("swi_glu", lambda x: F.silu(x[..., :19]) * x[..., 19:], {"x": 3 * randn(3, 4, 38)})

ids = torch.tensor([[3, 0, 3, 9], [3, 7, 1, 0]])
record("embedding", lambda table: F.embedding(ids, table), {"table": randn(10, 18)}, extra={"ids": ids})

logits = 4 * randn(9, 41)
labels = torch.tensor([4, -100, 40, 0, 0, -100, 33, 12, -100])
for name, smoothing in (("cross_entropy", 0.0), ("cross_entropy_smoothed", 0.1)):
    leaf = logits.clone().requires_grad_()
    y = F.cross_entropy(leaf, labels, ignore_index=-100, label_smoothing=smoothing)
    (2.5 * y).backward()
    put(name, {"ignore_index": -100, "label_smoothing": smoothing, "dy": 2.5}, {"logits": logits, "labels": labels, "y": y, "d_logits": leaf.grad})


def attention(q, k, v, hidden, hidden_score, scale, dropout):
    batch, heads, seq, dim = q.shape
    groups = heads // k.shape[1]
    k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
    scores = torch.where(hidden[:, None], torch.tensor(hidden_score), q @ k.transpose(2, 3) * scale)
    p = torch.nan_to_num(torch.softmax(scores, -1)) if math.isinf(hidden_score) else torch.softmax(scores, -1)
    if dropout is not None:
        p = p * dropout
    return (p @ v).transpose(1, 2).reshape(batch, seq, heads * dim)


def attention_case(name, heads, kv_heads, seq, keys, dim, hidden, hidden_score, causal, with_dropout=False):
    q, k, v = randn(2, heads, seq, dim), randn(2, kv_heads, keys, dim), randn(2, kv_heads, keys, dim)
    scale = 1 / math.sqrt(dim)
    dropout = (torch.rand(2, heads, seq, keys) < 0.75).float() / 0.75 if with_dropout else None
    blocked = torch.zeros(2, seq, keys, dtype=torch.bool) if hidden is None else hidden.expand(2, seq, keys).clone()
    if causal:
        blocked |= torch.triu(torch.ones(seq, keys, dtype=torch.bool), keys - seq + 1)
    extra = {} if hidden is None else {"hidden": hidden}
    if with_dropout:
        extra["dropout"] = dropout
    record(name, lambda query, key, value: attention(query, key, value, blocked, hidden_score, scale, dropout),
           {"query": q, "key": k, "value": v}, extra=extra,
           numbers={"scale": scale, "causal": int(causal), "hidden_score": None if math.isinf(hidden_score) else hidden_score})


padding = torch.zeros(2, 1, 7, dtype=torch.bool)
padding[1, :, :2] = True
attention_case("attention_causal", 2, 2, 6, 6, 16, None, -math.inf, True)
attention_case("attention_groups_padded", 4, 2, 3, 7, 12, padding, -math.inf, True)
rows = torch.rand(2, 5, 5) < 0.3
rows[:, torch.arange(5), torch.arange(5)] = False
rows[1, :2] = True
attention_case("attention_finite_hidden_score", 3, 3, 5, 5, 8, rows, -10000.0, False)
attention_case("attention_dropout", 2, 1, 4, 9, 20, None, -math.inf, True, with_dropout=True)


def angles(positions, rotary_dim):
    inverse = 1.0 / (10000 ** (torch.arange(0, rotary_dim, 2, dtype=torch.float64) / rotary_dim))
    return torch.outer(torch.arange(positions, dtype=torch.float64), inverse)


def turn_half_split(x, cos, sin):
    first, second = x.chunk(2, -1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)


def turn_pairs(x, cos, sin):
    turned = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2).contiguous()) * torch.complex(cos, sin)
    return torch.view_as_real(turned).flatten(-2)


def split_case(name, heads, kv_heads, dim, rotary_dim, sections, interleaved_pairs, per_head):
    batch, seq, positions_count = 2, 3, 11
    table = angles(positions_count, rotary_dim)
    cos, sin = table.cos().float(), table.sin().float()
    positions = torch.randint(0, positions_count, (batch, sections, seq))
    width = (heads + 2 * kv_heads) * dim
    qkv = randn(batch, seq, width).requires_grad_()
    if per_head:
        q, k, v = (t.transpose(1, 2) for t in qkv.view(batch, seq, heads, 3, dim).unbind(3))
    else:
        q, k, v = (t.view(batch, seq, -1, dim).transpose(1, 2) for t in qkv.split([heads * dim, kv_heads * dim, kv_heads * dim], -1))

    def rotate(x):
        parts = []
        for section in range(sections):
            c, s = cos[positions[:, section]][:, None], sin[positions[:, section]][:, None]
            part = x[..., section * rotary_dim:(section + 1) * rotary_dim]
            parts.append((turn_pairs if interleaved_pairs else turn_half_split)(part, c, s))
        return torch.cat(parts + [x[..., sections * rotary_dim:]], -1)

    outputs = [rotate(q), rotate(k), v]
    gradients = [torch.randn_like(y) for y in outputs]
    torch.autograd.backward(outputs, gradients)
    put(name, {"heads": heads, "kv_heads": kv_heads, "dim": dim, "sections": sections, "interleaved_pairs": int(interleaved_pairs), "per_head": int(per_head)},
        {"qkv": qkv, "positions": positions, "cos": cos, "sin": sin, "query": outputs[0], "key": outputs[1], "value": outputs[2],
         "dy_query": gradients[0], "dy_key": gradients[1], "dy_value": gradients[2], "d_qkv": qkv.grad})


split_case("split_heads_half_split_two_sections", 2, 2, 20, 8, 2, False, True)
split_case("split_heads_pairs_groups", 4, 2, 16, 8, 1, True, False)

parameter = torch.nn.Parameter(randn(45))
start = parameter.detach().clone()
optimizer = torch.optim.AdamW([parameter], lr=1e-2, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.1)
gradients, trajectory = [], []
for step in range(5):
    parameter.grad = randn(45) * 10 ** float(step - 2)
    gradients.append(parameter.grad.clone())
    optimizer.step()
    trajectory.append(parameter.detach().clone())
state = optimizer.state[parameter]
put("adamw", {"learning_rate": 1e-2, "beta1": 0.9, "beta2": 0.98, "epsilon": 1e-6, "weight_decay": 0.1},
    {"start": start, "gradients": torch.stack(gradients), "trajectory": torch.stack(trajectory), "first_moment": state["exp_avg"], "second_moment": state["exp_avg_sq"]})

target = pathlib.Path(__file__).with_name("recorded.json")
target.write_text("{\n" + ",\n".join(f"{json.dumps(name)}: {json.dumps(case, separators=(',', ':'))}" for name, case in cases.items()) + "\n}\n")
print(target, target.stat().st_size, "bytes,", len(cases), "cases")
