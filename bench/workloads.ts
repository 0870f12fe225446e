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

/** Steps of training, by size. */
export const models = {
  /** Images of 1 x 28 x 28: two convolutions with pooling, two linear layers, Adam. */
  cnn({ batch, capture }: WorkloadOptions & { batch: number }): Step {
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
    return classifying(model, tg.randn([batch, 1, 28, 28]), 10, { capture });
  },

  /** Texts of 5,000 tokens: embedding of 64, LSTM of 128, its last state, clipped Adam. */
  lstm({ batch, time, capture }: WorkloadOptions & { batch: number; time: number }): Step {
    class Net extends nn.Module {
      readonly embedding = new nn.Embedding(5000, 64);
      readonly lstm = new nn.LSTM(64, 128);
      readonly head = new nn.Linear(128, 4);

      override forward(ids: tg.Tensor): tg.Tensor {
        return this.head.forward(this.lstm.forward(this.embedding.forward(ids)).hidden.at(-1));
      }
    }
    return classifying(new Net(), tg.randint(0, 5000, [batch, time]), 4, { clip: 1, capture });
  },

  /** Texts of 5,000 tokens: two post-norm layers of 128 features and 4 heads, mean, clipped Adam. */
  transformer({ batch, time, capture }: WorkloadOptions & { batch: number; time: number }): Step {
    class Net extends nn.Module {
      readonly embedding = new nn.Embedding(5000, 128);
      readonly positions = new nn.LearnedPositions(128, time);
      readonly encoder = new nn.TransformerEncoder(128, 4, 2, { feedForward: 512, dropout: 0 });
      readonly head = new nn.Linear(128, 4);

      override forward(ids: tg.Tensor): tg.Tensor {
        return this.head.forward(this.encoder.forward(this.positions.forward(this.embedding.forward(ids))).mean(1));
      }
    }
    return classifying(new Net(), tg.randint(0, 5000, [batch, time]), 4, { clip: 0.1, capture });
  },
};

/** The standard workloads. */
export const workloads: Readonly<Record<string, (options: WorkloadOptions) => Step>> = {
  /** 1024 x 1024 x 1024. */
  matmul({ capture }) {
    const [a, b] = [tg.randn([1024, 1024]), tg.randn([1024, 1024])];
    const product = () => tg.matmul(a, b).slice("0:1", "0:1");
    return stepOf(capture ? tg.capture(product) : () => tg.scope(product));
  },
  cnn: ({ capture }) => models.cnn({ batch: 64, capture }),
  lstm: ({ capture }) => models.lstm({ batch: 32, time: 64, capture }),
  transformer: ({ capture }) => models.transformer({ batch: 32, time: 128, capture }),

  /** One example of 64 features, two hidden layers of 128: launching is all there is. */
  mlp({ capture }) {
    const model = new nn.Sequential(
      new nn.Linear(64, 128),
      new nn.ReLU(),
      new nn.Linear(128, 128),
      new nn.ReLU(),
      new nn.Linear(128, 10),
    );
    return classifying(model, tg.randn([1, 64]), 10, { capture });
  },

  /** A language model of 6 layers, 384 features, 6 heads on 12 texts of 256 characters: for a GPU. */
  gpt({ capture }) {
    const model = new tg.models.Gpt({
      vocabSize: 65,
      maxLength: 256,
      features: 384,
      heads: 6,
      layers: 6,
      dropout: 0,
      tieWeights: false,
    });
    const [ids, next] = [tg.randint(0, 65, [12, 256]), tg.randint(0, 65, [12 * 256])];
    return training(model, () => tg.crossEntropy(model.forward(ids).reshape([12 * 256, 65]), next), { capture });
  },
};

interface TrainingOptions extends WorkloadOptions {
  /** The gradients' largest norm. */
  clip?: number;
}

function classifying(
  model: tg.nn.Module & { forward(x: tg.Tensor): tg.Tensor },
  x: tg.Tensor,
  classes: number,
  options: TrainingOptions,
): Step {
  const labels = tg.randint(0, classes, [x.shape[0]!]);
  return training(model, () => tg.crossEntropy(model.forward(x), labels), options);
}

function training(model: tg.nn.Module, lossOf: () => tg.Tensor, { clip, capture }: TrainingOptions): Step {
  const adam = new optim.Adam(model.parameters(), { lr: 1e-3 });
  const train = () => {
    const loss = lossOf();
    adam.zeroGrad();
    loss.backward();
    if (clip !== undefined) nn.utils.clipGradNorm(model.parameters(), clip);
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
