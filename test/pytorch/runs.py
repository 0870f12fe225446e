"""Whole training runs of small models: python3 runs.py writes runs.json and a runs-NAME.safetensors for each.

The safetensors hold the initial parameters ("model.NAME") and the batches ("x.0", "y.0", ...); runs.json the loss of each
step, once in float32 and once in float64. The models are those of src/models, parameter by parameter.
"""

import json
import struct
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

STEPS, BATCHES, BATCH, CLASSES = 60, 6, 16, 4
LR, CLIP = 3e-3, 0.5
VOCAB, LENGTH = 40, 12

torch.manual_seed(0)


class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.fc1 = nn.Linear(16 * 3 * 3, 32)
        self.fc2 = nn.Linear(32, CLASSES)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


class Recurrent(nn.Module):
    def __init__(self, cell):
        super().__init__()
        self.embedding = nn.Embedding(VOCAB, 16, padding_idx=0)
        self.recurrent = cell(16, 24, batch_first=True)
        self.head = nn.Linear(24, CLASSES)

    def forward(self, ids):
        lengths = (ids != 0).sum(1)
        packed = nn.utils.rnn.pack_padded_sequence(self.embedding(ids), lengths, batch_first=True, enforce_sorted=False)
        _, state = self.recurrent(packed)
        return self.head((state[0] if isinstance(state, tuple) else state)[-1])


class Positions(nn.Module):
    def __init__(self):
        super().__init__()
        self.positions = nn.Embedding(LENGTH, 16)

    def forward(self, x):
        return x + self.positions.weight[: x.shape[1]]


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCAB, 16, padding_idx=0)
        self.positions = Positions()
        layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(16, CLASSES)

    def forward(self, ids):
        is_padding = ids == 0
        x = self.encoder(self.positions(self.embedding(ids)), src_key_padding_mask=is_padding)
        is_token = (~is_padding).to(x.dtype)
        return self.head((x * is_token[..., None]).sum(1) / is_token.sum(1, keepdim=True))


def images():
    """A bar across, down or along a diagonal, in noise."""
    x = torch.randn(BATCHES, BATCH, 1, 12, 12) * 0.5
    y = torch.randint(0, CLASSES, (BATCHES, BATCH))
    steps = torch.arange(12)
    for image, label in zip(x.flatten(0, 1), y.flatten()):
        at = torch.randint(0, 12, (1,)).item()
        rows, cols = [(at, steps), (steps, at), (steps, (steps + at) % 12), (steps, (at - steps) % 12)][label]
        image[0, rows, cols] += 1.5
    return x, y


def texts():
    """Tokens of which one, somewhere, gives the class away."""
    y = torch.randint(0, CLASSES, (BATCHES, BATCH))
    x = torch.zeros(BATCHES, BATCH, LENGTH, dtype=torch.int64)
    for text, label in zip(x.flatten(0, 1), y.flatten()):
        length = torch.randint(3, LENGTH + 1, (1,)).item()
        text[:length] = torch.randint(1 + CLASSES, VOCAB, (length,))
        text[torch.randint(0, length, (1,))] = 1 + label
    return x, y


def train(make, state, x, y, dtype):
    model = make().to(dtype)
    model.load_state_dict(state)
    adam = torch.optim.Adam(model.parameters(), lr=LR)
    losses = []
    for step in range(STEPS):
        inputs = x[step % BATCHES]
        loss = F.cross_entropy(model(inputs.to(dtype) if inputs.is_floating_point() else inputs), y[step % BATCHES])
        adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        adam.step()
        losses.append(loss.item())
    return losses


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, x in tensors.items():
        dtype, x = ("F32", x.float()) if x.is_floating_point() else ("I32", x.int())
        raw = x.contiguous().numpy().astype("<f4" if dtype == "F32" else "<i4").tobytes()
        header[name] = {"dtype": dtype, "shape": list(x.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


runs = {}
for name, make, make_data in [
    ("cnn", CNN, images),
    ("lstm", lambda: Recurrent(nn.LSTM), texts),
    ("gru", lambda: Recurrent(nn.GRU), texts),
    ("transformer", Transformer, texts),
]:
    x, y = make_data()
    state = {key: value.clone() for key, value in make().state_dict().items()}
    tensors = {f"model.{key}": value for key, value in state.items()}
    for i in range(BATCHES):
        tensors |= {f"x.{i}": x[i], f"y.{i}": y[i]}
    write_safetensors(Path(__file__).with_name(f"runs-{name}.safetensors"), tensors)
    runs[name] = {
        "float32": train(make, state, x, y, torch.float32),
        "float64": train(make, state, x, y, torch.float64),
    }
Path(__file__).with_suffix(".json").write_text(json.dumps({"lr": LR, "clip": CLIP, "runs": runs}, indent=1) + "\n")
