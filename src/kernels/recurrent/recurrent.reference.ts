/** The definitions: cells as formulas on numbers, and plain walks over rows and steps. */
import { reportIndexError } from "../../gpu/index-error.ts";
import type { Reference, ReferenceArray } from "../../gpu/kernel.ts";

type Bind = Record<string, ReferenceArray>;

/** Where a cell is: indices into [b, t, hidden] and [b, hidden], and its number among `hidden`. */
interface Place {
  readonly line: number;
  readonly state: number;
  readonly unit: number;
  readonly hidden: number;
}

interface CellReference {
  readonly count: number;
  /** Makes a step. @param fromState bias + h weight^T, per gate @param h that before the step @returns that after it */
  advance(bind: Bind, params: Record<string, number>, place: Place, fromState: readonly number[], h: number): number;
  /** Stores the gates' gradients. @returns the part of dh that does not flow through the weights */
  retreat(bind: Bind, params: Record<string, number>, place: Place, dh: number): number;
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

// Where each of `count` numbers per unit of a state is.
const placesOf = ({ line, unit, hidden }: Place, count: number) =>
  Array.from({ length: count }, (_, i) => (line * count + i) * hidden + unit);

function valuesAt(array: ReferenceArray, places: readonly number[]): [number, number, number, number] {
  return places.map((i) => array[i]!) as [number, number, number, number];
}

function put(array: ReferenceArray, places: readonly number[], values: readonly number[]): void {
  for (const [i, place] of places.entries()) array[place] = values[i]!;
}

const rnn: CellReference = {
  count: 1,
  advance({ gates }, { isRelu }, place, [fromState]) {
    const [projected] = valuesAt(gates!, placesOf(place, 1));
    const x = projected + fromState!;
    return isRelu ? (x <= 0 ? 0 : x) : Math.tanh(x);
  },
  retreat({ savedKept, dGates }, { isRelu }, place, dh) {
    const places = placesOf(place, 1);
    const [h] = valuesAt(savedKept!, places);
    put(dGates!, places, [isRelu ? (h === 0 ? 0 : dh) : dh * (1 - h * h)]);
    return 0;
  },
};

const lstm: CellReference = {
  count: 4,
  advance({ gates, cell, kept }, { keeps }, place, fromState) {
    const places = placesOf(place, 4);
    const x = valuesAt(gates!, places).map((projected, gate) => projected + fromState[gate]!);
    const [i, f, g, o] = [sigmoid(x[0]!), sigmoid(x[1]!), Math.tanh(x[2]!), sigmoid(x[3]!)];
    const c = cell![place.state]!;
    put(gates!, places, [i, f, g, o]);
    if (keeps) put(kept!, placesOf(place, 1), [c]);
    cell![place.state] = f * c + i * g;
    return o * Math.tanh(cell![place.state]!);
  },
  retreat({ savedGates, savedKept, dCell, dGates }, _, place, dh) {
    const places = placesOf(place, 4);
    const [i, f, g, o] = valuesAt(savedGates!, places);
    const [c] = valuesAt(savedKept!, placesOf(place, 1));
    const squashed = Math.tanh(f * c + i * g);
    const dc = dCell![place.state]! + dh * o * (1 - squashed ** 2);
    dCell![place.state] = dc * f;
    const [di, df] = [dc * g * i * (1 - i), dc * c * f * (1 - f)];
    put(dGates!, places, [di, df, dc * i * (1 - g ** 2), dh * squashed * o * (1 - o)]);
    return 0;
  },
};

const gru: CellReference = {
  count: 3,
  advance({ gates, kept }, { keeps }, place, fromState, h) {
    const places = placesOf(place, 3);
    const x = valuesAt(gates!, places);
    const r = sigmoid(x[0] + fromState[0]!);
    const z = sigmoid(x[1] + fromState[1]!);
    const q = fromState[2]!;
    const n = Math.tanh(x[2] + r * q);
    put(gates!, places, [r, z, n]);
    if (keeps) put(kept!, placesOf(place, 2), [q, h]);
    return (1 - z) * n + z * h;
  },
  retreat({ savedGates, savedKept, dInput, dGates }, _, place, dh) {
    const places = placesOf(place, 3);
    const [r, z, n] = valuesAt(savedGates!, places);
    const [q, h] = valuesAt(savedKept!, placesOf(place, 2));
    const dn = dh * (1 - z) * (1 - n ** 2);
    const [dr, dz] = [dn * q * r * (1 - r), dh * (h - n) * z * (1 - z)];
    put(dInput!, places, [dr, dz, dn]);
    put(dGates!, places, [dr, dz, dn * r]);
    return dh * z;
  },
};

const cells = { rnn, lstm, gru };

export type CellName = keyof typeof cells;

/** The walks of a cell. They take the weights as they are, [gates * hidden, hidden], and all steps at once. */
export function recurrentReference(name: CellName): Reference {
  const { count, advance, retreat } = cells[name];
  // Time of step s of a row.
  const timeOf = (s: number, length: number, isReverse: number) => (isReverse ? length - 1 - s : s);
  return {
    forward(bind, params) {
      const { b, t, hidden, isReverse } = params;
      const { weight, bias, lengths, states, y } = bind;
      y.fill(0);
      for (let row = 0; row < b; row++) {
        for (let s = 0; s < lengths[row]; s++) {
          const line = row * t + timeOf(s, lengths[row], isReverse);
          const before = ((s % 2) * b + row) * hidden;
          const after = (((s + 1) % 2) * b + row) * hidden;
          for (let unit = 0; unit < hidden; unit++) {
            const fromState = Array.from({ length: count }, (_, gate) => {
              let sum = 0;
              for (let k = 0; k < hidden; k++) sum += states[before + k] * weight[(gate * hidden + unit) * hidden + k];
              return bias[gate * hidden + unit] + sum;
            });
            const place = { line, state: row * hidden + unit, unit, hidden };
            states[after + unit] = advance(bind, params, place, fromState, states[before + unit]);
            y[line * hidden + unit] = states[after + unit];
          }
        }
      }
    },
    backward(bind, params) {
      const { b, t, hidden, isReverse } = params;
      const { weight, lengths, dy, dGates, dHidden, dInput } = bind;
      dGates.fill(0);
      dInput?.fill(0);
      for (let row = 0; row < b; row++) {
        for (let s = lengths[row] - 1; s >= 0; s--) {
          const line = row * t + timeOf(s, lengths[row], isReverse);
          for (let unit = 0; unit < hidden; unit++) {
            const state = row * hidden + unit;
            const dh = dHidden[state] + dy[line * hidden + unit];
            dHidden[state] = retreat(bind, params, { line, state, unit, hidden }, dh);
          }
          for (let unit = 0; unit < hidden; unit++) {
            let sum = 0;
            for (let k = 0; k < count * hidden; k++) {
              sum += dGates[line * count * hidden + k] * weight[k * hidden + unit];
            }
            dHidden[row * hidden + unit] += sum;
          }
        }
      }
    },
  };
}

export const paddingReference = {
  checkLengths({ given, lengths, indexErrors }, { b, t, site }) {
    for (let row = 0; row < b; row++) {
      const isValid = given[row] >= 0 && given[row] <= t;
      if (!isValid) reportIndexError(indexErrors, site, row, given[row]);
      lengths[row] = isValid ? given[row] : 0;
    }
  },
  clearPadding({ x, given, y }, { b, t, cols }) {
    for (let e = 0; e < b * t * cols; e++) {
      const line = Math.floor(e / cols);
      y[e] = line % t < given[Math.floor(line / t)] ? x[e] : 0;
    }
  },
  previousStates({ x, given, first, y }, { b, t, cols, isReverse }) {
    y.fill(0);
    for (let row = 0; row < b; row++) {
      const length = given[row];
      for (let s = 0; s < length; s++) {
        const at = (time: number) => (row * t + (isReverse ? length - 1 - time : time)) * cols;
        for (let col = 0; col < cols; col++) y[at(s) + col] = s === 0 ? first[row * cols + col] : x[at(s - 1) + col];
      }
    }
  },
  lastStates({ given, states, last }, { b, cols }) {
    for (let e = 0; e < b * cols; e++) last[e] = states[(given[Math.floor(e / cols)] % 2) * b * cols + e];
  },
} satisfies Reference;
