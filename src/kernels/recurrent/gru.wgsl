// The cell of a gated recurrent unit; recurrent.wgsl has the other buffers' shapes. With the gates in this order,
//
//   r, z = sigmoid of projected + bias + h weight^T
//   q = bias + h weight^T
//   n = tanh(projected + r q)
//   h' = n + z (h - n)
//
//   kept     : [b, t, 4 * hidden]          r, z, n, q
//   previous : [b, t, hidden]              h before each step
//   dInput   : [b, t, 3 * hidden]          the gradient of projected, which differs from dGates in n; 0 past a row's length

const GATES = 3u;
const KEPT = 4u;

@group(0) @binding(7) var<storage, read_write> dInput: array<T>;
@group(0) @binding(12) var<storage, read> previous: array<T>;

fn fromInput(line: u32, unit: u32, gate: u32) -> T {
  return projected[(line * GATES + gate) * stateSize() + unit];
}

fn fromState(unit: u32, gate: u32, r: u32) -> T {
  return bias[gate * stateSize() + unit] + product(gate, r);
}

fn advance(line: u32, state: u32, unit: u32, row: u32, before: u32) -> T {
  let size = stateSize();
  let r = sigmoids(fromInput(line, unit, 0u) + fromState(unit, 0u, row));
  let z = sigmoids(fromInput(line, unit, 1u) + fromState(unit, 1u, row));
  let q = fromState(unit, 2u, row);
  let n = tanhs(fromInput(line, unit, 2u) + r * q);
  if (params.keeps != 0u) {
    let first = line * KEPT * size + unit;
    kept[first] = r;
    kept[first + size] = z;
    kept[first + 2u * size] = n;
    kept[first + 3u * size] = q;
  }
  return n + z * (states[before] - n);
}

// Returns the part of the gradient of h that does not flow through weight.
fn retreat(line: u32, state: u32, unit: u32, dh: T) -> T {
  let size = stateSize();
  let first = line * KEPT * size + unit;
  let r = saved[first];
  let z = saved[first + size];
  let n = saved[first + 2u * size];
  let q = saved[first + 3u * size];
  let h = previous[line * size + unit];
  let dn = dh * (T(1.0) - z) * (T(1.0) - n * n);
  let dr = dn * q * r * (T(1.0) - r);
  let dz = dh * (h - n) * z * (T(1.0) - z);
  let gates = line * GATES * size + unit;
  dInput[gates] = dr;
  dInput[gates + size] = dz;
  dInput[gates + 2u * size] = dn;
  dGates[gates] = dr;
  dGates[gates + size] = dz;
  dGates[gates + 2u * size] = dn * r;
  return dh * z;
}

fn clear(line: u32, unit: u32) {
  for (var gate = 0u; gate < GATES; gate++) {
    dInput[(line * GATES + gate) * stateSize() + unit] = T();
    dGates[(line * GATES + gate) * stateSize() + unit] = T();
  }
}
