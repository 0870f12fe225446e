"""Records what PyTorch computes, in float64, for the tests beside it. Needs Python 3 and PyTorch 1.13 or later.

A script that makes fixtures imports this, calls `function` and `module` with what to record, then `write(__file__)`, which
writes a .json of the script's name. Numbers are drawn with few digits, so that files are small and float32 holds them exactly.
"""

import json
import math
import re
from pathlib import Path

import torch

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
cases = []


def drawn(*shape, scale=1.0):
    """Normally distributed numbers, in 64ths."""
    return torch.round(torch.randn(*shape) * scale * 64) / 64


def function(name, compute, call, without_gradient=()):
    """Records a function.

    name: what tilegrad calls it
    compute: the same in PyTorch, given the tensors of `call` in the order they first appear there
    call: the arguments in tilegrad: tensors, numbers, lists, and dicts for options
    without_gradient: the places of floating-point tensors whose gradient is not looked at
    """
    record({"function": name}, compute, call, without_gradient, None)


def module(name, construct, torch_module, call, compute=None, without_gradient=()):
    """Records a module in the mode it is in, with new parameters: its outputs, and the gradients of inputs and parameters.

    name: tilegrad's class in nn
    construct: the constructor's arguments in tilegrad, tensors among them
    call: the arguments of tilegrad's `forward`
    compute: given tensors of `call`; the module itself by default
    """
    with torch.no_grad():
        for parameter in torch_module.parameters():
            parameter.copy_(drawn(*parameter.shape, scale=0.5))
    torch_module.zero_grad()
    head = {"module": name, "construct": inline(construct), "training": torch_module.training}
    record(head, compute or torch_module, call, without_gradient, torch_module)


def record(head, compute, call, without_gradient, torch_module):
    tensors = []
    plan = take_tensors(call, tensors)
    tensors = [
        x.detach().clone().requires_grad_(x.is_floating_point() and i not in without_gradient)
        for i, x in enumerate(tensors)
    ]
    before = state_of(torch_module)
    given = [array(x) for x in tensors]
    outputs = flatten(compute(*tensors))
    # Each output is weighted with 1, 2, 3, ... over its size, so that errors do not cancel.
    weights = [torch.arange(1.0, y.numel() + 1).reshape(y.shape) / y.numel() for y in outputs]
    differentiable = [(y * w).sum() for y, w in zip(outputs, weights) if y.requires_grad]
    if differentiable:
        sum(differentiable).backward()
    case = {
        **head,
        "call": plan,
        "tensors": given,
        "outputs": [array(y) for y in outputs],
        "gradients": [None if x.grad is None else array(x.grad) for x in tensors],
    }
    changed = {str(i): array(x) for i, x in enumerate(tensors) if array(x) != given[i]}
    if changed:
        case["tensorsAfter"] = changed
    if torch_module is not None:
        after = state_of(torch_module)
        case["state"] = before
        case["stateGradients"] = {
            key: array(p.grad) for key, p in torch_module.named_parameters() if p.grad is not None
        }
        case["stateAfter"] = {key: value for key, value in after.items() if value != before[key]}
    cases.append(case)


def state_of(torch_module):
    return {} if torch_module is None else {key: array(x) for key, x in torch_module.state_dict().items()}


def inline(value):
    """The same structure with the elements of each tensor."""
    if isinstance(value, torch.Tensor):
        return array(value)
    if isinstance(value, dict):
        return {key: inline(x) for key, x in value.items()}
    if isinstance(value, (list, tuple)):
        return [inline(x) for x in value]
    return value


class Call:
    """Stands among the arguments for what a function of tilegrad's returns."""

    def __init__(self, name, *arguments):
        self.name = name
        self.arguments = arguments


def take_tensors(value, tensors):
    """The same structure with {"tensor": i} for each tensor, which is appended to `tensors` where it is not there yet."""
    if isinstance(value, torch.Tensor):
        for i, tensor in enumerate(tensors):
            if tensor is value:
                return {"tensor": i}
        tensors.append(value)
        return {"tensor": len(tensors) - 1}
    if isinstance(value, Call):
        return {"function": value.name, "arguments": take_tensors(value.arguments, tensors)}
    if isinstance(value, dict):
        return {key: take_tensors(x, tensors) for key, x in value.items()}
    if isinstance(value, (list, tuple)):
        return [take_tensors(x, tensors) for x in value]
    return value


def flatten(value):
    """The tensors in nested tuples and lists, in order."""
    if isinstance(value, torch.Tensor):
        return [value]
    return [tensor for x in value if x is not None for tensor in flatten(x)]


def array(x):
    dtype = "f32" if x.is_floating_point() else "bool" if x.dtype == torch.bool else "i32"
    return {"shape": list(x.shape), "dtype": dtype, "values": [number(v) for v in x.detach().double().flatten().tolist()]}


def number(v):
    """With 12 digits; None for NaN, which JSON has no number for."""
    if not math.isfinite(v):
        return None if math.isnan(v) else v
    v = float(f"{v:.12g}")
    return int(v) if v == int(v) else v


def write(script):
    # JSON has no infinity, but a number may be too large.
    lines = ",\n".join(re.sub(r"\bInfinity\b", "1e999", json.dumps(case)) for case in cases)
    Path(script).with_suffix(".json").write_text(f"[\n{lines}\n]\n")
