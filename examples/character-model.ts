/**
 * A language model of characters, in the manner of GPT, the loop in full view.
 *
 *     npx tsx examples/character-model.ts [FILE] [STEPS]
 *
 * It learns to continue the text in FILE (this project's README where there is none), of which it sees no more than 64
 * characters at once, and then writes some of its own. A tenth of the text is held out.
 */
import { readFile } from "node:fs/promises";
import * as tg from "../src/index.ts"; // in a project of your own: from "tilegrad"

const { data, models, nn, optim } = tg;

const LENGTH = 64;
const BATCH = 16;

const [file = new URL("../README.md", import.meta.url), steps = "600"] = process.argv.slice(2);
const characters = [...(await readFile(file, "utf8"))];
const alphabet = [...new Set(characters)].sort();
const idOf = new Map(alphabet.map((character, id) => [character, id]));
const ids = Int32Array.from(characters, (character) => idOf.get(character)!);
const split = Math.floor(0.9 * ids.length);
const [train, valid] = [ids.subarray(0, split), ids.subarray(split)];
if (valid.length <= LENGTH) {
  console.error(`the text has ${ids.length} characters, expected more than ${10 * (LENGTH + 1)}`);
  process.exit(2);
}

const random = new data.Random(0);
/** Pieces of the text from random places, one character longer than what is seen: [BATCH, LENGTH + 1]. */
function drawPieces(from: Int32Array): tg.Tensor {
  const pieces = new Int32Array(BATCH * (LENGTH + 1));
  for (let i = 0; i < BATCH; i++) {
    const start = random.integer(from.length - LENGTH);
    pieces.set(from.subarray(start, start + LENGTH + 1), i * (LENGTH + 1));
  }
  return tg.tensor(pieces, { shape: [BATCH, LENGTH + 1] });
}

/** How badly the model foresees each next character of random pieces. */
function lossOn(text: Int32Array): tg.Tensor {
  const pieces = drawPieces(text);
  const scores = model.forward(pieces.slice(":", [0, LENGTH])); // [b, t, characters]
  return tg.crossEntropy(scores.flatten(0, 1), pieces.slice(":", [1, LENGTH + 1]).flatten());
}

const { device, adapter } = await tg.init();
tg.manualSeed(0);
const model = new models.Gpt({
  vocabSize: alphabet.length,
  maxLength: LENGTH,
  features: 64,
  heads: 4,
  layers: 2,
  positions: "rotary",
  dropout: 0.1,
});
const adamW = new optim.AdamW(model.parameters(), { lr: 2e-3, weightDecay: 0.1 });
console.log(
  `${ids.length} characters, ${alphabet.length} different ones, ${model.parameterCount()} parameters, on ${adapter?.description ?? device}`,
);

for (let step = 1; step <= Number(steps); step++) {
  const loss = tg.scope(() => {
    const loss = lossOn(train);
    adamW.zeroGrad();
    loss.backward();
    nn.utils.clipGradNorm(model.parameters(), 1);
    adamW.step();
    return loss;
  });
  if (step % 100 === 0) {
    model.eval();
    const ofValid = tg.scope(() => tg.noGrad(() => lossOn(valid)));
    model.train();
    const [here, there] = [await loss.item(), await ofValid.item()];
    console.log(`step ${step}  loss ${here.toFixed(3)}  on the held-out text ${there.toFixed(3)}`);
    ofValid.dispose();
  }
  loss.dispose();
}

const prompt = [...train.subarray(0, LENGTH / 2)];
const written = await model.generate(prompt, { maxTokens: 400, temperature: 0.8, topK: 20, topP: 0.95, seed: 1 });
const toText = (ids: readonly number[]) => ids.map((id) => alphabet[id]).join("");
console.log(`\n${toText(prompt)}|${toText(written)}`);
