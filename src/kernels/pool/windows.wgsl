// Which elements of the input a window reaches, and which windows reach an element, along an axis: 0 for rows, 1 for columns.

struct Params {
  size: vec2u, // of the input
  out: vec2u,
  kernel: vec2u, stride: vec2u, padding: vec2u, dilation: vec2u, // of no meaning where ADAPTIVE
  lines: u32, pieces: u32, run: u32, // lib/runs.ts
  divisor: f32, // of averages; 0 for the number of elements
}
var<immediate> params: Params;

// 1 for windows that cut the axis into as many parts as there are outputs, some of which share an element at their border.
override ADAPTIVE: u32;
// How many rows and columns a window has, where they are few: then loops over them are compiled for it. Else UNKNOWN.
override ROWS: u32;
override COLUMNS: u32;
const UNKNOWN = 0xffffffffu;

// `count` positions, `step` apart. The first ones may lie before the input: then they wrap.
struct Window { first: u32, count: u32, step: u32 }

fn window(o: u32, axis: u32) -> Window {
  if (ADAPTIVE == 1u) {
    let first = o * params.size[axis] / params.out[axis];
    let end = ((o + 1u) * params.size[axis] + params.out[axis] - 1u) / params.out[axis];
    return Window(first, end - first, 1u);
  }
  return Window(o * params.stride[axis] - params.padding[axis], params.kernel[axis], params.dilation[axis]);
}

// Whether a loop to ROWS or COLUMNS is over.
fn isOver(w: Window, k: u32, most: u32) -> bool {
  return most == UNKNOWN && k >= w.count;
}

// Whether the k-th position is in the input.
fn isInside(w: Window, k: u32, axis: u32) -> bool {
  return w.first + k * w.step < params.size[axis];
}

struct Range { first: u32, end: u32 }

// The windows between whose first and last position element i lies.
fn windowsOver(i: u32, axis: u32) -> Range {
  if (ADAPTIVE == 1u) {
    let first = i * params.out[axis] / params.size[axis];
    return Range(first, ((i + 1u) * params.out[axis] + params.size[axis] - 1u) / params.size[axis]);
  }
  let padded = i + params.padding[axis];
  let extent = (params.kernel[axis] - 1u) * params.dilation[axis] + 1u;
  let first = select((padded - extent) / params.stride[axis] + 1u, 0u, padded < extent);
  return Range(first, min(padded / params.stride[axis] + 1u, params.out[axis]));
}
