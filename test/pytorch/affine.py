"""Records affine changes of images: matrices multiplied and inverted, and sampled by grid_sample, as torchvision does."""

import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)


def affine(image, angle=0.0, translate=(0, 0), scale=1.0, shear=(0.0, 0.0), interpolation="nearest"):
    _, height, width = image.shape
    turn, x, y = (math.radians(degrees) for degrees in (angle, *shear))
    rotation = torch.tensor([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    shear_y = torch.tensor([[1, 0], [-math.tan(y), 1]])
    shear_x = torch.tensor([[1, -math.tan(x)], [0, 1]])
    forward = torch.eye(3)
    forward[:2, :2] = scale * rotation @ shear_y @ shear_x
    forward[:2, 2] = torch.tensor(translate, dtype=torch.float64)
    backward = torch.linalg.inv(forward)
    # from pixels to grid_sample's coordinates, in which the image ends at -1 and 1
    unit = torch.diag(torch.tensor([2 / width, 2 / height, 1.0]))
    theta = (unit @ backward @ torch.linalg.inv(unit))[:2]
    grid = F.affine_grid(theta[None], [1, *image.shape], align_corners=False)
    return F.grid_sample(image[None], grid, mode=interpolation, padding_mode="zeros", align_corners=False)[0]


cases = []
for options in [
    dict(angle=31.0),
    dict(translate=(2, -1)),
    dict(scale=1.4),
    dict(shear=(20.0, 0.0)),
    dict(shear=(-10.0, 15.0)),
    dict(angle=-70.0, translate=(1, 1), scale=0.8, shear=(5.0, -8.0)),
]:
    for interpolation in ["nearest", "bilinear"]:
        image = torch.round(torch.rand(2, 7, 9) * 64) / 64
        result = affine(image, interpolation=interpolation, **options)
        cases.append(
            {
                "options": {**options, "interpolation": interpolation},
                "image": image.flatten().tolist(),
                "result": [round(value, 6) for value in result.flatten().tolist()],
            }
        )
Path(__file__).with_suffix(".json").write_text(
    json.dumps({"channels": 2, "height": 7, "width": 9, "cases": cases})
)
