/**
 * Handwritten digits with a convolutional network, the loop in full view.
 *
 *     npx tsx examples/mnist.ts FOLDER
 *
 * FOLDER holds MNIST's four files (train-images-idx3-ubyte.gz and so on). Three epochs reach 99 % on the test images.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import * as tg from "../src/index.ts"; // in a project of your own: from "tilegrad"

const { data, nn, optim } = tg;

class Net extends nn.Module {
  conv1 = new nn.Conv2d(1, 32, 3, { padding: 1 });
  conv2 = new nn.Conv2d(32, 64, 3, { padding: 1 });
  drop = new nn.Dropout(0.25);
  fc1 = new nn.Linear(64 * 7 * 7, 128);
  fc2 = new nn.Linear(128, 10);

  override forward(x: tg.Tensor): tg.Tensor {
    x = tg.maxPool2d(this.conv1.forward(x).relu(), 2); // [b, 32, 14, 14]
    x = tg.maxPool2d(this.conv2.forward(x).relu(), 2); // [b, 64, 7, 7]
    x = this.fc1.forward(x.flatten(1)).relu(); // [b, 128]
    return this.fc2.forward(this.drop.forward(x)); // [b, 10]
  }
}

const [folder, epochs = "3"] = process.argv.slice(2);
if (folder === undefined) {
  console.error("usage: npx tsx examples/mnist.ts FOLDER [EPOCHS]");
  process.exit(2);
}
const read = async (name: string) => data.parseIdx(gunzipSync(await readFile(join(folder, name))), { file: name }).data;
const load = async (part: string) => {
  const pixels = (await read(`${part}-images-idx3-ubyte.gz`)) as Uint8Array;
  const labels = Int32Array.from(await read(`${part}-labels-idx1-ubyte.gz`));
  return new data.ImageDataset(pixels, { channels: 1, height: 28, width: 28 }, labels);
};
const [train, test] = [await load("train"), await load("t10k")];
const statistics = train.statistics();
const trainLoader = new data.DataLoader(train.normalize(statistics), { batchSize: 64, shuffle: true });
const testLoader = new data.DataLoader(test.normalize(statistics), { batchSize: 500 });

const { device, adapter } = await tg.init();
tg.manualSeed(0);
const model = new Net();
const adam = new optim.Adam(model.parameters(), { lr: 1e-3 });
console.log(`${train.length} images, ${model.parameterCount()} parameters, on ${adapter?.description ?? device}`);

for (let epoch = 0; epoch < Number(epochs); epoch++) {
  model.train();
  let step = 0;
  for await (const batch of trainLoader) {
    const { inputs: [images], labels } = batch; // biome-ignore format: as it reads
    const loss = tg.scope(() => {
      const loss = tg.crossEntropy(model.forward(images), labels);
      adam.zeroGrad();
      loss.backward();
      nn.utils.clipGradNorm(model.parameters(), 1);
      adam.step();
      return loss;
    });
    if (++step % 100 === 0) console.log(`epoch ${epoch + 1}  step ${step}  loss ${(await loss.item()).toFixed(4)}`);
    tg.dispose(batch, loss);
  }

  model.eval();
  let correct = 0;
  for await (const batch of testLoader) {
    const { inputs: [images], labels } = batch; // biome-ignore format: as it reads
    const hits = tg.scope(() => tg.noGrad(() => model.forward(images).argmax(-1).equal(labels).sum()));
    correct += await hits.item();
    tg.dispose(batch, hits);
  }
  console.log(`epoch ${epoch + 1}  test accuracy ${((100 * correct) / test.length).toFixed(2)} %`);
}
