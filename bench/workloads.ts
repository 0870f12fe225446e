/**
 * The standard workloads: what a training step is, for tilegrad. The peers do the same in peers/. Each returns a step; a
 * step ends when its loss (or, of the product alone, an element) is on the host.
 */
import * as tg from "../src/index.ts"; // in a project of your own: from "tilegrad"

const { nn, optim } = tg;

/** Runs one step, to its end. */
export type Step = () => Promise<void>;

export interface WorkloadOptions {
  /** Replay a captured step instead of running its code. */
  capture: boolean;
}

export const workloads: Readonly<Record<string, (options: WorkloadOptions) => Step>> = {
  /** 1024 x 1024 x 1024. */
  matmul({ capture }) {
    const [a, b] = [tg.randn([1024, 1024]), tg.randn([1024, 1024])];
    const product = () => tg.matmul(a, b).slice("0:1", "0:1");
    return stepOf(capture ? tg.capture(product) : () => tg.scope(product));
  },

  /** 64 images of 1 x 28 x 28, two convolutions with pooling, two linear layers, Adam. */
  cnn({ capture }) {
    const model = new nn.Sequential(
      new nn.Conv2d(1, 32, 3, { padding: 1 }),
      new nn.ReLU(),
      new nn.MaxPool2d(2),
      new nn.Conv2d(32, 64, 3, { padding: 1 }),
      new nn.ReLU(),
      new nn.MaxPool2d(2),
      new nn.Flatten(),
      new nn.Linear(3136, 128),
      new nn.ReLU(),
      new nn.Linear(128, 10),
    );
    return trainingStep(model, tg.randn([64, 1, 28, 28]), tg.randint(0, 10, [64]), { clip: null, capture });
  },

  /** 32 texts of 64 tokens of 5,000, embedding of 64, LSTM of 128, its last state, clipped Adam. */
  lstm({ capture }) {
    class Net extends nn.Module {
      readonly embedding = new nn.Embedding(5000, 64);
      readonly lstm = new nn.LSTM(64, 128);
      readonly head = new nn.Linear(128, 4);

      override forward(ids: tg.Tensor): tg.Tensor {
        return this.head.forward(this.lstm.forward(this.embedding.forward(ids)).hidden.at(-1));
      }
    }
    return trainingStep(new Net(), tg.randint(0, 5000, [32, 64]), tg.randint(0, 4, [32]), { clip: 1, capture });
  },

  /** 32 texts of 128 tokens of 5,000, two post-norm layers of 128 features and 4 heads, mean, clipped Adam. */
  transformer({ capture }) {
    class Net extends nn.Module {
      readonly embedding = new nn.Embedding(5000, 128);
      readonly positions = new nn.LearnedPositions(128, 128);
      readonly encoder = new nn.TransformerEncoder(128, 4, 2, { feedForward: 512, dropout: 0 });
      readonly head = new nn.Linear(128, 4);

      override forward(ids: tg.Tensor): tg.Tensor {
        return this.head.forward(this.encoder.forward(this.positions.forward(this.embedding.forward(ids))).mean(1));
      }
    }
    return trainingStep(new Net(), tg.randint(0, 5000, [32, 128]), tg.randint(0, 4, [32]), { clip: 0.1, capture });
  },
};

function trainingStep(
  model: tg.nn.Module & { forward(x: tg.Tensor): tg.Tensor },
  x: tg.Tensor,
  labels: tg.Tensor,
  { clip, capture }: { clip: number | null; capture: boolean },
): Step {
  const adam = new optim.Adam(model.parameters(), { lr: 1e-3 });
  const train = () => {
    const loss = tg.crossEntropy(model.forward(x), labels);
    adam.zeroGrad();
    loss.backward();
    if (clip !== null) nn.utils.clipGradNorm(model.parameters(), clip);
    adam.step();
    return loss;
  };
  return stepOf(capture ? tg.capture(train) : () => tg.scope(train));
}

function stepOf(run: () => tg.Tensor): Step {
  return async () => {
    const result = run();
    await result.data();
    result.dispose();
  };
}
