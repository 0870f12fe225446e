// Connectionist temporal classification: -log of the probability that a sample's time steps spell its target, over all
// alignments of the states (blank, y1, blank, y2, ..., blank) with the steps; and its gradient.
//
//   logProbs, dlogProbs         : [t, b, classes]
//   targets                     : [b, s]              of row i the first targetLengths[i] count
//   inputLengths, targetLengths : [b]
//   alpha, reached              : [b, t, 2 s + 1]     log of the probability of all that leads to a state at a time
//   lengths, saved              : [b, 2]              how many steps and labels count; 0 for a sample with an error
//   links, linked               : [b, s]              2 * (the next place of the same label, or s) + (1 where there is an earlier one)
//   work                        : [b, 4, 2 s + 1]     two rows of what follows a state, two of the states' shares
//   losses, dy                  : [b]
//   reached, saved and linked are what earlier entries wrote to alpha, lengths and links.
//
//   alpha[t, s] = logProbs[t, class(s)] + log(exp(alpha[t-1, s]) + exp(alpha[t-1, s-1]) + exp(alpha[t-1, s-2]))
//
// where the last term is left out between blanks and between equal labels; each row is stored but for a constant. What follows
// a state is the same from the other end, and dlogProbs = -dy * Σ share(s) over the states of a class, where the shares are
// proportional to exp(alpha + follows) and have the sum 1 at each time.

struct Params {
  steps: u32, batch: u32, classes: u32, labels: u32, blank: u32,
  inputSite: u32, targetSite: u32, labelSite: u32,
}
var<immediate> params: Params;

override MEAN: bool; // a loss is divided by the number of its labels
override ZERO_INFINITY: bool;

@group(0) @binding(0) var<storage, read> logProbs: array<f32>;
@group(0) @binding(1) var<storage, read> targets: array<i32>;
@group(0) @binding(2) var<storage, read> inputLengths: array<u32>;
@group(0) @binding(3) var<storage, read> targetLengths: array<u32>;
@group(0) @binding(4) var<storage, read_write> alpha: array<f32>;
@group(0) @binding(5) var<storage, read_write> lengths: array<vec2u>;
@group(0) @binding(6) var<storage, read_write> losses: array<f32>;
@group(0) @binding(7) var<storage, read_write> links: array<u32>;
@group(0) @binding(8) var<storage, read> reached: array<f32>;
@group(0) @binding(9) var<storage, read> saved: array<vec2u>;
@group(0) @binding(10) var<storage, read> linked: array<u32>;
@group(0) @binding(11) var<storage, read> dy: array<f32>;
@group(0) @binding(12) var<storage, read_write> work: array<f32>;
@group(0) @binding(13) var<storage, read_write> dlogProbs: array<f32>;

const THREADS = 64u;
const LARGEST = 3.4028234e38;
const MINUS_INFINITY = 0xff800000u;

fn impossible() -> f32 {
  return orBits(0.0, MINUS_INFINITY, true);
}

fn states() -> u32 {
  return 2u * params.labels + 1u;
}

// log(exp(a) + exp(b) + exp(c)).
fn logSum(a: f32, b: f32, c: f32) -> f32 {
  let most = max(max(a, b), c); // a NaN comes back in the sum
  let base = select(0.0, most, most >= -LARGEST);
  return base + preciseLog(preciseExp(a - base) + preciseExp(b - base) + preciseExp(c - base));
}

// The class of a state, or some class for a label that is none.
fn classOf(sample: u32, state: u32) -> u32 {
  if (state % 2u == 0u) { return params.blank; }
  return min(u32(targets[sample * params.labels + state / 2u]), params.classes - 1u);
}

// Whether an alignment may go on to the state from the one before the last.
fn canSkip(sample: u32, state: u32) -> bool {
  if (state % 2u == 0u || state < 3u) { return false; }
  let at = sample * params.labels + state / 2u;
  return targets[at] != targets[at - 1u];
}

fn place(time: u32, sample: u32, c: u32) -> u32 {
  return (time * params.batch + sample) * params.classes + c;
}

// How many labels a loss is divided by.
fn divisor(labels: u32) -> f32 {
  return select(1.0, f32(max(labels, 1u)), MEAN);
}

// 1 if a length or, among every WG-th from `first`, a label is out of range.
fn findErrors(sample: u32, steps: u32, labels: u32, first: u32) -> f32 {
  var errors = 0.0;
  if (steps > params.steps) {
    reportIndexError(params.inputSite, sample, i32(steps));
    errors = 1.0;
  }
  if (labels > params.labels) {
    reportIndexError(params.targetSite, sample, i32(labels));
    return 1.0;
  }
  for (var k = first; k < labels; k += WG) {
    let at = sample * params.labels + k;
    if (u32(targets[at]) >= params.classes) {
      reportIndexError(params.labelSite, at, targets[at]);
      errors = 1.0;
    }
  }
  return errors;
}

// What is subtracted from a row, so that numbers stay small over any number of steps: its largest, or 0 where that is infinite.
fn offsetFor(largest: f32) -> f32 {
  return select(0.0, largest, abs(largest) <= LARGEST);
}

