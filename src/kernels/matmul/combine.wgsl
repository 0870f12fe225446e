// y = activation(sum of the parts + bias), where the product was cut along k.
//
//   a : [splits, m, n], read four columns at a time; m counts the rows of all matrices
//   y : [m, n]

struct Params { m: u32, n: u32, splits: u32, hasBias: u32, isTurned: u32 }
var<immediate> params: Params;

const THREADS = 64u;

// A thread per four columns of a row.
@compute @workgroup_size(THREADS)
fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let quads = (params.n + 3u) / 4u;
  for (var i = gid.x; i < params.m * quads; i += groups.x * THREADS) {
    let row = i / quads;
    let col = 4u * (i - row * quads);
    var sums = vec4f();
    for (var part = 0u; part < params.splits; part++) {
      sums += fourOfA((part * params.m + row) * params.n + col, params.n - col);
    }
    store(0u, row, col, sums);
  }
}
