"""Embeddings: python3 embedding.py writes embedding.json."""

import torch
from torch import nn
from torch.nn import functional as F

from fixture import drawn, function, module, write

ids = torch.tensor([[1, 0, 1], [4, 2, 1]])
flat = torch.tensor([1, 0, 4, 1, 2, 2, 3])
offsets = torch.tensor([0, 2, 2, 6])
ends = torch.tensor([0, 2, 2, 6, 7])


def embeddings():
    table = drawn(5, 3)
    function("embedding", lambda w, i: F.embedding(i, w), [table, ids])
    function("embedding", lambda w, i: F.embedding(i, w), [table, ids[0, 0]])
    for padding in [1, -1]:
        function("embedding", lambda w, i: F.embedding(i, w, padding), [table, ids, {"paddingIndex": padding}])
    module("Embedding", [5, 3], nn.Embedding(5, 3), [ids])
    module("Embedding", [5, 3, {"paddingIndex": 1}], nn.Embedding(5, 3, padding_idx=1), [ids])
    module("Embedding", [5, 3, {"paddingIndex": -1}], nn.Embedding(5, 3, padding_idx=-1), [ids])


def bags():
    table = drawn(5, 4)
    for mode in ["sum", "mean", "max"]:
        m = {"mode": mode}
        function("embeddingBag", lambda w, i: F.embedding_bag(i, w, **m), [table, ids, m])
        function("embeddingBag", lambda w, i, o: F.embedding_bag(i, w, o, **m), [table, flat, {"offsets": offsets, **m}])
        function(
            "embeddingBag",
            lambda w, i, o: F.embedding_bag(i, w, o, include_last_offset=True, **m),
            [table, flat, {"offsets": ends, "includeLastOffset": True, **m}],
        )
        for padding in [1, -1]:
            function(
                "embeddingBag",
                lambda w, i, o: F.embedding_bag(i, w, o, padding_idx=padding, **m),
                [table, flat, {"offsets": offsets, "paddingIndex": padding, **m}],
            )
        module("EmbeddingBag", [5, 4, m], nn.EmbeddingBag(5, 4, **m), [ids])
        module(
            "EmbeddingBag",
            [5, 4, {"paddingIndex": 1, "includeLastOffset": True, **m}],
            nn.EmbeddingBag(5, 4, padding_idx=1, include_last_offset=True, **m),
            [flat, ends],
        )
    module("EmbeddingBag", [5, 4], nn.EmbeddingBag(5, 4), [ids])
    for padding in [None, 1]:
        function(
            "embeddingBag",
            lambda w, i, o, s: F.embedding_bag(i, w, o, mode="sum", per_sample_weights=s, padding_idx=padding),
            [table, flat, {"offsets": offsets, "mode": "sum", "perSampleWeights": drawn(7), "paddingIndex": padding}],
        )
    function(
        "embeddingBag",
        lambda w, i, s: F.embedding_bag(i, w, mode="sum", per_sample_weights=s),
        [table, ids, {"mode": "sum", "perSampleWeights": drawn(2, 3)}],
    )
    module("EmbeddingBag", [5, 4, {"mode": "sum"}], nn.EmbeddingBag(5, 4, mode="sum"), [flat, offsets, drawn(7)])


embeddings()
bags()
write(__file__)
