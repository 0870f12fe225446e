"""Schedules: python3 schedules.py writes schedules.json: the learning rates, and momentums, before each of 40 steps.

PyTorch 1.13 and the current one agree on all of these.
"""

import json
import warnings
from pathlib import Path

import torch
from torch.optim import lr_scheduler

warnings.simplefilter("ignore")
EPOCHS = 40
RATES = [0.1, 0.03]
FUNCTIONS = {"inverse": lambda epoch: 1 / (1 + epoch), "almost": lambda epoch: 0.95 + 0.001 * epoch}


def spec(name, *args, **options):
    """A schedule of tilegrad's: what stands before `options` in PyTorch's signatures is in `args`."""
    return {"schedule": name, "args": list(args), "options": options}


def snake(name):
    return "".join("_" + c.lower() if c.isupper() else c for c in name)


NAMES = {"tMax": "T_max", "t0": "T_0", "tMult": "T_mult"}


def construct(optimizer, s):
    def convert(value):
        if isinstance(value, dict):
            return construct(optimizer, value)
        if isinstance(value, list):
            return [convert(x) for x in value]
        return FUNCTIONS.get(value, value) if isinstance(value, str) else value

    cls = getattr(lr_scheduler, s["schedule"])
    args = [convert(value) for value in s["args"]]
    options = {NAMES.get(k, snake(k)): v for k, v in s["options"].items()}
    return cls(*args, **options) if s["schedule"] == "ChainedScheduler" else cls(optimizer, *args, **options)


CASES = [
    spec("StepLR", 7),
    spec("StepLR", 3, gamma=0.8),
    spec("MultiStepLR", [4, 9, 9, 30], gamma=0.5),
    spec("MultiStepLR", [20, 3]),
    spec("ExponentialLR", 0.93),
    spec("CosineAnnealingLR", 12),
    spec("CosineAnnealingLR", 10, etaMin=0.01),
    spec("CosineAnnealingLR", 1, etaMin=0.01),
    spec("CosineAnnealingWarmRestarts", 7),
    spec("CosineAnnealingWarmRestarts", 3, tMult=2, etaMin=0.002),
    spec("LinearLR"),
    spec("LinearLR", startFactor=0.01, endFactor=0.75, totalIters=20),
    spec("LinearLR", startFactor=1.0, endFactor=0.0, totalIters=15),
    spec("ConstantLR"),
    spec("ConstantLR", factor=0.5, totalIters=9),
    spec("PolynomialLR"),
    spec("PolynomialLR", totalIters=33, power=2.5),
    spec("LambdaLR", "inverse"),
    spec("LambdaLR", ["inverse", "almost"]),
    spec("MultiplicativeLR", "almost"),
    spec("MultiplicativeLR", ["almost", "inverse"]),
    spec("OneCycleLR", 0.5, totalSteps=40),
    spec("OneCycleLR", [0.5, 0.2], epochs=4, stepsPerEpoch=10, pctStart=0.4, annealStrategy="linear"),
    spec("OneCycleLR", 0.5, totalSteps=45, threePhase=True, divFactor=10.0, finalDivFactor=100.0),
    spec("OneCycleLR", 0.5, totalSteps=40, baseMomentum=0.7, maxMomentum=[0.9, 0.8], pctStart=0.25),
    spec("OneCycleLR", 0.5, totalSteps=40, cycleMomentum=False),
    spec("SequentialLR", [spec("LinearLR", totalIters=10), spec("CosineAnnealingLR", 25)], [10]),
    spec("SequentialLR", [spec("ConstantLR", factor=0.1, totalIters=2), spec("ExponentialLR", 0.9)], [2]),
    spec("SequentialLR", [spec("ExponentialLR", 0.9), spec("LinearLR"), spec("StepLR", 4)], [5, 15]),
    spec("SequentialLR", [spec("LinearLR"), spec("MultiplicativeLR", "almost")], [6]),
    spec("SequentialLR", [spec("LinearLR"), spec("LambdaLR", "inverse")], [6]),
    spec("SequentialLR", [spec("LinearLR"), spec("CosineAnnealingWarmRestarts", 4)], [6]),
    spec("SequentialLR", [spec("LinearLR"), spec("PolynomialLR", totalIters=20), spec("ConstantLR")], [6, 20]),
    spec("SequentialLR", [spec("LinearLR"), spec("MultiStepLR", [3, 5])], [6]),
    spec("SequentialLR", [spec("StepLR", 2), spec("OneCycleLR", 0.3, totalSteps=30)], [12]),
    spec("ChainedScheduler", [spec("ConstantLR", factor=0.1, totalIters=4), spec("ExponentialLR", 0.9)]),
    spec("ChainedScheduler", [spec("LinearLR", totalIters=8), spec("CosineAnnealingLR", 30), spec("StepLR", 11)]),
]
PLATEAUS = [
    spec("ReduceLROnPlateau"),
    spec("ReduceLROnPlateau", patience=2, factor=0.5, threshold=0.01),
    spec("ReduceLROnPlateau", patience=1, factor=0.5, threshold=0.05, thresholdMode="abs", cooldown=3),
    spec("ReduceLROnPlateau", mode="max", patience=2, factor=0.3, minLr=[0.01, 0.02]),
    spec("ReduceLROnPlateau", mode="max", patience=0, factor=0.3, thresholdMode="abs", eps=1e-3),
]
measures = [round(2.0 / (1 + t) + 0.1 * (t % 3) + 0.02 * t, 3) for t in range(EPOCHS)]


def run(s, optimizer_name, step):
    parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in RATES]
    groups = [{"params": [p], "lr": lr} for p, lr in zip(parameters, RATES)]
    options = {"SGD": {"momentum": 0.9}, "Adam": {}}[optimizer_name]
    optimizer = getattr(torch.optim, optimizer_name)(groups, lr=1, **options)
    schedule = construct(optimizer, s)
    path = []
    for t in range(EPOCHS):
        row = [group["lr"] for group in optimizer.param_groups]
        if "OneCycleLR" in json.dumps(s):
            row += [group["betas"][0] if "betas" in group else group["momentum"] for group in optimizer.param_groups]
        path.append(row)
        step(schedule, t)
    return {**s, "optimizer": optimizer_name, "path": path}


cases = [run(s, "SGD", lambda schedule, t: schedule.step()) for s in CASES]
cases += [run(s, "Adam", lambda schedule, t: schedule.step()) for s in CASES if s["schedule"] == "OneCycleLR"]
plateaus = [run(s, "SGD", lambda schedule, t: schedule.step(measures[t])) for s in PLATEAUS]
fractions = [
    run(s, "SGD", lambda schedule, t: schedule.step((t + 1) / 4))
    for s in CASES
    if s["schedule"] == "CosineAnnealingWarmRestarts"
]
lists = ",\n".join(
    '"%s": [\n%s\n]' % (name, ",\n".join(json.dumps(case) for case in cases))
    for name, cases in [("epochs", cases), ("measured", plateaus), ("fractions", fractions)]
)
Path(__file__).with_suffix(".json").write_text(f'{{\n"measures": {json.dumps(measures)},\n{lists}\n}}\n')
