/** The definition of lib/random.wgsl, for references. */

// Rotations of threefry2x32, four rounds at a time.
const EVEN = [13, 15, 26, 6] as const;
const ODD = [17, 29, 16, 24] as const;
const ROUND_GROUPS = 5;

/** threefry2x32 with 20 rounds. @see https://doi.org/10.1145/2063384.2063405 */
export function threefry(key0: number, key1: number, counter0: number, counter1: number): [number, number] {
  const keys = [key0, key1, 0x1bd11bda ^ key0 ^ key1];
  let x = (counter0 + key0) | 0;
  let y = (counter1 + key1) | 0;
  for (let group = 0; group < ROUND_GROUPS; group++) {
    for (const bits of group % 2 === 0 ? EVEN : ODD) {
      x = (x + y) | 0;
      y = ((y << bits) | (y >>> (32 - bits))) ^ x;
    }
    x = (x + keys[(group + 1) % 3]!) | 0;
    y = (y + keys[(group + 2) % 3]! + group + 1) | 0;
  }
  return [x >>> 0, y >>> 0];
}

export function randomPair(state: ArrayLike<number>, stream: number, pair: number): [number, number] {
  return threefry(state[0]!, state[1]!, (state[2]! + stream) >>> 0, pair);
}

export function randomWord(state: ArrayLike<number>, stream: number, element: number): number {
  return randomPair(state, stream, Math.floor(element / 2))[element % 2]!;
}

export function unitFloat(word: number): number {
  return (word >>> 8) * 2 ** -24;
}

/** A standard normal number, by Box and Muller's transform of a pair of words. */
export function normalNumber(state: ArrayLike<number>, stream: number, element: number): number {
  const [first, second] = randomPair(state, stream, Math.floor(element / 2));
  const radius = Math.sqrt(-2 * Math.log(((first >>> 8) + 1) * 2 ** -24)); // of a number in (0, 1]
  const angle = 2 * Math.PI * unitFloat(second);
  return radius * (element % 2 === 0 ? Math.cos(angle) : Math.sin(angle));
}
