"""Normalisations: python3 normalizations.py writes normalizations.json."""

from torch.nn import functional as F

from fixture import drawn, function, write

for shape in [[4], [3, 4]]:
    x, weight, bias = drawn(2, *shape[:-1], 4, scale=3) + 1, drawn(*shape), drawn(*shape)
    for eps in [1e-5, 0.5]:
        options = {"eps": eps}
        function("layerNorm", lambda x, w, b: F.layer_norm(x, shape, w, b, eps), [x, shape, weight, bias, options])
        function("layerNorm", lambda x: F.layer_norm(x, shape, eps=eps), [x, shape, None, None, options])

write(__file__)
