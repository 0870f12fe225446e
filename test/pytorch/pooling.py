"""Pooling and interpolation: python3 pooling.py writes pooling.json."""

import torch
from torch import nn
from torch.nn import functional as F

from fixture import drawn, function, module, write

NAMES = {
    "stride": "stride",
    "padding": "padding",
    "dilation": "dilation",
    "ceil_mode": "ceilMode",
    "count_include_pad": "countIncludePad",
    "divisor_override": "divisorOverride",
    "size": "size",
    "scale_factor": "scaleFactor",
    "mode": "mode",
    "align_corners": "alignCorners",
}


def camel(options):
    return {NAMES[key]: value for key, value in options.items()}


def pool(name, layer, compute, x, kernel, **options):
    """Records a function and the layer of it."""
    function(name, lambda x: compute(x, kernel, **options), [x, kernel, camel(options)])
    module(layer.__name__, [kernel, camel(options)], layer(kernel, **options), [x[..., :8]])


line, image = (1, 2, 11), (1, 1, 7, 8)
nan = drawn(1, 2, 5, 6)
nan[0, 0, 1, 2] = nan[0, 0, 2, 3] = nan[0, 1, 4, 5] = float("nan")
ties = torch.round(drawn(1, 2, 6, 6))

for options in [
    {},
    {"stride": 2},
    {"padding": 1},
    {"stride": 2, "padding": 1, "dilation": 2},
    {"stride": 4, "ceil_mode": True},
    {"stride": 3, "padding": 1, "ceil_mode": True},
]:
    pool("maxPool1d", nn.MaxPool1d, F.max_pool1d, drawn(*line), 3, **options)
pool("maxPool1d", nn.MaxPool1d, F.max_pool1d, drawn(5, 11), 2)

for kernel, options in [
    (2, {}),
    ([2, 3], {"stride": 2}),
    (3, {"stride": 1, "padding": 1}),
    (3, {"stride": 2, "padding": 1}),
    ([3, 2], {"stride": [2, 1], "padding": [1, 0], "dilation": [1, 3]}),
    (2, {"stride": 3, "dilation": 2, "ceil_mode": True}),
    (3, {"stride": [3, 4], "padding": 1, "ceil_mode": True}),
]:
    module("MaxPool2d", [kernel, camel(options)], nn.MaxPool2d(kernel, **options), [drawn(1, 6, 8)])
    function("maxPool2d", lambda x: F.max_pool2d(x, kernel, **options), [drawn(2, 3, 5, 6), kernel, camel(options)])
    with_indices = lambda x: F.max_pool2d(x, kernel, return_indices=True, **options)
    function("maxPool2dWithIndices", with_indices, [drawn(1, 1, 6, 7), kernel, camel(options)])
pool("maxPool2d", nn.MaxPool2d, F.max_pool2d, drawn(2, 6, 8), 2)
pool("maxPool2d", nn.MaxPool2d, F.max_pool2d, drawn(5, 1, 4, 8), 2)
for x in [ties, nan]:
    for kernel, options in [(2, {}), (3, {"stride": 1, "padding": 1}), (2, {"stride": 1})]:
        with_indices = lambda x: F.max_pool2d(x, kernel, return_indices=True, **options)
        function("maxPool2dWithIndices", with_indices, [x, kernel, camel(options)])

for options in [
    {},
    {"stride": 2},
    {"padding": 1},
    {"padding": 1, "count_include_pad": False},
    {"stride": 4, "ceil_mode": True},
    {"stride": 3, "padding": 1, "ceil_mode": True},
    {"stride": 3, "padding": 1, "ceil_mode": True, "count_include_pad": False},
]:
    pool("avgPool1d", nn.AvgPool1d, F.avg_pool1d, drawn(*line), 3, **options)
pool("avgPool1d", nn.AvgPool1d, F.avg_pool1d, drawn(5, 11), 2)

for kernel, options in [
    (2, {}),
    ([2, 3], {"stride": 2}),
    (3, {"stride": 1, "padding": 1}),
    (3, {"stride": 2, "padding": 1, "count_include_pad": False}),
    ([3, 2], {"stride": [2, 1], "padding": [1, 0], "divisor_override": 5}),
    (3, {"stride": [3, 4], "padding": 1, "ceil_mode": True}),
    (3, {"stride": [3, 4], "padding": 1, "ceil_mode": True, "count_include_pad": False}),
    (4, {"stride": 3, "padding": 2, "ceil_mode": True, "divisor_override": -2}),
]:
    pool("avgPool2d", nn.AvgPool2d, F.avg_pool2d, drawn(*image), kernel, **options)
pool("avgPool2d", nn.AvgPool2d, F.avg_pool2d, drawn(2, 6, 8), 2)

for out in [1, 2, 4, 11, 13]:
    function("adaptiveAvgPool1d", lambda x: F.adaptive_avg_pool1d(x, out), [drawn(*line), out])
    module("AdaptiveAvgPool1d", [out], nn.AdaptiveAvgPool1d(out), [drawn(2, 12)])
for out in [1, 2, [7, 5], [3, 4], [None, 2], [9, 12]]:
    function("adaptiveAvgPool2d", lambda x: F.adaptive_avg_pool2d(x, out), [drawn(*image), out])
    module("AdaptiveAvgPool2d", [out], nn.AdaptiveAvgPool2d(out), [drawn(2, 6, 8)])
    function("adaptiveMaxPool2d", lambda x: F.adaptive_max_pool2d(x, out), [drawn(*image), out])
    module("AdaptiveMaxPool2d", [out], nn.AdaptiveMaxPool2d(out), [drawn(2, 6, 8)])
function("adaptiveMaxPool2d", lambda x: F.adaptive_max_pool2d(x, [2, 4]), [nan, [2, 4]])
function("globalAvgPool1d", lambda x: F.adaptive_avg_pool1d(x, 1), [drawn(*line)])
function("globalAvgPool2d", lambda x: F.adaptive_avg_pool2d(x, 1), [drawn(*image)])
module("GlobalAvgPool1d", [], nn.AdaptiveAvgPool1d(1), [drawn(*line)])
module("GlobalAvgPool2d", [], nn.AdaptiveAvgPool2d(1), [drawn(*image)])

for shape, mode, targets in [
    ((1, 2, 5), "linear", [1, 3, 5, 9, 12]),
    ((1, 1, 4, 5), "bilinear", [1, [2, 3], [4, 5], [9, 6]]),
]:
    resizes = [{"size": size} for size in targets]
    resizes += [{"scale_factor": factor} for factor in [2, 0.5, 1.5, 0.7, 2.3]]
    for options in resizes:
        for how in [{}, {"mode": mode}, {"mode": mode, "align_corners": True}, {"mode": mode, "align_corners": False}]:
            both = {**options, **how}
            function("interpolate", lambda x: F.interpolate(x, **both), [drawn(*shape), camel(both)])
module("Upsample", [{"scaleFactor": [2, 3]}], nn.Upsample(scale_factor=(2, 3)), [drawn(1, 2, 3, 4)])
module("Upsample", [{"size": 7, "mode": "linear"}], nn.Upsample(7, mode="linear"), [drawn(1, 2, 3)])

write(__file__)
