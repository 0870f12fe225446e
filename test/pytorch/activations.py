"""Activation functions: python3 activations.py writes activations.json."""

import torch
from torch import nn
from torch.nn import functional as F

from fixture import drawn, function, module, write

# No number is where a function has a kink.
x = drawn(3, 4, scale=3) + 1 / 128


def hardsigmoid(x):
    """As PyTorch documents it; its own has 1 / 6 in float32."""
    return F.relu6(x + 3) / 6



FUNCTIONS = {
    "relu": [(F.relu, [])],
    "relu6": [(F.relu6, [])],
    "hardtanh": [(F.hardtanh, []), (lambda x: F.hardtanh(x, -2, 0.5), [{"min": -2, "max": 0.5}])],
    "leakyRelu": [(F.leaky_relu, []), (lambda x: F.leaky_relu(x, 0.375), [0.375])],
    "elu": [(F.elu, []), (lambda x: F.elu(x, 0.375), [0.375])],
    "celu": [(F.celu, []), (lambda x: F.celu(x, 0.375), [0.375])],
    "selu": [(F.selu, [])],
    "gelu": [(F.gelu, []), (lambda x: F.gelu(x, approximate="tanh"), [{"approximate": "tanh"}])],
    "silu": [(F.silu, [])],
    "mish": [(F.mish, [])],
    "tanh": [(torch.tanh, [])],
    "tanhshrink": [(F.tanhshrink, [])],
    "sigmoid": [(torch.sigmoid, [])],
    "logSigmoid": [(F.logsigmoid, [])],
    "hardsigmoid": [(hardsigmoid, [])],
    "hardswish": [(F.hardswish, [])],
    "softplus": [
        (F.softplus, []),
        (lambda x: F.softplus(x, 2), [{"beta": 2}]),
        (lambda x: F.softplus(x, 0.5, 1), [{"beta": 0.5, "threshold": 1}]),
    ],
    "softsign": [(F.softsign, [])],
    "hardshrink": [(F.hardshrink, []), (lambda x: F.hardshrink(x, 1.5), [1.5])],
    "softshrink": [(F.softshrink, []), (lambda x: F.softshrink(x, 1.5), [1.5])],
    "threshold": [(lambda x: F.threshold(x, 0.25, -7), [0.25, -7])],
    "softmax": [(lambda x: F.softmax(x, -1), []), (lambda x: F.softmax(x, 0), [0])],
    "logSoftmax": [(lambda x: F.log_softmax(x, -1), []), (lambda x: F.log_softmax(x, 0), [0])],
    "softmin": [(lambda x: F.softmin(x, -1), []), (lambda x: F.softmin(x, 0), [0])],
    "glu": [(F.glu, [])],
}

MODULES = [
    ("ReLU", [], nn.ReLU()),
    ("ReLU6", [], nn.ReLU6()),
    ("Hardtanh", [], nn.Hardtanh()),
    ("Hardtanh", [{"min": -2, "max": 0.5}], nn.Hardtanh(-2, 0.5)),
    ("LeakyReLU", [], nn.LeakyReLU()),
    ("LeakyReLU", [0.375], nn.LeakyReLU(0.375)),
    ("ELU", [], nn.ELU()),
    ("ELU", [0.375], nn.ELU(0.375)),
    ("CELU", [], nn.CELU()),
    ("CELU", [0.375], nn.CELU(0.375)),
    ("SELU", [], nn.SELU()),
    ("GELU", [], nn.GELU()),
    ("GELU", [{"approximate": "tanh"}], nn.GELU("tanh")),
    ("SiLU", [], nn.SiLU()),
    ("Mish", [], nn.Mish()),
    ("Tanh", [], nn.Tanh()),
    ("Tanhshrink", [], nn.Tanhshrink()),
    ("Sigmoid", [], nn.Sigmoid()),
    ("LogSigmoid", [], nn.LogSigmoid()),
    ("Hardswish", [], nn.Hardswish()),
    ("Softplus", [], nn.Softplus()),
    ("Softplus", [{"beta": 0.5, "threshold": 1}], nn.Softplus(0.5, 1)),
    ("Softsign", [], nn.Softsign()),
    ("Hardshrink", [], nn.Hardshrink()),
    ("Hardshrink", [1.5], nn.Hardshrink(1.5)),
    ("Softshrink", [], nn.Softshrink()),
    ("Softshrink", [1.5], nn.Softshrink(1.5)),
    ("Threshold", [0.25, -7], nn.Threshold(0.25, -7)),
    ("Softmax", [], nn.Softmax(-1)),
    ("Softmax", [0], nn.Softmax(0)),
    ("LogSoftmax", [0], nn.LogSoftmax(0)),
    ("Softmin", [0], nn.Softmin(0)),
    ("GLU", [], nn.GLU()),
]

for name, forms in FUNCTIONS.items():
    for compute, rest in forms:
        function(name, compute, [x, *rest])
function("glu", lambda x: F.glu(x, 1), [drawn(2, 4, 3), 1])
for name, construct, layer in MODULES:
    module(name, construct, layer, [x])
module("Hardsigmoid", [], nn.Hardsigmoid(), [x], hardsigmoid)
module("GLU", [1], nn.GLU(1), [drawn(2, 4, 3)])
for shape in [(2, 3, 2, 2), (3, 2, 2)]:
    module("Softmax2d", [], nn.Softmax2d(), [drawn(*shape)])
for shape, channels in [([3, 4], 1), ([3, 4], 4), ([2, 3, 2], 3), ([1, 2, 2, 2], 2), ([5], 1)]:
    z = drawn(*shape, scale=3) + 1 / 128
    function("prelu", F.prelu, [z, drawn(channels)])
    module("PReLU", [channels], nn.PReLU(channels), [z])

write(__file__)
