"""Losses: python3 losses.py writes losses.json."""

import torch
from torch.nn import functional as F

from fixture import drawn, function, write

REDUCTIONS = ["mean", "sum", "none"]


def fractions(*shape):
    """Numbers above 0 and below 1."""
    return torch.sigmoid(drawn(*shape)).mul(64).round() / 64


def class_losses():
    for shape in [(4, 3), (2, 3, 2), (3,)]:
        axis = min(1, len(shape) - 1)
        classes = shape[axis]
        weight = torch.rand(classes).mul(64).round() / 64 + 0.125
        labels = torch.randint(0, classes, shape[:axis] + shape[axis + 1 :])
        soft = torch.softmax(drawn(*shape), axis).mul(64).round() / 64
        for reduction in REDUCTIONS:
            logits = drawn(*shape, scale=2)
            function(
                "crossEntropy",
                lambda x, y, w: F.cross_entropy(x, y, w, reduction=reduction),
                [logits, labels, {"weight": weight, "reduction": reduction}],
                without_gradient=[2],
            )
            for w, ignored in [(None, -100), (weight, 0)]:
                function(
                    "crossEntropy",
                    lambda x, y, w=None: F.cross_entropy(
                        x, y, w, ignore_index=ignored, label_smoothing=0.25, reduction=reduction
                    ),
                    [logits, labels]
                    + [{"weight": w, "ignoreIndex": ignored, "labelSmoothing": 0.25, "reduction": reduction}],
                    without_gradient=[2],
                )
            function(
                "crossEntropy",
                lambda x, y, w: F.cross_entropy(x, y, w, label_smoothing=0.25, reduction=reduction),
                [logits, soft, {"weight": weight, "labelSmoothing": 0.25, "reduction": reduction}],
                without_gradient=[2],
            )
            function(
                "nllLoss",
                lambda x, y, w: F.nll_loss(x, y, w, ignore_index=0, reduction=reduction),
                [logits, labels, {"weight": weight, "ignoreIndex": 0, "reduction": reduction}],
                without_gradient=[2],
            )


def pair_losses():
    x, y = drawn(2, 3), drawn(2, 3)
    p, q = fractions(2, 3), fractions(2, 3)
    weight, pos_weight = torch.tensor([0.5, 2.0, 1.25]), torch.tensor([3.0, 0.25, 1.0])
    for reduction in REDUCTIONS:
        r = {"reduction": reduction}
        function("mseLoss", lambda x, y: F.mse_loss(x, y, **r), [x, y, r])
        function("l1Loss", lambda x, y: F.l1_loss(x, y, **r), [x, y, r])
        function("smoothL1Loss", lambda x, y: F.smooth_l1_loss(x, y, beta=0.5, **r), [x, y, {"beta": 0.5, **r}])
        function("huberLoss", lambda x, y: F.huber_loss(x, y, delta=0.5, **r), [x, y, {"delta": 0.5, **r}])
        function(
            "bceLoss",
            lambda x, y, w: F.binary_cross_entropy(x, y, w, **r),
            [p, q, {"weight": weight, **r}],
            without_gradient=[1, 2],  # PyTorch has none for targets where there is a weight
        )
        function(
            "bceWithLogitsLoss",
            lambda x, y, w, v: F.binary_cross_entropy_with_logits(x, y, w, pos_weight=v, **r),
            [4 * x, q, {"weight": weight, "posWeight": pos_weight, **r}],
            without_gradient=[2, 3],
        )
    for reduction in ["mean", "batchmean", "sum", "none"]:
        r = {"reduction": reduction}
        function("klDivLoss", lambda x, y: F.kl_div(x, y, **r), [x, q, r])
        function("klDivLoss", lambda x, y: F.kl_div(x, y, log_target=True, **r), [x, y, {"logTarget": True, **r}])


class_losses()
pair_losses()
write(__file__)
