/** A small residual network for small images, as the paper's for CIFAR-10: three stages, each half the size of the last. */
import { checkOptions } from "../gpu/errors.ts";
import { relu } from "../kernels/ops.ts";
import { BatchNorm2d, Conv2d, init, Linear, Module, ModuleList, Sequential } from "../nn/index.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";

export interface ResNetOptions {
  /** Of an image: 1 for grey, 3 for colour (default 3). */
  channels?: number;
  classes: number;
  /** Blocks of two convolutions in each stage (default 1: eight layers in all; 3 is ResNet-20). */
  blocks?: number;
  /** Channels of the first stage; each stage has twice those before (default 16). */
  width?: number;
}

const STAGES = 3;

/** @see He et al. 2015, section 4.2, https://arxiv.org/abs/1512.03385 */
export class ResNet extends Module {
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly layers: ModuleList<BasicBlock>;
  readonly fc: Linear;

  constructor(options: ResNetOptions) {
    super();
    checkOptions("ResNet", options, ["channels", "classes", "blocks", "width"]);
    const { channels = 3, classes, blocks = 1, width = 16 } = options;
    this.conv1 = new Conv2d(channels, width, 3, { padding: 1, bias: false });
    this.bn1 = new BatchNorm2d(width);
    const layers: BasicBlock[] = [];
    for (let stage = 0; stage < STAGES; stage++) {
      const out = width * 2 ** stage;
      for (let block = 0; block < blocks; block++) {
        const isFirst = block === 0 && stage > 0;
        layers.push(new BasicBlock(isFirst ? out / 2 : out, out, isFirst ? 2 : 1));
      }
    }
    this.layers = new ModuleList(layers);
    this.fc = new Linear(width * 2 ** (STAGES - 1), classes);
    for (const module of this.namedModules().values()) {
      if (module instanceof Conv2d) init.kaimingNormal(module.weight, { mode: "fanOut" });
    }
  }

  /**
   * @param x [b, channels, h, w]
   * @returns [b, classes] scores before the softmax
   */
  override forward(x: Tensor): Tensor {
    return scope(() => {
      let y = relu(this.bn1.forward(this.conv1.forward(x))); // [b, width, h, w]
      for (const block of this.layers) y = block.forward(y); // [b, 4 width, h/4, w/4] in the end
      return this.fc.forward(y.mean([2, 3])); // [b, classes]
    });
  }
}

/** relu(x + f(x)) with two convolutions in f; where the size changes, x goes through a 1x1 convolution. */
class BasicBlock extends Module {
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly downsample: Sequential | null;

  constructor(channels: number, out: number, stride: number) {
    super();
    this.conv1 = new Conv2d(channels, out, 3, { stride, padding: 1, bias: false });
    this.bn1 = new BatchNorm2d(out);
    this.conv2 = new Conv2d(out, out, 3, { padding: 1, bias: false });
    this.bn2 = new BatchNorm2d(out);
    this.downsample =
      stride === 1 && channels === out
        ? null
        : new Sequential(new Conv2d(channels, out, 1, { stride, bias: false }), new BatchNorm2d(out));
  }

  override forward(x: Tensor): Tensor {
    return scope(() => {
      const y = relu(this.bn1.forward(this.conv1.forward(x)));
      const z = this.bn2.forward(this.conv2.forward(y));
      return relu(z.add(this.downsample?.forward(x) ?? x));
    });
  }
}
