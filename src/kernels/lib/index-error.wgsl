// Records the first index that is out of range; the next await on the host throws it. The caller then reads and writes
// nothing at that index.
//
//   indexErrors : [site + 1 (0: none), position, value]

@group(0) @binding(14) var<storage, read_write> indexErrors: array<atomic<u32>, 3>;

fn reportIndexError(site: u32, position: u32, value: i32) {
  let first = atomicCompareExchangeWeak(&indexErrors[0], 0u, site + 1u);
  if (first.exchanged) {
    atomicStore(&indexErrors[1], position);
    atomicStore(&indexErrors[2], bitcast<u32>(value));
  }
}
