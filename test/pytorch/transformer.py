"""Attention and the Transformer's modules: python3 transformer.py writes transformer.json."""

import torch
from torch import nn

from fixture import drawn, module, write

D, HEADS, FF = 4, 2, 3
B, T, TS = 2, 3, 4  # the batch, and the lengths of target and source

PAD_T = torch.tensor([[False, False, False], [False, True, True]])
PAD_TS = torch.tensor([[False, False, True, True], [False, False, False, False]])
CAUSAL = torch.triu(torch.ones(T, T, dtype=torch.bool), 1)


def forbidden(*shape):
    """Some keys of each query, never the first."""
    mask = torch.rand(*shape) < 0.4
    mask[..., 0] = False
    return mask


def of_heads(mask):
    """[b, heads, tq, tk] as PyTorch takes it."""
    return mask.flatten(0, 1)


def attention():
    def attend(layer, **options):
        return lambda q, k, v, *masks: layer(
            q, k, v, need_weights=False, **dict(zip(options, (f(m) for f, m in zip(options.values(), masks))))
        )[0]

    def same(x):
        return x

    for bias in [True, False]:
        layer = nn.MultiheadAttention(D, HEADS, bias=bias, batch_first=True)
        construct = [D, HEADS, {"bias": bias}]
        module("MultiheadAttention", construct, layer, [drawn(B, T, D)], lambda x: layer(x, x, x)[0])
        q, k, v = drawn(B, T, D), drawn(B, TS, D), drawn(B, TS, D)
        module("MultiheadAttention", construct, layer, [q, k, v], attend(layer))
    module("MultiheadAttention", construct, layer, [q, k], lambda q, k: layer(q, k, k)[0])

    layer = nn.MultiheadAttention(D, HEADS, batch_first=True)
    construct = [D, HEADS]
    call = lambda **options: [drawn(B, T, D), drawn(B, TS, D), drawn(B, TS, D), options]
    masks = attend(layer, attn_mask=same, key_padding_mask=same)
    module("MultiheadAttention", construct, layer, call(keyPaddingMask=PAD_TS), attend(layer, key_padding_mask=same))
    module("MultiheadAttention", construct, layer, call(attnMask=forbidden(T, TS)), attend(layer, attn_mask=same))
    module(
        "MultiheadAttention", construct, layer, call(attnMask=forbidden(B, HEADS, T, TS)), attend(layer, attn_mask=of_heads)
    )
    module("MultiheadAttention", construct, layer, call(attnMask=drawn(B, HEADS, T, TS)), attend(layer, attn_mask=of_heads))
    module("MultiheadAttention", construct, layer, call(attnMask=drawn(T, TS), keyPaddingMask=PAD_TS), masks)
    module(
        "MultiheadAttention",
        construct,
        layer,
        call(isCausal=True),
        lambda q, k, v: layer(q, k, v, attn_mask=torch.triu(torch.ones(T, TS, dtype=torch.bool), 1))[0],
    )
    x = drawn(B, T, D)
    self_call = [x, x, x, {"isCausal": True, "keyPaddingMask": PAD_T}]
    module(
        "MultiheadAttention",
        construct,
        layer,
        self_call,
        lambda x, pad: layer(x, x, x, attn_mask=CAUSAL, key_padding_mask=pad)[0],
    )
    for average in [True, False]:
        weights = {"needWeights": True, "averageAttnWeights": average}
        module(
            "MultiheadAttention",
            construct,
            layer,
            call(keyPaddingMask=PAD_TS, attnMask=drawn(T, TS), **weights),
            lambda q, k, v, pad, mask: layer(q, k, v, pad, attn_mask=mask, average_attn_weights=average),
        )
        module(
            "MultiheadAttention",
            construct,
            layer,
            [x, x, x, weights],
            lambda x: layer(x, x, x, average_attn_weights=average),
        )

    for bias, kdim, vdim in [(True, 3, 5), (True, D, 5), (False, 3, D)]:
        layer = nn.MultiheadAttention(D, HEADS, bias=bias, kdim=kdim, vdim=vdim, batch_first=True)
        module(
            "MultiheadAttention",
            [D, HEADS, {"bias": bias, "kdim": kdim, "vdim": vdim}],
            layer,
            [drawn(B, T, D), drawn(B, TS, kdim), drawn(B, TS, vdim), {"keyPaddingMask": PAD_TS}],
            attend(layer, key_padding_mask=same),
        )


def without_bias(torch_module):
    """As later versions of PyTorch make it with bias=False."""
    for inner in torch_module.modules():
        for name in ["bias", "in_proj_bias"]:
            if getattr(inner, name, None) is not None:
                setattr(inner, name, None)
    return torch_module


def options(activation, norm_first, eps=None, bias=True):
    torch_options = {
        "dim_feedforward": FF,
        "dropout": 0,
        "activation": activation,
        "norm_first": norm_first,
        "batch_first": True,
        **({} if eps is None else {"layer_norm_eps": eps}),
    }
    own = {
        "feedForward": FF,
        "dropout": 0,
        "activation": activation,
        "normFirst": norm_first,
        **({} if eps is None else {"layerNormEps": eps}),
        **({} if bias else {"bias": False}),
    }
    return torch_options, own


