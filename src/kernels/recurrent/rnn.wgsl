// The plain recurrent cell: h' = tanh or relu of projected + bias + h weight^T; recurrent.wgsl has the buffers' shapes. Its
// output is all that the way back needs: `saved` is y.

const GATES = 1u;

override IS_RELU: bool;

fn advance(line: u32, state: u32, unit: u32, r: u32, before: u32) -> T {
  let x = projected[line * stateSize() + unit] + bias[unit] + product(0u, r);
  if (IS_RELU) { return rectified(x); }
  return tanhs(x);
}

// Returns the part of the gradient of h that does not flow through weight: none.
fn retreat(line: u32, state: u32, unit: u32, dh: T) -> T {
  let i = line * stateSize() + unit;
  let h = saved[i];
  if (IS_RELU) {
    dGates[i] = whereNot0(dh, h);
  } else {
    dGates[i] = dh * (T(1.0) - h * h);
  }
  return T();
}

fn clear(line: u32, unit: u32) {
  dGates[line * stateSize() + unit] = T();
}
