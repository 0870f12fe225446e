import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from fixture import drawn, module, write

T = 4


def state(result):
    """Results in tilegrad's order: the output, h, and c of an LSTM."""
    output, last = result
    return [output, *(last if isinstance(last, tuple) else [last])]


def network(name, sizes, options, torch_options, b=3, lengths=None, initial=False):
    """Records a network, with its lengths by way of packed sequences, and with an initial state or without."""
    torch_module = getattr(torch.nn, name)(*sizes, batch_first=True, **torch_options)
    torch_module.train()
    keys = ["hidden", "cell"] if name == "LSTM" else ["hidden"]
    states = torch_options.get("num_layers", 1) * (2 if torch_options.get("bidirectional") else 1)
    call = {key: drawn(states, b, sizes[1]) for key in keys} if initial else {}
    if lengths is not None:
        call["lengths"] = torch.tensor(lengths, dtype=torch.int32)

    def compute(x, *rest):
        given = rest[: len(keys)] if initial else ()
        first = None if not initial else given if name == "LSTM" else given[0]
        if lengths is None:
            return state(torch_module(x, first))
        packed = pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
        output, last = torch_module(packed, first)
        return state((pad_packed_sequence(output, batch_first=True, total_length=T)[0], last))

    module(name, [*sizes, options], torch_module, [drawn(b, T, sizes[0]), call], compute)


two = dict(numLayers=2, bidirectional=True), dict(num_layers=2, bidirectional=True)
for name in ["RNN", "LSTM", "GRU"]:
    network(name, [3, 4], {}, {})
    network(name, [2, 3], {}, {}, initial=True)  # not a multiple of four
    network(name, [3, 4], dict(bias=False), dict(bias=False), lengths=[2, 4, 1])
    network(name, [3, 4], dict(numLayers=2), dict(num_layers=2), b=2, initial=True)
    network(name, [3, 4], dict(bidirectional=True), dict(bidirectional=True), lengths=[4, 1, 3], initial=True)
    network(name, [2, 4], *two, b=2, lengths=[3, 4], initial=True)
    network(name, [2, 3], *two, b=1)
relu = dict(nonlinearity="relu")
network("RNN", [3, 4], relu, relu)
network("RNN", [3, 4], {**relu, "bidirectional": True}, {**relu, "bidirectional": True}, lengths=[2, 4, 3], initial=True)

for bias in [True, False]:
    options = {} if bias else dict(bias=False)
    module("RNNCell", [3, 4, options], torch.nn.RNNCell(3, 4, bias), [drawn(2, 3), drawn(2, 4)])
    module("GRUCell", [3, 4, options], torch.nn.GRUCell(3, 4, bias), [drawn(2, 3), drawn(2, 4)])
    cell = torch.nn.LSTMCell(3, 4, bias)
    call = [drawn(2, 3), dict(hidden=drawn(2, 4), cell=drawn(2, 4))]
    module("LSTMCell", [3, 4, options], cell, call, lambda x, h, c: cell(x, (h, c)))
module("RNNCell", [3, 4, relu], torch.nn.RNNCell(3, 4, nonlinearity="relu"), [drawn(2, 3)])
module("LSTMCell", [3, 4], torch.nn.LSTMCell(3, 4), [drawn(2, 3)])
module("GRUCell", [2, 3], torch.nn.GRUCell(2, 3), [drawn(2, 2)])

write(__file__)
