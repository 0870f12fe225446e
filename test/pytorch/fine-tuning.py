"""A checkpoint to go on from: python3 fine-tuning.py writes fine-tuning.pt, after 30 steps, and the losses of the next 20.

The model is that of src/models/transformer-classifier.ts, parameter by parameter; fine-tuning.json holds the batches and the
losses, once in float32, as the checkpoint is, and once in float64.
"""

import copy
import json
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

BEFORE, AFTER, BATCHES, BATCH = 30, 20, 5, 8
VOCAB, LENGTH, CLASSES, D = 30, 10, 4, 16
LR, HEAD_LR, CLIP = 2e-3, 5e-3, 1.0

torch.manual_seed(0)


class Positions(nn.Module):
    def __init__(self):
        super().__init__()
        self.positions = nn.Embedding(LENGTH, D)

    def forward(self, x):
        return x + self.positions.weight[: x.shape[1]]


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCAB, D, padding_idx=0)
        self.positions = Positions()
        layer = nn.TransformerEncoderLayer(D, 2, 32, dropout=0, batch_first=True, activation="gelu")
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(D, CLASSES)

    def forward(self, ids):
        is_padding = ids == 0
        x = self.encoder(self.positions(self.embedding(ids)), src_key_padding_mask=is_padding)
        is_token = (~is_padding).to(x.dtype)
        return self.head((x * is_token[..., None]).sum(1) / is_token.sum(1, keepdim=True))


def texts():
    """Tokens of which one, somewhere, gives the class away."""
    y = torch.randint(0, CLASSES, (BATCHES, BATCH))
    x = torch.zeros(BATCHES, BATCH, LENGTH, dtype=torch.int64)
    for text, label in zip(x.flatten(0, 1), y.flatten()):
        length = torch.randint(3, LENGTH + 1, (1,)).item()
        text[:length] = torch.randint(1 + CLASSES, VOCAB, (length,))
        text[torch.randint(0, length, (1,))] = 1 + label
    return x, y


def optimizer_of(model):
    body = [p for name, p in model.named_parameters() if not name.startswith("head.")]
    groups = [{"params": body, "lr": LR, "weight_decay": 0.01}, {"params": model.head.parameters()}]
    return torch.optim.Adam(groups, lr=HEAD_LR, betas=(0.9, 0.99))


def train(model, adam, x, y, first, steps):
    losses = []
    for step in range(first, first + steps):
        loss = F.cross_entropy(model(x[step % BATCHES]), y[step % BATCHES])
        adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        adam.step()
        losses.append(loss.item())
    return losses


x, y = texts()
model = Transformer()
adam = optimizer_of(model)
train(model, adam, x, y, 0, BEFORE)
checkpoint = {"model": model.state_dict(), "optimizer": adam.state_dict(), "step": BEFORE}
torch.save(checkpoint, Path(__file__).with_suffix(".pt"))

exact = Transformer().double()
exact.load_state_dict(model.state_dict())
exact_adam = optimizer_of(exact)
exact_adam.load_state_dict(copy.deepcopy(adam.state_dict()))
losses = {
    "float64": train(exact, exact_adam, x, y, BEFORE, AFTER),
    "float32": train(model, adam, x, y, BEFORE, AFTER),
}
data = {"clip": CLIP, "x": x.tolist(), "y": y.tolist(), "losses": losses}
Path(__file__).with_suffix(".json").write_text(json.dumps(data) + "\n")
