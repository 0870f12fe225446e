// The cell of a gated recurrent unit; recurrent.wgsl has the other buffers' shapes. With the gates in this order,
//
//   r, z = sigmoid of gates + bias + h weight^T, which take the place of gates
//   q = bias + h weight^T
//   n = tanh(gates + r q), likewise
//   h' = n + z (h - n)
//
//   kept     : [b, t, 2 * hidden]          q, and h before each step
//   dInput   : [b, t, 3 * hidden]          the gradient of W_ih x + b_ih, which differs from dGates in n; 0 past a row's length

const GATES = 3u;
const KEPT = 2u;

@group(0) @binding(7) var<storage, read_write> dInput: array<T>;

// Where a gate of a unit is in a line.
fn gateAt(line: u32, unit: u32, gate: u32) -> u32 {
  return (line * GATES + gate) * stateSize() + unit;
}

// Where q is; h is stateSize() behind it.
fn keptAt(line: u32, unit: u32) -> u32 {
  return line * KEPT * stateSize() + unit;
}

fn takeGate(line: u32, unit: u32, gate: u32, row: u32) {
  let i = gateAt(line, unit, gate);
  let q = bias[gate * stateSize() + unit] + product(gate, row);
  if (gate < 2u) {
    gates[i] = sigmoids(gates[i] + q);
    return;
  }
  gates[i] = tanhs(gates[i] + gates[gateAt(line, unit, 0u)] * q);
  if (params.keeps != 0u) { kept[keptAt(line, unit)] = q; }
}

fn advance(line: u32, state: u32, unit: u32, row: u32, h: T) -> T {
  if (params.keeps != 0u) { kept[keptAt(line, unit) + stateSize()] = h; }
  let n = gates[gateAt(line, unit, 2u)];
  return n + gates[gateAt(line, unit, 1u)] * (h - n);
}

// Returns the part of the gradient of h that does not flow through weight.
fn retreat(line: u32, state: u32, unit: u32, dh: T) -> T {
  let r = savedGates[gateAt(line, unit, 0u)];
  let z = savedGates[gateAt(line, unit, 1u)];
  let n = savedGates[gateAt(line, unit, 2u)];
  let q = savedKept[keptAt(line, unit)];
  let h = savedKept[keptAt(line, unit) + stateSize()];
  let dn = dh * (T(1.0) - z) * (T(1.0) - n * n);
  putGradients(gateAt(line, unit, 0u), dn * q * r * (T(1.0) - r));
  putGradients(gateAt(line, unit, 1u), dh * (h - n) * z * (T(1.0) - z));
  dInput[gateAt(line, unit, 2u)] = dn;
  dGates[gateAt(line, unit, 2u)] = dn * r;
  return dh * z;
}

fn clear(line: u32, unit: u32) {
  for (var gate = 0u; gate < ROLLED; gate++) {
    if (gate == GATES) { break; }
    putGradients(gateAt(line, unit, gate), T());
  }
}

fn putGradients(i: u32, value: T) {
  dInput[i] = value;
  dGates[i] = value;
}
