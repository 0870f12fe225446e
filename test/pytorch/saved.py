"""Files as torch.save writes them: python3 saved.py writes saved.pt, saved.json with what is in it, and files to be refused."""

import json
from collections import OrderedDict
from pathlib import Path

import torch
from torch import nn

torch.manual_seed(0)


def at(name):
    return Path(__file__).with_name(name)


def listed(x):
    return {"dtype": str(x.dtype)[6:], "shape": list(x.shape), "values": x.double().flatten().tolist()}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(3, 4)
        self.norm = nn.BatchNorm1d(4)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.norm(self.hidden(x)).relu())


net = Net()
adam = torch.optim.Adam([{"params": net.hidden.parameters(), "lr": 0.01}, {"params": net.head.parameters()}], lr=0.02)
for _ in range(3):
    adam.zero_grad()
    net(torch.randn(5, 3)).square().mean().backward()
    adam.step()

base = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4) / 8
tensors = {
    "float32": torch.tensor([1.5, -2.25, 3e38]),
    "float64": torch.tensor([1 / 3, -1e-300], dtype=torch.float64),
    "float16": torch.tensor([0.1, -65504.0, 6e-8], dtype=torch.float16),
    "bfloat16": torch.tensor([0.1, -3e38], dtype=torch.bfloat16),
    "int64": torch.tensor([[1, -(2**31)], [2**31 - 1, 0]]),
    "int32": torch.tensor([5, -6], dtype=torch.int32),
    "int16": torch.tensor([500, -600], dtype=torch.int16),
    "int8": torch.tensor([100, -100], dtype=torch.int8),
    "uint8": torch.tensor([0, 255], dtype=torch.uint8),
    "bool": torch.tensor([True, False]),
    "scalar": torch.tensor(2.5),
    "empty": torch.zeros(0, 3),
    "whole": base,
    "transposed": base.transpose(0, 2),
    "part": base[1, :, 1::2],
    "shifted": base[1],
    "repeated": torch.tensor([1.0, 2.0])[:, None].expand(2, 3),
    "parameter": nn.Parameter(torch.tensor([7.0])),
}
checkpoint = {
    "model": net.state_dict(),
    "optimizer": adam.state_dict(),
    "epoch": 12,
    "loss": 0.125,
    "tensors": tensors,
    "plain": [None, True, False, -1, 70000, 2**40, 2**70, -(2**70), 1e300, "snow \u2603", b"\x00\xff", (1, 2), (), [], {}],
    "ordered": OrderedDict([("b", 1), ("a", 2)]),
    "others": [torch.Size([2, 3]), torch.float16, torch.device("cpu"), torch.device("cuda", 1), {3}],
    "__proto__": {"polluted": True},
    7: "seven",
}
torch.save(checkpoint, at("saved.pt"))
torch.save(net.state_dict(), at("saved-protocol4.pt"), pickle_protocol=4)
torch.save(net.state_dict(), at("saved-legacy.pt"), _use_new_zipfile_serialization=False)
torch.save(net, at("saved-module.pt"))
x = torch.randn(4, 3)
expected = {
    "tensors": {name: listed(value.detach()) for name, value in tensors.items()},
    "model": {name: listed(value) for name, value in net.state_dict().items()},
    "moments": [listed(adam.state[p]["exp_avg"]) for group in adam.param_groups for p in group["params"]],
    "input": listed(x),
    "output": listed(net.eval()(x).detach()),
}
at("saved.json").write_text(json.dumps(expected) + "\n")
