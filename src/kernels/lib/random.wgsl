// Counter-based random numbers: threefry2x32 with 20 rounds (Salmon et al. 2011, https://doi.org/10.1145/2063384.2063405).
// A number depends only on the seed, the call it belongs to, and its element, so it can be computed again anywhere.
//
//   randomState : [key0, key1, base, 0]      base + stream numbers the call

@group(0) @binding(13) var<storage, read> randomState: array<u32>;

fn rotate(x: u32, bits: u32) -> u32 {
  return (x << bits) | (x >> (32u - bits));
}

fn mix(x: vec2u, bits: u32) -> vec2u {
  let sum = x.x + x.y;
  return vec2u(sum, rotate(x.y, bits) ^ sum);
}

// Four rounds, then the key schedule's injection number `n`.
fn evenRounds(x: vec2u, inject: vec2u, n: u32) -> vec2u {
  return mix(mix(mix(mix(x, 13u), 15u), 26u), 6u) + inject + vec2u(0u, n);
}

fn oddRounds(x: vec2u, inject: vec2u, n: u32) -> vec2u {
  return mix(mix(mix(mix(x, 17u), 29u), 16u), 24u) + inject + vec2u(0u, n);
}

fn threefry(key: vec2u, counter: vec2u) -> vec2u {
  let k2 = 0x1bd11bdau ^ key.x ^ key.y;
  var x = counter + key;
  x = evenRounds(x, vec2u(key.y, k2), 1u);
  x = oddRounds(x, vec2u(k2, key.x), 2u);
  x = evenRounds(x, vec2u(key.x, key.y), 3u);
  x = oddRounds(x, vec2u(key.y, k2), 4u);
  return evenRounds(x, vec2u(k2, key.x), 5u);
}

// The random words of elements 2 * pair and 2 * pair + 1 of the call numbered `stream`.
fn randomPair(stream: u32, pair: u32) -> vec2u {
  return threefry(vec2u(randomState[0], randomState[1]), vec2u(randomState[2] + stream, pair));
}

// A multiple of 2^-24 in [0, 1).
fn unitFloat(word: u32) -> f32 {
  return f32(word >> 8u) * 0x1p-24;
}
