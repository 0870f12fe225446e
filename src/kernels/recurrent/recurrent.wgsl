// What the kernels of recurrent networks share. A state h [b, hidden] is taken from step to step; each row of the batch walks
// its own `length` steps, forwards in time or backwards from its last element:
//
//   h' = advance(gates[t] + bias + h weight^T, h)
//
//   gates     : [b, t, GATES * hidden]         in: W_ih x + b_ih of all steps; out: what a cell makes of it
//   weight    : W_hh, laid out by pack-weight.wgsl
//   bias      : [GATES * hidden]               b_hh
//   lengths   : [b]
//   states    : [2, b, hidden]                 h before even steps, h before odd ones; h before step 0 is given
//   y         : [b, t, hidden]                 h after each step; 0 past a row's length
//   kept      : [b, t, KEPT * hidden]          what the way back needs of each step besides; not written unless `keeps`
//
// and on the way back, with what the forward pass has left as savedGates and savedKept:
//
//   dy        : [b, t, hidden]
//   dGates    : [b, t, GATES * hidden]         the gradient of bias + h weight^T in each step; 0 past a row's length
//   dHidden   : [b, hidden]                    in: the gradient of the last state; out: that of the first
//
// A state is read in T's, of WIDTH elements. With this file go one with a cell's GATES, KEPT, `takeGate`, `advance`, `retreat` and
// `clear`, and one with T, WIDTH and the entries, which define ROLLED, the bound of loops over gates,
// `fn product(gate: u32, r: u32) -> T`: for row r of the workgroup, the sum over h or dGates times the weights, and
// `fn unlessFaded(x: T) -> T`: x, a gradient on its way back, or 0 where it is too small to be worth its time.

struct Params {
  b: u32, t: u32, hidden: u32,
  step: u32, steps: u32, // the steps of this dispatch: the first, and how many
  parts: u32, blocks: u32, // workgroups per rows, and how many blocks of T's of a state each of these has
  isReverse: u32, keeps: u32,
  isRelu: u32, // of an rnn
}
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read_write> gates: array<T>;
@group(0) @binding(1) var<storage, read_write> kept: array<T>;
@group(0) @binding(2) var<storage, read> weight: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<T>;
@group(0) @binding(4) var<storage, read> lengths: array<i32>;
@group(0) @binding(5) var<storage, read_write> states: array<T>;
@group(0) @binding(6) var<storage, read_write> y: array<T>;
@group(0) @binding(8) var<storage, read> savedGates: array<T>;
@group(0) @binding(9) var<storage, read> dy: array<T>;
@group(0) @binding(10) var<storage, read_write> dGates: array<T>;
@group(0) @binding(11) var<storage, read_write> dHidden: array<T>;
@group(0) @binding(13) var<storage, read> savedKept: array<T>;

// Loops that go to this bound and leave by themselves are finite for Dawn, which guards the others with a counter.
const FOREVER = 0x7fffffffu;

// T's of a state.
fn stateSize() -> u32 {
  return params.hidden / WIDTH;
}

fn lengthOf(row: u32) -> u32 {
  return u32(lengths[row]);
}

// Which line of [b, t] step s of a row is.
fn lineOf(row: u32, s: u32, length: u32) -> u32 {
  return row * params.t + select(s, length - 1u - s, params.isReverse != 0u);
}

// Where the states before step s are.
fn statesBefore(s: u32) -> u32 {
  return s % 2u * params.b * stateSize();
}

// The most steps that one of `count` rows has.
fn longestOf(first: u32, count: u32) -> u32 {
  var longest = 0u;
  for (var r = 0u; r < count; r++) {
    if (first + r < params.b) { longest = max(longest, lengthOf(first + r)); }
  }
  return longest;
}

// Takes gate number `gate` of T number `unit` of a row's state one step on, and with the last gate the state.
fn takeStep(row: u32, s: u32, unit: u32, gate: u32, r: u32) {
  let size = stateSize();
  let length = lengthOf(row);
  if (s >= length) {
    y[(row * params.t + s) * size + unit] = T();
    return;
  }
  let line = lineOf(row, s, length);
  takeGate(line, unit, gate, r);
  if (gate == GATES - 1u) {
    let state = row * size + unit;
    let h = advance(line, state, unit, r, states[statesBefore(s) + state]);
    states[statesBefore(s + 1u) + state] = h;
    y[line * size + unit] = h;
  }
}

// Takes the gradient of T number `unit` of a row's state from before step `later` to before the step before that; for
// `later` 0, only completes it.
fn takeStepBack(row: u32, later: u32, unit: u32, r: u32) {
  let size = stateSize();
  let length = lengthOf(row);
  let state = row * size + unit;
  let reached = dHidden[state] + product(0u, r);
  if (later == 0u) {
    dHidden[state] = reached;
    return;
  }
  let s = later - 1u;
  if (s >= length) {
    clear(row * params.t + s, unit);
    return;
  }
  let line = lineOf(row, s, length);
  dHidden[state] = retreat(line, state, unit, unlessFaded(reached + dy[line * size + unit]));
}
