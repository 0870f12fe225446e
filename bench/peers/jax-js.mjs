/**
 * A worker for jax-js: `tsx peers/jax-js.mjs WORKLOAD webgpu|wasm`. The whole step (loss, gradients, clipping, Adam) is one
 * `jit`, as its documentation recommends; its optimizers are not on npm, so Adam is written with its ops.
 */
import { serve } from "../measure.ts";
import { installWebGpu, integers } from "./webgpu.mjs";

const [workload, backend] = process.argv.slice(2);
if (backend === "webgpu") await installWebGpu();

// It calls methods of iterators that Node 20 does not have.
const iterators = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));
const missing = {
  *map(fn) {
    let i = 0;
    for (const x of this) yield fn(x, i++);
  },
  *filter(fn) {
    let i = 0;
    for (const x of this) if (fn(x, i++)) yield x;
  },
  toArray() {
    return [...this];
  },
  some(fn) {
    return [...this].some(fn);
  },
  every(fn) {
    return [...this].every(fn);
  },
  find(fn) {
    return [...this].find(fn);
  },
};
for (const [name, value] of Object.entries(missing)) {
  if (!iterators[name]) Object.defineProperty(iterators, name, { value, configurable: true, writable: true });
}

const {
  init,
  defaultDevice,
  numpy: np,
  nn,
  lax,
  jit,
  tree,
  valueAndGrad,
  blockUntilReady,
} = await import("@jax-js/jax");

function normal(shape, deviation) {
  const size = shape.reduce((a, b) => a * b, 1);
  const radius = () => Math.sqrt(-2 * Math.log(1 - Math.random()));
  const values = Float32Array.from(
    { length: size },
    () => deviation * radius() * Math.cos(2 * Math.PI * Math.random()),
  );
  return np.array(values).reshape(shape);
}
function oneHot(count, classes) {
  const values = new Float32Array(count * classes);
  integers(count, classes).forEach((label, i) => {
    values[i * classes + label] = 1;
  });
  return np.array(values).reshape([count, classes]);
}
const zeros = (...shape) => np.zeros(shape);
const crossEntropy = (logits, y) =>
  nn
    .logSoftmax(logits, -1)
    .mul(y)
    .sum()
    .mul(-1 / y.shape[0]);
const linear = (x, w, b) => np.dot(x, w).add(b);

/** A step of Adam on `loss(parameters, x, y)`, in one compiled function. */
function training(parameters, loss, x, y, clip) {
  const [beta1, beta2, lr, eps] = [0.9, 0.999, 1e-3, 1e-8];
  const update = jit((p, m, v, t, x, y) => {
    let [value, g] = valueAndGrad(loss)(tree.ref(p), x, y);
    if (clip) {
      const squares = tree.leaves(tree.ref(g)).map((a) => np.square(a).sum());
      const norm = np.sqrt(squares.reduce((a, b) => a.add(b)));
      const scale = np.minimum(np.array(clip).div(norm.add(1e-6)), 1);
      g = tree.map((a) => a.mul(scale.ref), g);
      scale.dispose();
    }
    t = t.add(1);
    m = tree.map((a, b) => a.mul(beta1).add(b.mul(1 - beta1)), m, tree.ref(g));
    v = tree.map((a, b) => a.mul(beta2).add(np.square(b).mul(1 - beta2)), v, g);
    const correction1 = np.subtract(1, np.exp(t.ref.mul(Math.log(beta1))));
    const correction2 = np.subtract(1, np.exp(t.ref.mul(Math.log(beta2))));
    const change = (a, b) =>
      a
        .div(correction1.ref)
        .div(np.sqrt(b.div(correction2.ref)).add(eps))
        .mul(lr);
    p = tree.map((w, a, b) => w.sub(change(a, b)), p, tree.ref(m), tree.ref(v));
    correction1.dispose();
    correction2.dispose();
    return [value, p, m, v, t];
  });
  let p = parameters;
  let m = tree.map((a) => np.zerosLike(a), tree.ref(p));
  let v = tree.map((a) => np.zerosLike(a), tree.ref(p));
  let t = np.array(0);
  return async () => {
    let value;
    [value, p, m, v, t] = update(p, m, v, t, x.ref, y.ref);
    await blockUntilReady(tree.ref(p));
    await value.data();
  };
}

