/** The random changes of training images that `--augment` names, as transforms. */

import type { ImageTransform } from "../data/image-transforms.ts";
import {
  Compose,
  Cutout,
  Normalize,
  RandomCrop,
  RandomErasing,
  RandomHorizontalFlip,
} from "../data/image-transforms.ts";
import type { ImageShape, PixelStatistics } from "../data/images.ts";
import { MixUp } from "../data/mixup.ts";
import { RandomAffine } from "../data/random-affine.ts";

/** What each change is, and how strong it is where nobody says. */
export const AUGMENTS = {
  flip: { help: "mirror left and right, the probability", default: 0.5 },
  crop: { help: "move, pixels at most in each direction", default: 4 },
  rotate: { help: "degrees at most", default: 10 },
  shift: { help: "move, shares of width and height at most", default: 0.1 },
  zoom: { help: "larger or smaller, the share at most", default: 0.1 },
  shear: { help: "degrees at most", default: 10 },
  cutout: { help: "erase a square, the side in pixels", default: 8 },
  erase: { help: "erase a rectangle, the probability", default: 0.5 },
  mixup: { help: "blend pairs of images and labels, alpha of the Beta distribution", default: 0.2 },
} as const;

/** How strong each change is; those that are left out are not made. */
export type AugmentOptions = { readonly [K in keyof typeof AUGMENTS]?: number };

/**
 * Makes the transforms, normalisation included, in this order: rotation and the like, crop, flip, normalisation, erasing
 * (to the mean).
 *
 * @throws ValueError for a strength that cannot be
 */
export function augmentation(
  { flip, crop, rotate = 0, shift = 0, zoom = 0, shear = 0, cutout, erase, mixup }: AugmentOptions,
  { height, width }: ImageShape,
  { mean, std }: PixelStatistics,
  classes: number,
): { transform: ImageTransform; mixUp: MixUp | undefined } {
  const transforms: ImageTransform[] = [];
  if (rotate || shift || zoom || shear) {
    const ranges = { translate: [shift, shift], scale: [1 - zoom, 1 + zoom], shear } as const;
    transforms.push(new RandomAffine(rotate, { ...ranges, interpolation: "bilinear" }));
  }
  if (crop !== undefined) transforms.push(new RandomCrop([height, width], { padding: crop }));
  if (flip !== undefined) transforms.push(new RandomHorizontalFlip(flip));
  transforms.push(new Normalize(mean, std));
  if (cutout !== undefined) transforms.push(new Cutout(cutout));
  if (erase !== undefined) transforms.push(new RandomErasing({ p: erase }));
  return {
    transform: new Compose(transforms),
    mixUp: mixup === undefined ? undefined : new MixUp(classes, { alpha: mixup }),
  };
}
