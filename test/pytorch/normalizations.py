"""Normalisations: python3 normalizations.py writes normalizations.json."""

import torch
from torch import nn
from torch.nn import functional as F

from fixture import drawn, function, module, write


def rms_norm(x, axes, weight, eps):
    """PyTorch has it from 2.4 on, https://docs.pytorch.org/docs/stable/generated/torch.nn.RMSNorm.html."""
    y = x / torch.sqrt((x * x).mean(axes, keepdim=True) + eps)
    return y if weight is None else y * weight


class RMSNorm(nn.Module):
    def __init__(self, shape, eps=2.0**-23, affine=True):
        super().__init__()
        self.axes = tuple(range(-len(shape), 0))
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(shape)) if affine else None

    def forward(self, x):
        return rms_norm(x, self.axes, self.weight, self.eps)


for shape in [[4], [3, 4]]:
    axes = tuple(range(-len(shape), 0))
    x, weight, bias = drawn(2, *shape[:-1], 4, scale=3) + 1, drawn(*shape), drawn(*shape)
    for eps in [1e-5, 0.5]:
        options = {"eps": eps}
        function("layerNorm", lambda x, w, b: F.layer_norm(x, shape, w, b, eps), [x, shape, weight, bias, options])
        function("layerNorm", lambda x, w: F.layer_norm(x, shape, w, None, eps), [x, shape, weight, None, options])
        function("layerNorm", lambda x: F.layer_norm(x, shape, eps=eps), [x, shape, None, None, options])
        function("rmsNorm", lambda x, w: rms_norm(x, axes, w, eps), [x, shape, weight, options])
        function("rmsNorm", lambda x: rms_norm(x, axes, None, eps), [x, shape, None, options])
    module("LayerNorm", [shape], nn.LayerNorm(shape), [x])
    module("LayerNorm", [shape, {"eps": 0.5, "affine": False}], nn.LayerNorm(shape, 0.5, elementwise_affine=False), [x])
    module("RMSNorm", [shape], RMSNorm(shape), [x])
    module("RMSNorm", [shape, {"eps": 0.5, "affine": False}], RMSNorm(shape, 0.5, affine=False), [x])

for shape in [[5, 3], [2, 4, 2], [2, 2, 2, 3], [2, 1, 2, 1, 2]]:
    channels = shape[1]
    x, weight, bias = drawn(*shape, scale=3) + 1, drawn(channels), drawn(channels)
    mean, variance = drawn(channels), drawn(channels) ** 2 + 0.5
    for training in [True, False]:
        for eps, momentum in [(1e-5, 0.1), (0.5, 0.25)]:
            options = {"training": training, "momentum": momentum, "eps": eps}
            function(
                "batchNorm",
                lambda x, m, v, w, b: F.batch_norm(x, m, v, w, b, training, momentum, eps),
                [x, mean, variance, weight, bias, options],
                without_gradient=(1, 2),
            )
    function(
        "batchNorm",
        lambda x, w: F.batch_norm(x, None, None, w, None, True),
        [x, None, None, weight, None, {"training": True}],
    )
    function(
        "batchNorm",
        lambda x, m, v: F.batch_norm(x, m, v, None, None),
        [x, mean, variance],
        without_gradient=(1, 2),
    )

for shape, groups in [([2, 4], 2), ([2, 6, 3], 3), ([2, 4, 2, 2], 1), ([1, 3, 2, 1, 2], 3)]:
    channels = shape[1]
    x, weight, bias = drawn(*shape, scale=3) + 1, drawn(channels), drawn(channels)
    for eps in [1e-5, 0.5]:
        options = {"eps": eps}
        function("groupNorm", lambda x, w, b: F.group_norm(x, groups, w, b, eps), [x, groups, weight, bias, options])
        function("groupNorm", lambda x: F.group_norm(x, groups, eps=eps), [x, groups, None, None, options])
    module("GroupNorm", [groups, channels], nn.GroupNorm(groups, channels), [x])
    arguments = [groups, channels, {"eps": 0.5, "affine": False}]
    module("GroupNorm", arguments, nn.GroupNorm(groups, channels, 0.5, affine=False), [x])

for shape in [[2, 3, 3], [2, 2, 2, 2], [2, 1, 2, 1, 2]]:
    channels = shape[1]
    x, weight, bias = drawn(*shape, scale=3) + 1, drawn(channels), drawn(channels)
    mean, variance = drawn(channels), drawn(channels) ** 2 + 0.5
    for use_input in [True, False]:
        for eps, momentum in [(1e-5, 0.1), (0.5, 0.25)]:
            options = {"useInputStats": use_input, "momentum": momentum, "eps": eps}
            function(
                "instanceNorm",
                lambda x, m, v, w, b: F.instance_norm(x, m, v, w, b, use_input, momentum, eps),
                [x, mean, variance, weight, bias, options],
                without_gradient=(1, 2),
            )
    function("instanceNorm", lambda x: F.instance_norm(x), [x])

# Three steps of training and one of evaluation, each from the state that the one before left.
for name, shapes in {
    "BatchNorm1d": [[4, 3], [3, 3, 2]],
    "BatchNorm2d": [[2, 3, 2, 2]],
    "InstanceNorm1d": [[2, 3, 4], [3, 4]],
    "InstanceNorm2d": [[2, 3, 2, 2], [3, 2, 3]],
}.items():
    is_batch = name.startswith("Batch")
    for options in [
        {},
        {"momentum": None if is_batch else 0.5},
        {"eps": 0.5, "momentum": 0.75, "affine": not is_batch},
        {"trackRunningStats": not is_batch},
        {"affine": False, "trackRunningStats": False},
    ]:
        torch_options = {
            {"trackRunningStats": "track_running_stats"}.get(key, key): value for key, value in options.items()
        }
        layer = getattr(nn, name)(3, **torch_options)
        for step in range(4):
            shape = shapes[step % len(shapes)]
            layer.train(step < 3)
            module(name, [3, options], layer, [drawn(*shape, scale=2) + step])

write(__file__)
