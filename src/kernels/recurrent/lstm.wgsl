// The cell of a long short-term memory; recurrent.wgsl has the other buffers' shapes. With the gates in this order,
//
//   i, f, g, o = sigmoid, sigmoid, tanh, sigmoid of projected + bias + h weight^T
//   c' = f c + i g
//   h' = o tanh(c')
//
//   cell  : [b, hidden]                  c: that before the first step in, that after the last out
//   kept  : [b, t, 5 * hidden]           i, f, g, o, c
//   dCell : [b, hidden]                  in: the gradient of the last c; out: that of the first

const GATES = 4u;
const KEPT = 5u;

@group(0) @binding(7) var<storage, read_write> cell: array<T>;
@group(0) @binding(12) var<storage, read_write> dCell: array<T>;

fn preActivation(line: u32, unit: u32, gate: u32, r: u32) -> T {
  let size = stateSize();
  return projected[(line * GATES + gate) * size + unit] + bias[gate * size + unit] + product(gate, r);
}

fn advance(line: u32, state: u32, unit: u32, r: u32, before: u32) -> T {
  let size = stateSize();
  let i = sigmoids(preActivation(line, unit, 0u, r));
  let f = sigmoids(preActivation(line, unit, 1u, r));
  let g = tanhs(preActivation(line, unit, 2u, r));
  let o = sigmoids(preActivation(line, unit, 3u, r));
  let c = cell[state];
  if (params.keeps != 0u) {
    let first = line * KEPT * size + unit;
    kept[first] = i;
    kept[first + size] = f;
    kept[first + 2u * size] = g;
    kept[first + 3u * size] = o;
    kept[first + 4u * size] = c;
  }
  let next = f * c + i * g;
  cell[state] = next;
  return o * tanhs(next);
}

// Returns the part of the gradient of h that does not flow through weight: none.
fn retreat(line: u32, state: u32, unit: u32, dh: T) -> T {
  let size = stateSize();
  let first = line * KEPT * size + unit;
  let i = saved[first];
  let f = saved[first + size];
  let g = saved[first + 2u * size];
  let o = saved[first + 3u * size];
  let c = saved[first + 4u * size];
  let squashed = tanhs(f * c + i * g);
  let dc = dCell[state] + dh * o * (T(1.0) - squashed * squashed);
  dCell[state] = dc * f;
  let gates = line * GATES * size + unit;
  dGates[gates] = dc * g * i * (T(1.0) - i);
  dGates[gates + size] = dc * c * f * (T(1.0) - f);
  dGates[gates + 2u * size] = dc * i * (T(1.0) - g * g);
  dGates[gates + 3u * size] = dh * squashed * o * (T(1.0) - o);
  return T();
}

fn clear(line: u32, unit: u32) {
  for (var gate = 0u; gate < GATES; gate++) { dGates[(line * GATES + gate) * stateSize() + unit] = T(); }
}
