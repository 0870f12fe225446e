"""Convolutions: python3 convolutions.py writes convolutions.json."""

from torch import nn
from torch.nn import functional as F

from fixture import drawn, function, module, write


def camel(options):
    return {key if key != "output_padding" else "outputPadding": value for key, value in options.items()}


def convolution(name, compute, x, weight, channels, **options):
    call = [drawn(*x), drawn(*weight, scale=0.5), drawn(channels), camel(options)]
    function(name, lambda x, w, b: compute(x, w, b, **options), call)


def conv1d(x, weight, **options):
    convolution("conv1d", F.conv1d, x, weight, weight[0], **options)


def conv2d(x, weight, **options):
    convolution("conv2d", F.conv2d, x, weight, weight[0], **options)


def conv_transpose1d(x, weight, groups=1, **options):
    convolution("convTranspose1d", F.conv_transpose1d, x, weight, weight[1] * groups, groups=groups, **options)


def conv_transpose2d(x, weight, groups=1, **options):
    convolution("convTranspose2d", F.conv_transpose2d, x, weight, weight[1] * groups, groups=groups, **options)


conv1d([2, 3, 7], [4, 3, 3])
conv1d([3, 7], [4, 3, 3])
conv1d([2, 4, 9], [6, 2, 3], stride=2, padding=1, dilation=2, groups=2)
conv1d([2, 2, 7], [3, 2, 4], padding="same")
conv1d([2, 2, 7], [3, 2, 4], padding="same", dilation=3)
conv1d([2, 2, 7], [3, 2, 4], padding="valid", stride=3)

conv2d([2, 3, 5, 6], [4, 3, 3, 2])
conv2d([3, 5, 6], [4, 3, 3, 2])
conv2d([2, 3, 5, 6], [2, 3, 3, 2], stride=2, padding=1)
conv2d([2, 2, 5, 7], [3, 2, 2, 3], stride=(2, 3), padding=(1, 2))
conv2d([1, 2, 7, 6], [3, 2, 2, 3], dilation=(3, 2))
conv2d([1, 2, 7, 6], [3, 2, 3, 2], dilation=2, stride=2, padding=2)
conv2d([2, 4, 4, 5], [4, 1, 3, 3], padding=1, groups=4)
conv2d([2, 4, 4, 5], [8, 2, 2, 2], groups=2)
conv2d([1, 2, 4, 5], [3, 2, 2, 4], padding="same")
conv2d([1, 2, 4, 5], [3, 2, 2, 3], padding="same", dilation=(3, 2))
conv2d([1, 2, 4, 5], [3, 2, 2, 3], padding="valid")
conv2d([1, 1, 2, 2], [1, 1, 4, 4], padding=1)
conv2d([1, 2, 3, 5], [3, 2, 1, 1], stride=(3, 2))
# Above the sizes at which the kernels are matrix products.
conv2d([1, 4, 5, 6], [12, 4, 3, 3], padding=1)
conv2d([1, 4, 9, 7], [12, 4, 3, 3], stride=2, dilation=2, padding=(3, 2))

conv_transpose1d([2, 3, 4], [3, 2, 3])
conv_transpose1d([3, 4], [3, 2, 3])
conv_transpose1d([2, 4, 4], [4, 3, 3], stride=3, padding=1, output_padding=2, dilation=2, groups=2)
conv_transpose1d([1, 2, 3], [2, 2, 2], dilation=3, output_padding=2)

conv_transpose2d([2, 3, 4, 3], [3, 2, 3, 2])
conv_transpose2d([3, 4, 3], [3, 2, 3, 2])
conv_transpose2d([2, 3, 3, 4], [3, 2, 2, 2], stride=2)
conv_transpose2d([1, 2, 3, 4], [2, 3, 3, 3], stride=2, padding=1, output_padding=1)
conv_transpose2d([1, 2, 3, 4], [2, 3, 3, 2], stride=(3, 2), padding=(1, 0), output_padding=(2, 1), dilation=(2, 1))
conv_transpose2d([2, 4, 3, 2], [4, 2, 2, 3], groups=2, padding=(0, 1))
conv_transpose2d([1, 4, 3, 2], [4, 1, 3, 3], groups=4, stride=4, output_padding=3)
conv_transpose2d([1, 12, 5, 6], [12, 4, 3, 3], stride=2)

# Without a bias.
function("conv2d", lambda x, w: F.conv2d(x, w), [drawn(1, 2, 3, 3), drawn(2, 2, 2, 2)])
function("convTranspose2d", lambda x, w: F.conv_transpose2d(x, w), [drawn(1, 2, 3, 3), drawn(2, 2, 2, 2)])


def layer(name, torch_class, sizes, x, **options):
    renamed = {"padding_mode": "paddingMode", "output_padding": "outputPadding"}
    construct = [*sizes, {renamed.get(key, key): value for key, value in options.items()}]
    module(name, construct, torch_class(*sizes, **options), [drawn(*x)])


for mode in ["zeros", "reflect", "replicate", "circular"]:
    layer("Conv1d", nn.Conv1d, (2, 3, 3), [2, 2, 6], padding=2, padding_mode=mode, stride=2)
    layer("Conv1d", nn.Conv1d, (2, 3, 4), [2, 2, 6], padding="same", padding_mode=mode)
    layer("Conv2d", nn.Conv2d, (2, 3, (3, 2)), [2, 2, 5, 4], padding=(1, 2), padding_mode=mode, stride=(1, 2))
    layer("Conv2d", nn.Conv2d, (2, 2, (2, 3)), [1, 2, 5, 4], padding="same", padding_mode=mode, dilation=(3, 1))
    layer("Conv2d", nn.Conv2d, (2, 2, 3), [1, 2, 5, 4], padding="valid", padding_mode=mode, bias=False)
layer("Conv1d", nn.Conv1d, (4, 6, 3), [4, 6], groups=2, dilation=2, bias=False)
layer("Conv2d", nn.Conv2d, (4, 4, 3), [4, 4, 5], groups=4)
layer("ConvTranspose1d", nn.ConvTranspose1d, (4, 6, 3), [2, 4, 3], groups=2, stride=2, padding=1, output_padding=1)
layer("ConvTranspose1d", nn.ConvTranspose1d, (2, 3, 2), [2, 4], dilation=2, bias=False)
layer("ConvTranspose2d", nn.ConvTranspose2d, (4, 2, (3, 2)), [1, 4, 3, 3], groups=2, stride=(2, 3), padding=(1, 0), output_padding=(1, 2))
layer("ConvTranspose2d", nn.ConvTranspose2d, (2, 3, 2), [2, 3, 4], dilation=2, bias=False)

write(__file__)
