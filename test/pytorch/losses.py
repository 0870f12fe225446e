"""Losses: python3 losses.py writes losses.json."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from fixture import Call, drawn, function, module, write

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


def signs(*shape):
    """1 and -1."""
    return torch.randint(0, 2, shape) * 2 - 1


def margin_losses():
    x, y = drawn(2, 3), drawn(2, 3)
    t = signs(2, 3)
    weight = torch.tensor([0.5, 2.0, 1.25])
    labels = torch.tensor([2, 0])
    lists = torch.tensor([[2, 0, -1], [1, -1, 0]])
    for reduction in REDUCTIONS:
        r = {"reduction": reduction}
        function("hingeEmbeddingLoss", lambda x, t: F.hinge_embedding_loss(x, t, **r), [x, t, r])
        function(
            "hingeEmbeddingLoss",
            lambda x, t: F.hinge_embedding_loss(x, t, margin=0.25, **r),
            [x, t * 1.0, {"margin": 0.25, **r}],
            without_gradient=[1],
        )
        function("softMarginLoss", lambda x, t: F.soft_margin_loss(x, t, **r), [4 * x, t, r])
        function("marginRankingLoss", lambda x, y, t: F.margin_ranking_loss(x, y, t, **r), [x, y, t, r])
        function(
            "marginRankingLoss",
            lambda x, y, t: F.margin_ranking_loss(x, y, t, margin=0.7, **r),
            [x, y, t * 1.0, {"margin": 0.7, **r}],
        )
        function("multiMarginLoss", lambda x, t: F.multi_margin_loss(x, t, **r), [x, labels, r])
        function("multiMarginLoss", lambda x, t: F.multi_margin_loss(x, t, **r), [x[0], labels[0], r])
        function(
            "multiMarginLoss",
            lambda x, t, w: F.multi_margin_loss(x, t, p=2, margin=0.75, weight=w, **r),
            [x, labels, {"p": 2, "margin": 0.75, "weight": weight, **r}],
            without_gradient=[2],
        )
        function("multilabelMarginLoss", lambda x, t: F.multilabel_margin_loss(x, t, **r), [x, lists, r])
        function("multilabelMarginLoss", lambda x, t: F.multilabel_margin_loss(x, t, **r), [x[0], lists[0], r])
        function(
            "multilabelSoftMarginLoss",
            lambda x, t, w: F.multilabel_soft_margin_loss(x, t, w, **r),
            [4 * x, (t + 1) / 2, {"weight": weight, **r}],
            without_gradient=[1, 2],
        )
        function(
            "multilabelSoftMarginLoss",
            lambda x, t: F.multilabel_soft_margin_loss(x, t, **r),
            [4 * x, (t + 1) / 2, r],
            without_gradient=[1],
        )


def distances():
    x, y = drawn(4, 3), drawn(4, 3)
    t = signs(4)
    function("cosineSimilarity", F.cosine_similarity, [x, y])
    function("cosineSimilarity", lambda x, y: F.cosine_similarity(x, y, dim=0), [x, y, {"axis": 0}])
    function("cosineSimilarity", lambda x, y: F.cosine_similarity(x, y, eps=0.5), [x, y, {"eps": 0.5}])
    function(
        "cosineSimilarity",
        lambda x, y: F.cosine_similarity(x[:, None], y[None], dim=-1),
        [Call("unsqueeze", x, 1), Call("unsqueeze", y, 0), {"axis": -1}],
    )
    function("pairwiseDistance", F.pairwise_distance, [x, y])
    for p in [1.0, 3.0, math.inf]:
        function(
            "pairwiseDistance",
            lambda x, y: F.pairwise_distance(x, y, p, 0.01, True),
            [x, y, {"p": p, "eps": 0.01, "keepDim": True}],
        )
    for reduction in REDUCTIONS:
        r = {"reduction": reduction}
        function("cosineEmbeddingLoss", lambda x, y, t: F.cosine_embedding_loss(x, y, t, **r), [x, y, t, r])
        function(
            "cosineEmbeddingLoss",
            lambda x, y, t: F.cosine_embedding_loss(x, y, t, margin=0.25, **r),
            [x, y, t, {"margin": 0.25, **r}],
        )
        function("cosineEmbeddingLoss", lambda x, y, t: F.cosine_embedding_loss(x, y, t, **r), [x[0], y[0], t[0], r])
        for options in [{}, {"margin": 2.0, "p": 1.0, "eps": 0.01}, {"margin": 3.0, "swap": True}]:
            function(
                "tripletMarginLoss",
                lambda a, p, n: F.triplet_margin_loss(a, p, n, **options, **r),
                [x, y, drawn(4, 3), {**options, **r}],
            )
        function(
            "tripletMarginWithDistanceLoss",
            lambda a, p, n: F.triplet_margin_with_distance_loss(a, p, n, margin=2.0, swap=True, **r),
            [x, y, drawn(4, 3), {"margin": 2.0, "swap": True, **r}],
        )


def likelihoods():
    x, y = drawn(2, 3), drawn(2, 3)
    counts = torch.randint(0, 5, (2, 3)) * 1.0
    for reduction in REDUCTIONS:
        r = {"reduction": reduction}
        for variance in [fractions(2, 3), fractions(2, 1), fractions(2)]:
            function("gaussianNLLLoss", lambda x, y, v: F.gaussian_nll_loss(x, y, v, **r), [x, y, variance, r])
        function(
            "gaussianNLLLoss",
            lambda x, y, v: F.gaussian_nll_loss(x, y, v, full=True, eps=0.5, **r),
            [x, y, fractions(2, 3), {"full": True, "eps": 0.5, **r}],
        )
        for full in [False, True]:
            function(
                "poissonNLLLoss",
                lambda x, t: F.poisson_nll_loss(x, t, full=full, **r),
                [x, counts, {"full": full, **r}],
                without_gradient=[1],
            )
            function(
                "poissonNLLLoss",
                lambda x, t: F.poisson_nll_loss(x, t, log_input=False, full=full, eps=0.25, **r),
                [fractions(2, 3), counts + 1.5, {"logInput": False, "full": full, "eps": 0.25, **r}],
            )


def ctc():
    """Gradients are of logits: PyTorch's gradient of log-probabilities is right only where log-softmax made them."""
    logits = drawn(5, 3, 4)
    targets = torch.tensor([[1, 2, 2], [3, 3, 0], [1, 0, 0]])
    lengths, sizes = [5, 4, 3], [3, 2, 0]
    log_softmax = lambda x: F.log_softmax(x, -1)
    log_probs = Call("logSoftmax", logits)
    for reduction in REDUCTIONS:
        r = {"reduction": reduction}
        function(
            "ctcLoss",
            lambda x, t: F.ctc_loss(log_softmax(x), t, lengths, sizes, **r),
            [log_probs, targets, lengths, sizes, r],
        )
        function(
            "ctcLoss",
            lambda x, t, i, s: F.ctc_loss(log_softmax(x), t, i, s, blank=3, **r),
            [log_probs, targets % 3, torch.tensor(lengths), torch.tensor(sizes), {"blank": 3, **r}],
        )
        function(
            "ctcLoss",
            lambda x, t: F.ctc_loss(log_softmax(x), t, lengths, sizes, **r),
            [log_probs, torch.tensor([1, 2, 2, 3, 3]), lengths, sizes, r],
        )
        # The second sample's target has no alignment.
        function(
            "ctcLoss",
            lambda x, t: F.ctc_loss(log_softmax(x), t, [5, 2, 3], sizes, zero_infinity=True, **r),
            [log_probs, targets, [5, 2, 3], sizes, {"zeroInfinity": True, **r}],
        )
        function(
            "ctcLoss",
            lambda x, t: F.ctc_loss(log_softmax(x), t, [5, 2, 3], sizes, **r),
            [log_probs, targets, [5, 2, 3], sizes, r],
            without_gradient=[0],
        )
        function(
            "ctcLoss",
            lambda x, t: F.ctc_loss(log_softmax(x), t, torch.tensor(4), torch.tensor(2), **r),
            [Call("logSoftmax", logits[:, 0]), torch.tensor([1, 1]), 4, 2, r],
        )


