// y = x at points that are `scale` apart along rows and columns: the element there, or between elements a weighted mean of the
// two (of each axis); dx = the sum of dy by the same weights.
//
//   x, dx : [planes, size.x, size.y]      y, dy : [planes, out.x, out.y]

struct Params {
  size: vec2u, out: vec2u,
  scale: vec2f, inverse: vec2f, // elements of x per element of y, and 1 / scale, or `out` where the scale is 0
  lines: u32, pieces: u32, run: u32, // lib/runs.ts
}
var<immediate> params: Params;

const NEAREST = 0u; // the element at or before the point o scale
const CENTRES = 1u; // elements are squares side by side, whose centres are points
const CORNERS = 2u; // the first and the last elements of x and y are the same points
override MODE: u32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

const THREADS = 64u;

// The element before a point, the one after it, and how far between them the point is.
struct Source { before: u32, after: u32, t: f32 }

// Where element o of y is in x, along an axis: 0 for rows, 1 for columns.
fn source(o: u32, axis: u32) -> Source {
  let last = params.size[axis] - 1u;
  let scale = params.scale[axis];
  var point = f32(o) * scale;
  if (MODE == CENTRES) { point = max((f32(o) + 0.5) * scale - 0.5, 0.0); }
  let before = min(u32(point), last);
  if (MODE == NEAREST) { return Source(before, before, 0.0); }
  return Source(before, min(before + 1u, last), point - f32(before));
}

// An element of no weight may be infinite.
fn between(a: f32, b: f32, t: f32) -> f32 {
  return select((1.0 - t) * a + t * b, a, t == 0.0);
}

// How much element i counts at a source.
fn weight(at: Source, i: u32) -> f32 {
  if (MODE == NEAREST) { return select(0.0, 1.0, at.before == i); }
  return select(0.0, 1.0 - at.t, at.before == i) + select(0.0, at.t, at.after == i);
}

struct Range { first: u32, end: u32 }

// Elements of y among which are all that element i counts for.
fn outputsNear(i: u32, axis: u32) -> Range {
  let centre = select(0.0, 0.5, MODE == CENTRES);
  let least = f32(i) + centre - select(1.0, 0.0, MODE == NEAREST);
  let most = f32(i) + centre + 1.0;
  // Cut to whole numbers, with one more at the end for what rounding moves.
  let first = max(least * params.inverse[axis] - centre, 0.0);
  let end = min(most * params.inverse[axis] - centre + 1.0, f32(params.out[axis]));
  return Range(u32(first), u32(end));
}

// A thread per run of a row of y.
@compute @workgroup_size(THREADS)
fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.lines * params.pieces; i += groups.x * THREADS) {
    let line = i / params.pieces;
    let plane = line / params.out.x;
    let rows = source(line - plane * params.out.x, 0u);
    let above = (plane * params.size.x + rows.before) * params.size.y;
    let below = (plane * params.size.x + rows.after) * params.size.y;
    let first = (i - line * params.pieces) * params.run;
    for (var column = first; column < min(first + params.run, params.out.y); column++) {
      let columns = source(column, 1u);
      var value = x[above + columns.before];
      if (MODE != NEAREST) {
        let upper = between(value, x[above + columns.after], columns.t);
        let lower = between(x[below + columns.before], x[below + columns.after], columns.t);
        value = between(upper, lower, rows.t);
      }
      y[line * params.out.y + column] = value;
    }
  }
}

// A thread per run of a row of dx.
@compute @workgroup_size(THREADS)
fn backward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.lines * params.pieces; i += groups.x * THREADS) {
    let line = i / params.pieces;
    let plane = line / params.size.x;
    let row = line - plane * params.size.x;
    let rows = outputsNear(row, 0u);
    let first = (i - line * params.pieces) * params.run;
    for (var column = first; column < min(first + params.run, params.size.y); column++) {
      let columns = outputsNear(column, 1u);
      var sum = 0.0;
      for (var r = rows.first; r < rows.end; r++) {
        let height = weight(source(r, 0u), row);
        for (var c = columns.first; c < columns.end; c++) {
          let share = height * weight(source(c, 1u), column);
          if (share != 0.0) { sum += share * dy[(plane * params.out.x + r) * params.out.y + c]; }
        }
      }
      dx[line * params.size.y + column] = sum;
    }
  }
}
