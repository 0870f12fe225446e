"""Layers that are a matrix product, and those that only rearrange: python3 linear.py writes linear.json."""

from torch import nn
from torch.nn import functional as F

from fixture import drawn, function, module, write

for leading in [(), (4,), (2, 3), (0,)]:
    for bias in [True, False]:
        module("Linear", [5, 3, {"bias": bias}], nn.Linear(5, 3, bias=bias), [drawn(*leading, 5)])
        layer = nn.Bilinear(4, 3, 2, bias=bias)
        module("Bilinear", [4, 3, 2, {"bias": bias}], layer, [drawn(*leading, 4), drawn(*leading, 3)])
module("Linear", [1, 1], nn.Linear(1, 1), [drawn(2, 1)])
module("Bilinear", [2, 3, 7], nn.Bilinear(2, 3, 7), [drawn(5, 2), drawn(5, 3)])

function("linear", lambda x, w: F.linear(x, w), [drawn(3, 5), drawn(2, 5)])
function("linear", lambda x, w, b: F.linear(x, w, b), [drawn(2, 3, 5), drawn(4, 5), drawn(4)])
function("bilinear", lambda a, b, w: F.bilinear(a, b, w), [drawn(3, 5), drawn(3, 4), drawn(2, 5, 4)])
function(
    "bilinear", lambda a, b, w, c: F.bilinear(a, b, w, c), [drawn(2, 3, 5), drawn(2, 3, 4), drawn(6, 5, 4), drawn(6)]
)

for arguments in [[], [0], [2], [1, 2], [-2, -1], [0, 1]]:
    module("Flatten", arguments, nn.Flatten(*arguments), [drawn(2, 3, 4, 2)])
for axis, sizes in [(1, [2, 3]), (-1, [2, -1]), (0, [1, 2]), (1, [-1])]:
    module("Unflatten", [axis, sizes], nn.Unflatten(axis, sizes), [drawn(2, 6, 4)])
module("Identity", [], nn.Identity(), [drawn(2, 3)])

write(__file__)