def modules():
    """Each loss with its defaults, and with all options."""
    x, y, z = drawn(2, 3), drawn(2, 3), drawn(2, 3)
    p, q = fractions(2, 3), fractions(2, 3)
    weight, pos_weight = torch.tensor([0.5, 2.0, 1.25]), torch.tensor([3.0, 0.25, 1.0])
    t, one_sign, labels = signs(2, 3), signs(2), torch.tensor([2, 0])
    some = {"reduction": "sum"}

    def both(name, layer, options, inputs, without_gradient=(), **names):
        module(name, [], layer(), inputs, None, without_gradient)
        renamed = {names.get(key, key): value for key, value in options.items()}
        module(name, [{**options, **some}], layer(**renamed, **some), inputs, None, without_gradient)

    both(
        "CrossEntropyLoss",
        nn.CrossEntropyLoss,
        {"weight": weight, "ignoreIndex": 1, "labelSmoothing": 0.25},
        [x, labels],
        ignoreIndex="ignore_index",
        labelSmoothing="label_smoothing",
    )
    both("NLLLoss", nn.NLLLoss, {"weight": weight, "ignoreIndex": 1}, [x, labels], ignoreIndex="ignore_index")
    both("MSELoss", nn.MSELoss, {}, [x, y])
    both("L1Loss", nn.L1Loss, {}, [x, y])
    both("SmoothL1Loss", nn.SmoothL1Loss, {"beta": 0.5}, [x, y])
    both("HuberLoss", nn.HuberLoss, {"delta": 0.5}, [x, y])
    both("BCELoss", nn.BCELoss, {"weight": weight}, [p, q], [1])
    both(
        "BCEWithLogitsLoss",
        nn.BCEWithLogitsLoss,
        {"weight": weight, "posWeight": pos_weight},
        [x, q],
        posWeight="pos_weight",
    )
    both("KLDivLoss", nn.KLDivLoss, {"logTarget": True}, [x, q], logTarget="log_target")
    both("GaussianNLLLoss", nn.GaussianNLLLoss, {"full": True, "eps": 0.5}, [x, y, p])
    both(
        "PoissonNLLLoss",
        nn.PoissonNLLLoss,
        {"logInput": False, "full": True, "eps": 0.25},
        [p, 3 * q],
        [1],
        logInput="log_input",
    )
    both("HingeEmbeddingLoss", nn.HingeEmbeddingLoss, {"margin": 0.25}, [x, t])
    both("SoftMarginLoss", nn.SoftMarginLoss, {}, [x, t])
    both("MultiMarginLoss", nn.MultiMarginLoss, {"p": 2, "margin": 0.75, "weight": weight}, [x, labels])
    both("MultiLabelMarginLoss", nn.MultiLabelMarginLoss, {}, [x, torch.tensor([[2, 0, -1], [1, -1, 0]])])
    both("MultiLabelSoftMarginLoss", nn.MultiLabelSoftMarginLoss, {"weight": weight}, [x, (t + 1) / 2], [1])
    both("MarginRankingLoss", nn.MarginRankingLoss, {"margin": 0.7}, [x, y, t])
    both("CosineEmbeddingLoss", nn.CosineEmbeddingLoss, {"margin": 0.25}, [x, y, one_sign])
    both("TripletMarginLoss", nn.TripletMarginLoss, {"margin": 2.0, "p": 1.0, "eps": 0.01, "swap": True}, [x, y, z])
    both(
        "TripletMarginWithDistanceLoss",
        nn.TripletMarginWithDistanceLoss,
        {"margin": 2.0, "swap": True},
        [x, y, z],
    )
    both(
        "CTCLoss",
        nn.CTCLoss,
        {"blank": 2, "zeroInfinity": True},
        [F.log_softmax(drawn(4, 2, 3), -1), torch.tensor([[0, 1], [1, 1]]), torch.tensor([4, 2]), torch.tensor([2, 2])],
        [0],
        zeroInfinity="zero_infinity",
    )
    module("CosineSimilarity", [], nn.CosineSimilarity(), [x, y])
    module("CosineSimilarity", [{"axis": 0, "eps": 0.5}], nn.CosineSimilarity(0, 0.5), [x, y])
    module("PairwiseDistance", [], nn.PairwiseDistance(), [x, y])
    module("PairwiseDistance", [{"p": 1, "eps": 0.01, "keepDim": True}], nn.PairwiseDistance(1, 0.01, True), [x, y])


class_losses()
pair_losses()
margin_losses()
distances()
likelihoods()
ctc()
modules()
write(__file__)
