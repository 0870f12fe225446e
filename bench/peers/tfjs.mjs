/** A worker for TensorFlow.js: `tsx peers/tfjs.mjs WORKLOAD webgpu|wasm`. */
import { createRequire } from "node:module";
import { serve } from "../measure.ts";
import { installWebGpu, integers } from "./webgpu.mjs";

const [workload, backend] = process.argv.slice(2);
const require = createRequire(import.meta.url);
if (backend === "webgpu") await installWebGpu();
const log = console.log;
console.log = () => {}; // the library prints advice there, and our lines go there
const tf = require("@tensorflow/tfjs-core");
const { layers, sequential } = require("@tensorflow/tfjs-layers");
require(`@tensorflow/tfjs-backend-${backend}`);
console.log = log;

const labels = (count, classes) => tf.oneHot(tf.tensor1d(integers(count, classes), "int32"), classes);

/** Its own training loop, as its users write it. */
function fitting(model, x, y) {
  model.compile({ optimizer: tf.train.adam(1e-3), loss: "categoricalCrossentropy" });
  return () => model.trainOnBatch(x, y);
}

const workloads = {
  matmul() {
    const [a, b] = [tf.randomNormal([1024, 1024]), tf.randomNormal([1024, 1024])];
    return async () => {
      const y = tf.tidy(() => tf.slice(tf.matMul(a, b), [0, 0], [1, 1]));
      await y.data();
      y.dispose();
    };
  },

  cnn() {
    const conv = (filters, more = {}) =>
      layers.conv2d({ filters, kernelSize: 3, padding: "same", activation: "relu", ...more });
    const model = sequential({
      layers: [
        conv(32, { inputShape: [28, 28, 1] }),
        layers.maxPooling2d({ poolSize: 2 }),
        conv(64),
        layers.maxPooling2d({ poolSize: 2 }),
        layers.flatten(),
        layers.dense({ units: 128, activation: "relu" }),
        layers.dense({ units: 10, activation: "softmax" }),
      ],
    });
    return fitting(model, tf.randomNormal([64, 28, 28, 1]), labels(64, 10));
  },

  lstm() {
    const model = sequential({
      layers: [
        layers.embedding({ inputDim: 5000, outputDim: 64, inputLength: 64 }),
        layers.lstm({ units: 128, recurrentInitializer: "glorotNormal" }), // the default needs a QR that no GPU kernel has
        layers.dense({ units: 4, activation: "softmax" }),
      ],
    });
    return fitting(model, tf.tensor2d(integers(32 * 64, 5000), [32, 64], "int32"), labels(32, 4));
  },

  mlp() {
    const model = sequential({
      layers: [
        layers.dense({ units: 128, activation: "relu", inputShape: [64] }),
        layers.dense({ units: 128, activation: "relu" }),
        layers.dense({ units: 10, activation: "softmax" }),
      ],
    });
    return fitting(model, tf.randomNormal([1, 64]), labels(1, 10));
  },

  // It has no attention layer: written with its ops.
  transformer() {
    const [batch, time, d, heads, inner, vocabulary] = [32, 128, 128, 4, 512, 5000];
    const weight = (...shape) => tf.variable(tf.randomNormal(shape, 0, 0.02));
    const zeros = (...shape) => tf.variable(tf.zeros(shape));
    const ones = (...shape) => tf.variable(tf.ones(shape));
    const embedding = weight(vocabulary, d);
    const positions = weight(time, d);
    const head = { w: weight(d, 4), b: zeros(4) };
    const blocks = [0, 1].map(() => ({
      qkv: { w: weight(d, 3 * d), b: zeros(3 * d) },
      out: { w: weight(d, d), b: zeros(d) },
      norm1: { g: ones(d), b: zeros(d) },
      up: { w: weight(d, inner), b: zeros(inner) },
      down: { w: weight(inner, d), b: zeros(d) },
      norm2: { g: ones(d), b: zeros(d) },
    }));
    const linear = (x, { w, b }) => tf.add(tf.matMul(x, w), b);
    const norm = (x, { g, b }) => {
      const { mean, variance } = tf.moments(x, -1, true);
      return tf.add(tf.mul(tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5))), g), b);
    };
    const split = (x) => tf.transpose(tf.reshape(x, [batch, time, heads, d / heads]), [0, 2, 1, 3]);
    const attend = (x, block) => {
      const [q, k, v] = tf.split(linear(x, block.qkv), 3, 1).map(split);
      const p = tf.softmax(tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(d / heads)));
      return linear(tf.reshape(tf.transpose(tf.matMul(p, v), [0, 2, 1, 3]), [batch * time, d]), block.out);
    };
    const ids = tf.tensor1d(integers(batch * time, vocabulary), "int32");
    const y = labels(batch, 4);
    const adam = tf.train.adam(1e-3);
    const loss = () => {
      const tokens = tf.reshape(tf.gather(embedding, ids), [batch, time, d]);
      let x = tf.reshape(tf.add(tokens, positions), [batch * time, d]);
      for (const block of blocks) {
        x = norm(tf.add(x, attend(x, block)), block.norm1);
        x = norm(tf.add(x, linear(tf.relu(linear(x, block.up)), block.down)), block.norm2);
      }
      return tf.losses.softmaxCrossEntropy(y, linear(tf.mean(tf.reshape(x, [batch, time, d]), 1), head));
    };
    return async () => {
      const value = adam.minimize(loss, true);
      await value.data();
      value.dispose();
    };
  },
};

await serve(
  async () => {
    await tf.setBackend(backend);
    await tf.ready();
    return workloads[workload]();
  },
  (steps) => (steps === 0 ? {} : { memoryBytes: tf.memory().numBytesAllocatedInGPU ?? tf.memory().numBytes }),
);
