/** Public functions whose first argument is no tensor: creation, random numbers, and ops on lists of tensors. */
export { concat, stack } from "./concat/concat.ts";
export {
  arange,
  eye,
  full,
  fullLike,
  linspace,
  ones,
  onesLike,
  tensor,
  zeros,
  zerosLike,
} from "./creation/creation.ts";
export { einsum } from "./einsum/einsum.ts";
export { manualSeed, randomState, setRandomState } from "./random/generator.ts";
export { rand, randint, randLike, randn, randnLike } from "./random/random.ts";
