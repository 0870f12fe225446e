// The rows of attention of any width. Columns past the last one are read as 0 and not written.

@group(0) @binding(0) var<storage, read> q: array<f32>;
@group(0) @binding(1) var<storage, read> k: array<f32>;
@group(0) @binding(2) var<storage, read> v: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read_write> gradients: array<f32>;
@group(0) @binding(6) var<storage, read> savedY: array<f32>;

fn inRow(x: vec4f, c: u32, width: u32) -> vec4f {
  return select(vec4f(), x, 4u * c + vec4u(0, 1, 2, 3) < vec4u(width));
}

fn loadQ(at: u32, c: u32) -> vec4f {
  let i = at + 4u * c;
  return inRow(vec4f(q[i], q[i + 1u], q[i + 2u], q[i + 3u]), c, params.d);
}

fn loadK(at: u32, c: u32) -> vec4f {
  let i = at + 4u * c;
  return inRow(vec4f(k[i], k[i + 1u], k[i + 2u], k[i + 3u]), c, params.d);
}

fn loadV(at: u32, c: u32) -> vec4f {
  let i = at + 4u * c;
  return inRow(vec4f(v[i], v[i + 1u], v[i + 2u], v[i + 3u]), c, params.dv);
}

fn loadY(at: u32, c: u32) -> vec4f {
  let i = at + 4u * c;
  return inRow(vec4f(savedY[i], savedY[i + 1u], savedY[i + 2u], savedY[i + 3u]), c, params.dv);
}

fn loadDy(at: u32, c: u32) -> vec4f {
  let i = at + 4u * c;
  return inRow(vec4f(dy[i], dy[i + 1u], dy[i + 2u], dy[i + 3u]), c, params.dv);
}

fn storeY(at: u32, c: u32, x: vec4f) {
  for (var i = 0u; i < min(4u, params.dv - 4u * c); i++) { y[at + 4u * c + i] = x[i]; }
}

fn loadGradient(at: u32, c: u32, width: u32) -> vec4f {
  let i = at + 4u * c;
  return inRow(vec4f(gradients[i], gradients[i + 1u], gradients[i + 2u], gradients[i + 3u]), c, width);
}

fn storeGradient(at: u32, c: u32, width: u32, x: vec4f) {
  for (var i = 0u; i < min(4u, width - 4u * c); i++) { gradients[at + 4u * c + i] = x[i]; }
}
