"""Optimizers: python3 optimizers.py writes optimizers.json: the weights after each of 30 steps.

The oracle is PyTorch's own class where that is as the current documentation says. PyTorch 1.13, with which the file was
made, differs in these: NAdam divides its moment by 1 - mu_1 ... mu_t mu_t mu_{t+1} (one factor too many, mended in 2.0), so
its formula is written out here; NAdam and RAdam have neither decoupled decay nor maximize (2.1 to 2.5), Adam has no
decoupled decay but AdamW's (2.7). There is no Lion.
"""

import json
from pathlib import Path

import torch

from fixture import array, drawn

STEPS = 30
# One is changed in vectors of four, the other element by element.
SIZES = [4, 3]


class NAdam(torch.optim.Optimizer):
    """As documented at https://pytorch.org/docs/stable/generated/torch.optim.NAdam.html"""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, momentum_decay=4e-3):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, decay=momentum_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                s = self.state[p]
                if not s:
                    s.update(t=0, product=1.0, m=torch.zeros_like(p), v=torch.zeros_like(p))
                s["t"] += 1
                t = s["t"]
                g = p.grad + group["weight_decay"] * p
                mu, mu_next = (beta1 * (1 - 0.5 * 0.96 ** (k * group["decay"])) for k in (t, t + 1))
                s["product"] *= mu
                s["m"] = beta1 * s["m"] + (1 - beta1) * g
                s["v"] = beta2 * s["v"] + (1 - beta2) * g * g
                m = mu_next * s["m"] / (1 - s["product"] * mu_next) + (1 - mu) * g / (1 - s["product"])
                p -= group["lr"] * m / ((s["v"] / (1 - beta2**t)).sqrt() + group["eps"])


class Lion(torch.optim.Optimizer):
    """Algorithm 2 of https://arxiv.org/abs/2302.06675"""

    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                update = (beta1 * m + (1 - beta1) * p.grad).sign() + group["weight_decay"] * p
                p -= group["lr"] * update
                self.state[p]["m"] = beta2 * m + (1 - beta2) * p.grad


CLASSES = {
    name: getattr(torch.optim, name)
    for name in ["SGD", "Adam", "AdamW", "RAdam", "RMSprop", "Adagrad", "Adadelta", "Adamax"]
}
CLASSES.update(NAdam=NAdam, Lion=Lion)

CASES = {
    "SGD": [
        {"lr": 0.1},
        {},
        {"lr": 0.1, "weight_decay": 0.1},
        {"lr": 0.1, "momentum": 0.9},
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.25},
        {"lr": 0.1, "momentum": 0.8, "nesterov": True, "weight_decay": 0.05},
        {"lr": 0.1, "momentum": 0.9, "maximize": True, "weight_decay": 0.05},
    ],
    "Adam": [
        {},
        {"lr": 0.05, "betas": [0.8, 0.95], "eps": 1e-3},
        {"lr": 0.05, "weight_decay": 0.1, "maximize": True},
        {"lr": 0.05, "amsgrad": True, "betas": [0.7, 0.8]},
        {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True},
        {"lr": 0.05, "betas": [0, 0]},
    ],
    "AdamW": [
        {},
        {"lr": 0.05, "weight_decay": 0.2, "amsgrad": True, "betas": [0.7, 0.8]},
        {"lr": 0.05, "maximize": True, "eps": 1e-3},
    ],
    "NAdam": [
        {},
        {"lr": 0.05, "betas": [0.8, 0.95], "eps": 1e-3, "momentum_decay": 0.05},
        {"lr": 0.05, "weight_decay": 0.1, "maximize": True},
        {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True},
    ],
    "RAdam": [
        {},
        {"lr": 0.05, "betas": [0.8, 0.95], "eps": 1e-3},
        {"lr": 0.05, "betas": [0.8, 0.5]},
        {"lr": 0.05, "weight_decay": 0.1, "maximize": True},
        {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True},
    ],
    "RMSprop": [
        {},
        {"lr": 0.05, "alpha": 0.9, "eps": 1e-3, "weight_decay": 0.1},
        {"lr": 0.02, "momentum": 0.8},
        {"lr": 0.02, "centered": True, "alpha": 0.9},
        {"lr": 0.02, "centered": True, "momentum": 0.8, "maximize": True, "alpha": 0.9},
    ],
    "Adagrad": [
        {},
        {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1},
        {"lr": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-3, "maximize": True},
    ],
    "Adadelta": [{}, {"lr": 0.5, "rho": 0.8, "eps": 1e-3, "weight_decay": 0.1}, {"maximize": True}],
    "Adamax": [
        {},
        {"lr": 0.05, "betas": [0.8, 0.95], "eps": 1e-3, "weight_decay": 0.1},
        {"lr": 0.05, "maximize": True},
    ],
    "Lion": [{}, {"lr": 0.01, "betas": [0.8, 0.9], "weight_decay": 0.1}, {"lr": 0.01, "maximize": True}],
}