// A workgroup per sample, which walks the time steps while its lanes share the states.
@compute @workgroup_size(WG)
fn forward(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
           @builtin(local_invocation_index) lane: u32) {
  for (var sample = wid.x; sample < params.batch; sample += groups.x) {
    let failed = workgroupMax(findErrors(sample, inputLengths[sample], targetLengths[sample], lane), lane) > 0.0;
    let steps = min(inputLengths[sample], params.steps);
    let labels = min(targetLengths[sample], params.labels);
    let last = 2u * labels;
    var row = sample * params.steps * states();
    var offset = 0.0;
    var offsets = 0.0;
    for (var time = 0u; time < steps; time++) {
      var largest = impossible();
      for (var s = lane; s <= last; s += WG) {
        var before = impossible();
        if (time == 0u) {
          if (s < 2u) { before = 0.0; }
        } else {
          let at = row - states() + s;
          var one = impossible();
          var two = impossible();
          if (s > 0u) { one = alpha[at - 1u]; }
          if (canSkip(sample, s)) { two = alpha[at - 2u]; }
          before = logSum(alpha[at], one, two) - offset;
        }
        let value = before + logProbs[place(time, sample, classOf(sample, s))];
        alpha[row + s] = value;
        largest = nanMax(largest, value);
      }
      storageBarrier();
      offsets += offset;
      offset = offsetFor(workgroupMax(largest, lane));
      row += states();
    }
    if (lane == 0u) {
      var logP = impossible();
      if (steps > 0u) {
        let end = row - states() + last;
        var other = impossible();
        if (last > 0u) { other = alpha[end - 1u]; }
        logP = offsets + logSum(alpha[end], other, impossible());
      } else if (labels == 0u) {
        logP = 0.0;
      }
      let loss = -logP / divisor(labels);
      losses[sample] = select(loss, 0.0, failed || (ZERO_INFINITY && loss > LARGEST));
      lengths[sample] = select(vec2u(steps, labels), vec2u(), failed);
    }
  }
}

// A thread per place in the targets.
@compute @workgroup_size(THREADS)
fn link(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var at = gid.x; at < params.batch * params.labels; at += groups.x * THREADS) {
    let start = at / params.labels * params.labels;
    let length = saved[at / params.labels].y;
    let label = targets[at];
    var following = params.labels;
    var earlier = 0u;
    for (var k = 0u; k < length; k++) {
      if (targets[start + k] != label) { continue; }
      if (start + k < at) { earlier = 1u; }
      if (start + k > at) { following = min(following, k); }
    }
    links[at] = 2u * following + earlier;
  }
}

// A workgroup per sample, which walks the time steps from the last while its lanes share the states, and then the labels,
// each of which adds up the shares of its places. dlogProbs is 0 at first.
@compute @workgroup_size(WG)
fn backward(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
            @builtin(local_invocation_index) lane: u32) {
  for (var sample = wid.x; sample < params.batch; sample += groups.x) {
    let labels = saved[sample].y;
    let last = 2u * labels;
    let end = (sample * params.steps + max(saved[sample].x, 1u) - 1u) * states() + last;
    var logP = reached[end];
    if (last > 0u) { logP = nanMax(logP, reached[end - 1u]); }
    let steps = select(saved[sample].x, 0u, ZERO_INFINITY && logP < -LARGEST);
    let rows = sample * 4u * states();
    var offset = 0.0;
    for (var done = 0u; done < steps; done++) {
      let time = steps - 1u - done;
      let row = rows + time % 2u * states();
      let later = rows + (time + 1u) % 2u * states();
      let shares = rows + (2u + time % 2u) * states();
      var largest = impossible();
      var peak = impossible();
      for (var s = lane; s <= last; s += WG) {
        var follows = impossible();
        if (done == 0u) {
          if (s + 1u >= last) { follows = 0.0; }
        } else {
          var one = impossible();
          var two = impossible();
          if (s < last) { one = work[later + s + 1u]; }
          if (s + 2u <= last && canSkip(sample, s + 2u)) { two = work[later + s + 2u]; }
          follows = logSum(work[later + s], one, two) - offset;
        }
        let value = follows + logProbs[place(time, sample, classOf(sample, s))];
        work[row + s] = value;
        largest = nanMax(largest, value);
        let share = follows + reached[(sample * params.steps + time) * states() + s];
        work[shares + s] = share;
        peak = nanMax(peak, share);
      }
      offset = offsetFor(workgroupMax(largest, lane));
      let highest = offsetFor(workgroupMax(peak, lane));
      var sum = 0.0;
      var blanks = 0.0;
      for (var s = lane; s <= last; s += WG) {
        let share = preciseExp(work[shares + s] - highest);
        work[shares + s] = share;
        sum += share;
        if (classOf(sample, s) == params.blank) { blanks += share; }
      }
      storageBarrier();
      let scale = -dy[sample] / divisor(labels) / workgroupSum(sum, lane);
      let blank = workgroupSum(blanks, lane);
      if (lane == 0u) { dlogProbs[place(time, sample, params.blank)] = scale * blank; }
      for (var k = lane; k < labels; k += WG) {
        let c = classOf(sample, 2u * k + 1u);
        if (c == params.blank || linked[sample * params.labels + k] % 2u == 1u) { continue; }
        var share = 0.0;
        for (var at = k; at < params.labels; at = linked[sample * params.labels + at] / 2u) {
          share += work[shares + 2u * at + 1u];
        }
        dlogProbs[place(time, sample, c)] = scale * share;
      }
    }
  }
}
