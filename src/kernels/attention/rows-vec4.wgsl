// The rows of attention where all widths, strides and offsets are multiples of 4.

@group(0) @binding(0) var<storage, read> q: array<vec4f>;
@group(0) @binding(1) var<storage, read> k: array<vec4f>;
@group(0) @binding(2) var<storage, read> v: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<storage, read> dy: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> gradients: array<vec4f>;
@group(0) @binding(6) var<storage, read> savedY: array<vec4f>;

fn loadQ(at: u32, c: u32) -> vec4f { return q[at / 4u + c]; }
fn loadK(at: u32, c: u32) -> vec4f { return k[at / 4u + c]; }
fn loadV(at: u32, c: u32) -> vec4f { return v[at / 4u + c]; }
fn loadY(at: u32, c: u32) -> vec4f { return savedY[at / 4u + c]; }
fn loadDy(at: u32, c: u32) -> vec4f { return dy[at / 4u + c]; }
fn storeY(at: u32, c: u32, x: vec4f) { y[at / 4u + c] = x; }
fn loadGradient(at: u32, c: u32, width: u32) -> vec4f { return gradients[at / 4u + c]; }
fn storeGradient(at: u32, c: u32, width: u32, x: vec4f) { gradients[at / 4u + c] = x; }
