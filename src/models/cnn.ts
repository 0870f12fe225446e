/** A convolutional classifier of images in the manner of LeNet: two convolutions with pooling, two linear layers. */
import { checkOptions, ValueError } from "../gpu/errors.ts";
import { checkProbability } from "../kernels/dropout/dropout.ts";
import { dropout, maxPool2d, relu } from "../kernels/ops.ts";
import { Conv2d, Linear, Module } from "../nn/index.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";

export interface CNNOptions {
  /** Of an image: 1 for grey, 3 for colour (default 1). */
  channels?: number;
  /** Of an image, in pixels: at least 4. */
  height: number;
  width: number;
  classes: number;
  /** Channels after each convolution (default 32 and 64). */
  filters?: readonly [number, number];
  /** Features before the last layer (default 128). */
  hidden?: number;
  /** Of those features (default 0). */
  dropout?: number;
}

/** @see LeCun et al. 1998, http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf */
export class CNN extends Module {
  readonly conv1: Conv2d;
  readonly conv2: Conv2d;
  readonly fc1: Linear;
  readonly fc2: Linear;
  readonly dropout: number;

  constructor(options: CNNOptions) {
    super();
    checkOptions("CNN", options, ["channels", "height", "width", "classes", "filters", "hidden", "dropout"]);
    const { channels = 1, height, width, classes, filters = [32, 64], hidden = 128, dropout = 0 } = options;
    if (!(height >= 4 && width >= 4)) {
      throw new ValueError(`CNN: images are ${height} x ${width} pixels, expected at least 4 x 4`);
    }
    checkProbability("CNN", dropout);
    this.conv1 = new Conv2d(channels, filters[0], 3, { padding: 1 });
    this.conv2 = new Conv2d(filters[0], filters[1], 3, { padding: 1 });
    this.fc1 = new Linear(filters[1] * Math.floor(height / 4) * Math.floor(width / 4), hidden);
    this.fc2 = new Linear(hidden, classes);
    this.dropout = dropout;
  }

  /**
   * @param x [b, channels, h, w]
   * @returns [b, classes] scores before the softmax
   */
  override forward(x: Tensor): Tensor {
    return scope(() => {
      const a = maxPool2d(relu(this.conv1.forward(x)), 2); // [b, 32, h/2, w/2]
      const b = maxPool2d(relu(this.conv2.forward(a)), 2); // [b, 64, h/4, w/4]
      const c = relu(this.fc1.forward(b.flatten(1))); // [b, 128]
      return this.fc2.forward(dropout(c, { p: this.dropout, training: this.training }));
    });
  }
}