VARIANTS = [("relu", False), ("relu", True), ("gelu", False), ("gelu", True)]


def encoders():
    masks = lambda: {"mask": forbidden(T, T), "keyPaddingMask": PAD_T}
    for activation, norm_first in VARIANTS:
        torch_options, own = options(activation, norm_first)
        layer = nn.TransformerEncoderLayer(D, HEADS, **torch_options)
        module("TransformerEncoderLayer", [D, HEADS, own], layer, [drawn(B, T, D), masks()], lambda x, *masks: layer(x, *masks))
    torch_options, own = options("gelu", True, eps=0.5, bias=False)
    layer = without_bias(nn.TransformerEncoderLayer(D, HEADS, **torch_options))
    construct = [D, HEADS, own]
    module("TransformerEncoderLayer", construct, layer, [drawn(B, T, D), {"isCausal": True}], lambda x: layer(x, CAUSAL))
    module("TransformerEncoderLayer", construct, layer, [drawn(B, T, D), {"mask": drawn(T, T)}], lambda x, mask: layer(x, mask))

    for norm_first, final in [(False, False), (True, True)]:
        torch_options, own = options("relu", norm_first)
        encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(D, HEADS, **torch_options), 2, norm=nn.LayerNorm(D) if final else None
        )
        construct = [D, HEADS, 2, {**own, "finalNorm": final}]
        module("TransformerEncoder", construct, encoder, [drawn(B, T, D), masks()], lambda x, *masks: encoder(x, *masks))


DECODER = {
    "tgtMask": "tgt_mask",
    "memoryMask": "memory_mask",
    "tgtKeyPaddingMask": "tgt_key_padding_mask",
    "memoryKeyPaddingMask": "memory_key_padding_mask",
}
SOURCE = {"srcMask": "src_mask", "srcKeyPaddingMask": "src_key_padding_mask"}


def with_masks(torch_module, masks):
    """Calls the module with the masks, which come in the order of `masks`."""
    names = [{**DECODER, **SOURCE}[name] for name in masks]
    return lambda x, y, *given: torch_module(x, y, **dict(zip(names, given)))


def decoder_masks():
    return {
        "tgtMask": forbidden(T, T),
        "memoryMask": forbidden(T, TS),
        "tgtKeyPaddingMask": PAD_T,
        "memoryKeyPaddingMask": PAD_TS,
    }


def decoders():
    call = lambda masks: [drawn(B, T, D), drawn(B, TS, D), masks]
    for activation, norm_first in VARIANTS:
        torch_options, own = options(activation, norm_first)
        layer = nn.TransformerDecoderLayer(D, HEADS, **torch_options)
        masks = decoder_masks()
        module("TransformerDecoderLayer", [D, HEADS, own], layer, call(masks), with_masks(layer, masks))
    torch_options, own = options("relu", False, eps=0.5, bias=False)
    layer = without_bias(nn.TransformerDecoderLayer(D, HEADS, **torch_options))
    module(
        "TransformerDecoderLayer",
        [D, HEADS, own],
        layer,
        call({"tgtIsCausal": True, "memoryMask": drawn(T, TS)}),
        lambda x, memory, mask: layer(x, memory, CAUSAL, mask),
    )
    module(
        "TransformerDecoderLayer",
        [D, HEADS, own],
        layer,
        call({"memoryIsCausal": True, "tgtMask": drawn(T, T)}),
        lambda x, memory, mask: layer(x, memory, mask, memory_mask=torch.triu(torch.ones(T, TS, dtype=torch.bool), 1)),
    )

    torch_options, own = options("gelu", True)
    decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(D, HEADS, **torch_options), 2, norm=nn.LayerNorm(D))
    masks = decoder_masks()
    module("TransformerDecoder", [D, HEADS, 2, own], decoder, call(masks), with_masks(decoder, masks))


def transformers():
    call = lambda masks: [drawn(B, TS, D), drawn(B, T, D), masks]
    for activation, norm_first in [("relu", False), ("gelu", True)]:
        torch_options, own = options(activation, norm_first)
        transformer = nn.Transformer(D, HEADS, num_encoder_layers=1, num_decoder_layers=1, **torch_options)
        construct = [D, HEADS, {**own, "encoderLayers": 1, "decoderLayers": 1}]
        masks = {"srcMask": forbidden(TS, TS), "srcKeyPaddingMask": PAD_TS.flip(0), **decoder_masks()}
        if activation == "relu":
            module("Transformer", construct, transformer, call(masks), with_masks(transformer, masks))
            continue
        module(
            "Transformer",
            construct,
            transformer,
            call({"srcKeyPaddingMask": PAD_TS, "memoryKeyPaddingMask": PAD_TS, "srcIsCausal": True, "tgtIsCausal": True}),
            lambda src, tgt, pad: transformer(
                src,
                tgt,
                src_mask=torch.triu(torch.ones(TS, TS, dtype=torch.bool), 1),
                tgt_mask=CAUSAL,
                src_key_padding_mask=pad,
                memory_key_padding_mask=pad,
            ),
        )


attention()
encoders()
decoders()
transformers()
write(__file__)
