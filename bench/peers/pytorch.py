"""A worker for PyTorch: python3 peers/pytorch.py WORKLOAD. On a GPU if there is one, else on two threads of the CPU."""

import json
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu":
    torch.set_num_threads(2)


class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5000, 64)
        self.lstm = nn.LSTM(64, 128, batch_first=True)
        self.head = nn.Linear(128, 4)

    def forward(self, ids):
        return self.head(self.lstm(self.embedding(ids))[1][0][-1])


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5000, 128)
        self.positions = nn.Parameter(torch.randn(128, 128) * 0.02)
        layer = nn.TransformerEncoderLayer(128, 4, 512, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(128, 4)

    def forward(self, ids):
        return self.head(self.encoder(self.embedding(ids) + self.positions).mean(1))


def cnn():
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(3136, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )


def mlp():
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))


class Gpt(nn.Module):
    def __init__(self, features=384, heads=6, layers=6, vocabulary=65, time=256):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, features)
        self.positions = nn.Parameter(torch.randn(time, features) * 0.02)
        layer = nn.TransformerEncoderLayer(
            features, heads, 4 * features, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(layer, layers, norm=nn.LayerNorm(features))
        self.head = nn.Linear(features, vocabulary, bias=False)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(time))

    def forward(self, ids):
        logits = self.head(self.blocks(self.embedding(ids) + self.positions, mask=self.mask))
        return logits.flatten(0, 1)


def training(model, x, labels, clip=None):
    model, x, labels = model.to(DEVICE), x.to(DEVICE), labels.to(DEVICE)
    adam = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step():
        loss = F.cross_entropy(model(x), labels)
        adam.zero_grad()
        loss.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        adam.step()
        return loss.item()

    return step


def matmul():
    a, b = torch.randn(1024, 1024, device=DEVICE), torch.randn(1024, 1024, device=DEVICE)
    return lambda: (a @ b)[0, 0].item()


WORKLOADS = {
    "matmul": matmul,
    "cnn": lambda: training(cnn(), torch.randn(64, 1, 28, 28), torch.randint(0, 10, (64,))),
    "lstm": lambda: training(Lstm(), torch.randint(0, 5000, (32, 64)), torch.randint(0, 4, (32,)), 1.0),
    "transformer": lambda: training(Transformer(), torch.randint(0, 5000, (32, 128)), torch.randint(0, 4, (32,)), 0.1),
    "mlp": lambda: training(mlp(), torch.randn(1, 64), torch.randint(0, 10, (1,))),
    "gpt": lambda: training(Gpt(), torch.randint(0, 65, (12, 256)), torch.randint(0, 65, (12 * 256,))),
}


def timed(step):
    start = time.perf_counter()
    step()
    return (time.perf_counter() - start) * 1e3


step = WORKLOADS[sys.argv[1]]()
first = timed(step)
for _ in range(4):
    step()
print(json.dumps({"ready": True, "first": first}), flush=True)
for line in sys.stdin:
    print(json.dumps({"times": [timed(step) for _ in range(json.loads(line)["steps"])]}), flush=True)
