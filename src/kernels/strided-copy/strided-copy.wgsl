// Copies a view of x to a view of y: y[yOffset + c . yStrides] = x[xOffset + c . xStrides] for every c below shape.
//
//   x, y    : words, moved as they are, whatever they mean
//   shape   : the view's, innermost axis first
//   strides : in x 0 (expand) or negative (flip) too; in y no two c may meet
//
// Appended: alias T, of WIDTH words. Where that is 4, the innermost axis is a multiple of 4 with strides of 1, and so are
// all offsets and other strides.

struct Params { shape: vec4u, xStrides: vec4i, yStrides: vec4i, xOffset: i32, yOffset: i32, size: u32 }
var<immediate> params: Params;

override RANK: u32; // 1 to 4

@group(0) @binding(0) var<storage, read> x: array<T>;
@group(0) @binding(1) var<storage, read_write> y: array<T>;

const THREADS = 64u;

// A thread per T of the view.
@compute @workgroup_size(THREADS)
fn copy(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.size / WIDTH; i += groups.x * THREADS) {
    var rest = i * WIDTH;
    var xAt = params.xOffset;
    var yAt = params.yOffset;
    for (var k = 0u; k < RANK - 1u; k++) {
      let outer = rest / params.shape[k];
      let c = i32(rest - outer * params.shape[k]); // a remainder would be a second division
      rest = outer;
      xAt += c * params.xStrides[k];
      yAt += c * params.yStrides[k];
    }
    xAt += i32(rest) * params.xStrides[RANK - 1u];
    yAt += i32(rest) * params.yStrides[RANK - 1u];
    y[u32(yAt) / WIDTH] = x[u32(xAt) / WIDTH];
  }
}