def camel(name):
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


class Oracle:
    """The optimizer with the options that its class lacks."""

    def __init__(self, name, parameters, options):
        options = {"lr": 1e-3, **options} if name == "SGD" else dict(options)  # has had a default since 2.3
        cls = CLASSES[name]
        lacks = cls in (NAdam, Lion, torch.optim.RAdam)
        self.parameters = parameters
        self.ascends = lacks and options.pop("maximize", False)
        self.decay = 0
        if options.pop("decoupled_weight_decay", False):
            if name == "Adam":
                cls = torch.optim.AdamW
            else:
                self.decay = options.pop("weight_decay")
        self.optimizer = cls(parameters, **{k: tuple(v) if k == "betas" else v for k, v in options.items()})

    def step(self):
        with torch.no_grad():
            for p in self.parameters:
                if p.grad is None:
                    continue
                p *= 1 - self.optimizer.param_groups[0]["lr"] * self.decay
                if self.ascends:
                    p.grad.neg_()
        self.optimizer.step()


def trajectory(name, options, weights, gradients, rates=None):
    """All weights, one after the other, after each step. The k-th parameter has no gradient before its first."""
    parameters = [torch.nn.Parameter(w.clone()) for w in weights]
    oracle = Oracle(name, parameters, options)
    path = []
    for t in range(STEPS):
        if rates:
            oracle.optimizer.param_groups[0]["lr"] = rates[t]
        for p, g in zip(parameters, gradients(parameters, t)):
            p.grad = None if g is None else g.clone()
        oracle.step()
        path.append([float(f"{x:.12g}") for p in parameters for x in p.tolist()])
    return path


weights = [drawn(n) for n in SIZES]
given = [[drawn(n) if t % 5 != 3 else torch.zeros(n) for n in SIZES] for t in range(STEPS)]
# The second parameter is passed over in three steps.
given = [[a, None if t in (0, 7, 8) else b] for t, (a, b) in enumerate(given)]
x, y = drawn(8, SIZES[0]), torch.tensor([1.0, 0, 1, 1, 0, 0, 1, 0])
rates = [0.05 / (1 + t) for t in range(STEPS)]


def logistic(parameters, t):
    loss = torch.nn.functional.binary_cross_entropy_with_logits(x @ parameters[0], y)
    return [torch.autograd.grad(loss, parameters[0])[0], None]


result = {
    "weights": [array(w)["values"] for w in weights],
    "gradients": [[None if g is None else array(g)["values"] for g in step] for step in given],
    "logistic": {"x": array(x)["values"], "y": array(y)["values"]},
    "rates": rates,
    "cases": [
        {
            "optimizer": name,
            "options": {camel(key): value for key, value in options.items()},
            "given": trajectory(name, options, weights, lambda _, t: given[t]),
            "logistic": [path[: SIZES[0]] for path in trajectory(name, options, weights, logistic)][9::10],
            "scheduled": trajectory(name, options, weights, lambda _, t: given[t], rates)[-1],
        }
        for name, cases in CASES.items()
        for options in cases
    ],
}
cases = result.pop("cases")
head = ",\n".join(f'"{key}": {json.dumps(value)}' for key, value in result.items())
lines = ",\n".join(json.dumps(case) for case in cases)
Path(__file__).with_suffix(".json").write_text(f'{{\n{head},\n"cases": [\n{lines}\n]\n}}\n')