const workloads = {
  matmul() {
    const [a, b] = [normal([1024, 1024], 1), normal([1024, 1024], 1)];
    const product = jit((x, y) => np.matmul(x, y));
    return async () => {
      await product(a.ref, b.ref).slice(0, 0).data();
    };
  },

  cnn() {
    const parameters = {
      w1: normal([32, 1, 3, 3], 0.3),
      b1: zeros(32, 1, 1),
      w2: normal([64, 32, 3, 3], 0.08),
      b2: zeros(64, 1, 1),
      w3: normal([3136, 128], 0.025),
      b3: zeros(128),
      w4: normal([128, 10], 0.1),
      b4: zeros(10),
    };
    const block = (x, w, b) => {
      const y = nn.relu(lax.convGeneralDilated(x, w, [1, 1], "SAME").add(b));
      return lax.reduceWindow(y, np.max, [2, 2], [2, 2]);
    };
    const loss = (p, x, y) => {
      const features = block(block(x, p.w1, p.b1), p.w2, p.b2).reshape([64, 3136]);
      return crossEntropy(linear(nn.relu(linear(features, p.w3, p.b3)), p.w4, p.b4), y);
    };
    return training(parameters, loss, normal([64, 1, 28, 28], 1), oneHot(64, 10));
  },

  mlp() {
    const parameters = {
      w1: normal([64, 128], 0.1),
      b1: zeros(128),
      w2: normal([128, 128], 0.1),
      b2: zeros(128),
      w3: normal([128, 10], 0.1),
      b3: zeros(10),
    };
    const loss = (p, x, y) => {
      const hidden = nn.relu(linear(nn.relu(linear(x, p.w1, p.b1)), p.w2, p.b2));
      return crossEntropy(linear(hidden, p.w3, p.b3), y);
    };
    return training(parameters, loss, normal([1, 64], 1), oneHot(1, 10));
  },

  lstm() {
    const [batch, time, hidden] = [32, 64, 128];
    const parameters = {
      embedding: normal([5000, 64], 0.1),
      wx: normal([64, 4 * hidden], 0.06),
      wh: normal([hidden, 4 * hidden], 0.06),
      b: zeros(4 * hidden),
      wo: normal([hidden, 4], 0.1),
      bo: zeros(4),
    };
    const loss = (p, ids, y) => {
      // The factor: without an op between, a lookup that feeds a product cannot be differentiated under jit.
      const tokens = np.take(p.embedding, ids, 0).mul(0.5);
      // It has no scan: the steps are unrolled, after one product for all inputs.
      const inputs = np.split(linear(tokens, p.wx, p.b).reshape([time, batch, 4 * hidden]), time, 0);
      let h = np.zeros([batch, hidden]);
      let c = np.zeros([batch, hidden]);
      for (const [t, input] of inputs.entries()) {
        const wh = t < time - 1 ? p.wh.ref : p.wh;
        const [i, f, g, o] = np.split(input.reshape([batch, 4 * hidden]).add(np.dot(h, wh)), 4, 1);
        c = nn
          .sigmoid(f)
          .mul(c)
          .add(nn.sigmoid(i).mul(np.tanh(g)));
        h = nn.sigmoid(o).mul(np.tanh(c.ref));
      }
      c.dispose();
      return crossEntropy(linear(h, p.wo, p.bo), y);
    };
    return training(parameters, loss, np.array(integers(time * batch, 5000)), oneHot(batch, 4), 1);
  },

  transformer() {
    const [batch, time, d, heads, inner] = [32, 128, 128, 4, 512];
    const parameters = {
      embedding: normal([5000, d], 0.02),
      positions: normal([time, d], 0.02),
      wo: normal([d, 4], 0.02),
      bo: zeros(4),
      blocks: [0, 1].map(() => ({
        qkv: normal([d, 3 * d], 0.02),
        qkvBias: zeros(3 * d),
        out: normal([d, d], 0.02),
        outBias: zeros(d),
        g1: np.ones([d]),
        b1: zeros(d),
        up: normal([d, inner], 0.02),
        upBias: zeros(inner),
        down: normal([inner, d], 0.02),
        downBias: zeros(d),
        g2: np.ones([d]),
        b2: zeros(d),
      })),
    };
    const norm = (x, g, b) => nn.standardize(x, -1).mul(g).add(b);
    const loss = (p, ids, y) => {
      // tile and not broadcasting: a view right after a lookup cannot be differentiated under jit.
      let x = np.take(p.embedding, ids, 0).add(np.tile(p.positions, [batch, 1]));
      for (const block of p.blocks) {
        const parts = np.split(linear(x.ref, block.qkv, block.qkvBias), 3, 1);
        const [q, k, v] = parts.map((part) => part.reshape([batch, time, heads, d / heads]));
        const attended = nn.dotProductAttention(q, k, v).reshape([batch * time, d]);
        x = norm(x.add(linear(attended, block.out, block.outBias)), block.g1, block.b1);
        const up = nn.relu(linear(x.ref, block.up, block.upBias));
        x = norm(x.add(linear(up, block.down, block.downBias)), block.g2, block.b2);
      }
      return crossEntropy(linear(x.reshape([batch, time, d]).mean(1), p.wo, p.bo), y);
    };
    return training(parameters, loss, np.array(integers(batch * time, 5000)), oneHot(batch, 4), 0.1);
  },
};

await serve(async () => {
  await init(backend);
  defaultDevice(backend);
  return workloads[workload]();
});
