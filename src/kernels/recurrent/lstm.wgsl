// The cell of a long short-term memory; recurrent.wgsl has the other buffers' shapes. With the gates in this order,
//
//   i, f, g, o = sigmoid, sigmoid, tanh, sigmoid of gates + bias + h weight^T, which take the place of gates
//   c' = f c + i g
//   h' = o tanh(c')
//
//   cell  : [b, hidden]                  c: that before the first step in, that after the last out
//   kept  : [b, t, hidden]               c before each step
//   dCell : [b, hidden]                  in: the gradient of the last c; out: that of the first

const GATES = 4u;

@group(0) @binding(7) var<storage, read_write> cell: array<T>;
@group(0) @binding(12) var<storage, read_write> dCell: array<T>;

// Where a gate of a unit is in a line.
fn gateAt(line: u32, unit: u32, gate: u32) -> u32 {
  return (line * GATES + gate) * stateSize() + unit;
}

fn takeGate(line: u32, unit: u32, gate: u32, r: u32) {
  let i = gateAt(line, unit, gate);
  let x = gates[i] + bias[gate * stateSize() + unit] + product(gate, r);
  gates[i] = select(sigmoids(x), tanhs(x), gate == 2u);
}

fn advance(line: u32, state: u32, unit: u32, r: u32, h: T) -> T {
  let c = cell[state];
  if (params.keeps != 0u) { kept[line * stateSize() + unit] = c; }
  let next = gates[gateAt(line, unit, 1u)] * c + gates[gateAt(line, unit, 0u)] * gates[gateAt(line, unit, 2u)];
  cell[state] = next;
  return gates[gateAt(line, unit, 3u)] * tanhs(next);
}

// Returns the part of the gradient of h that does not flow through weight: none.
fn retreat(line: u32, state: u32, unit: u32, dh: T) -> T {
  let i = savedGates[gateAt(line, unit, 0u)];
  let f = savedGates[gateAt(line, unit, 1u)];
  let g = savedGates[gateAt(line, unit, 2u)];
  let o = savedGates[gateAt(line, unit, 3u)];
  let c = savedKept[line * stateSize() + unit];
  let squashed = tanhs(f * c + i * g);
  let dc = dCell[state] + dh * o * (T(1.0) - squashed * squashed);
  dCell[state] = unlessFaded(dc * f);
  dGates[gateAt(line, unit, 0u)] = dc * g * i * (T(1.0) - i);
  dGates[gateAt(line, unit, 1u)] = dc * c * f * (T(1.0) - f);
  dGates[gateAt(line, unit, 2u)] = dc * i * (T(1.0) - g * g);
  dGates[gateAt(line, unit, 3u)] = dh * squashed * o * (T(1.0) - o);
  return T();
}

fn clear(line: u32, unit: u32) {
  for (var gate = 0u; gate < ROLLED; gate++) {
    if (gate == GATES) { break; }
    dGates[gateAt(line, unit, gate)] = T();
  }
}
