// The plain recurrent cell: h' = tanh or relu of gates + bias + h weight^T; recurrent.wgsl has the buffers' shapes. Its output
// is all that the way back needs: savedKept is y.

const GATES = 1u;

fn takeGate(line: u32, unit: u32, gate: u32, r: u32) {}

fn advance(line: u32, state: u32, unit: u32, r: u32, h: T) -> T {
  let x = gates[line * stateSize() + unit] + bias[unit] + product(0u, r);
  return select(tanhs(x), rectified(x), params.isRelu != 0u);
}

// Returns the part of the gradient of h that does not flow through weight: none.
fn retreat(line: u32, state: u32, unit: u32, dh: T) -> T {
  let i = line * stateSize() + unit;
  let h = savedKept[i];
  dGates[i] = select(dh * (T(1.0) - h * h), whereNot0(dh, h), params.isRelu != 0u);
  return T();
}

fn clear(line: u32, unit: u32) {
  dGates[line * stateSize() + unit] = T();
}
