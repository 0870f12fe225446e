// Activation functions that are more than a line, and their derivatives; they need math.wgsl, and their errors are stated as
// there. Each is at minus infinity what it tends to there.

// Phi(x), the probability that a standard normal number is below x.
fn normalCdf(x: f32) -> f32 {
  return 0.5 * erfc(-0.70710678 * x);
}

// x Phi(x): 1e-7 of the larger of |x| and 1.
fn gelu(x: f32) -> f32 {
  return keepNan(max(x, -16.0), x) * normalCdf(x);
}

fn geluDerivative(x: f32) -> f32 {
  let a = keepNan(clamp(x, -16.0, 16.0), x);
  return fma(0.3989423 * a, preciseExp(-0.5 * a * a), normalCdf(x));
}

// 2 sqrt(2 / pi) (x + 0.044715 x^3)
fn geluTanhArgument(x: f32) -> f32 {
  return 1.5957691 * x * fma(0.044715 * x, x, 1.0);
}

// x (1 + tanh(z / 2)) / 2 = x sigmoid(z), without the cancellation of 1 + tanh: 1e-7 of the larger of |x| and 1.
fn geluTanh(x: f32) -> f32 {
  let a = keepNan(clamp(x, -16.0, 16.0), x);
  return keepNan(max(x, -16.0), x) * sigmoid(geluTanhArgument(a));
}

fn geluTanhDerivative(x: f32) -> f32 {
  let a = keepNan(clamp(x, -16.0, 16.0), x);
  let y = sigmoid(geluTanhArgument(a));
  return fma(a * (1.0 - y) * 1.5957691 * fma(0.134145 * a, a, 1.0), y, y);
}

// x sigmoid(x): 2.6 ulp.
fn silu(x: f32) -> f32 {
  return keepNan(max(x, -128.0), x) * sigmoid(x);
}

fn siluDerivative(x: f32) -> f32 {
  let a = keepNan(clamp(x, -128.0, 128.0), x);
  let y = sigmoid(a);
  return fma(a * (1.0 - y), y, y);
}

// tanh(log(1 + exp(x))) as a fraction of polynomials in exp(-|x|), and 1 minus its square.
struct MishGate { y: f32, slope: f32 }

fn mishGate(x: f32) -> MishGate {
  let e = preciseExp(-abs(x));
  let positive = x >= 0.0;
  let numerator = select(e * (e + 2.0), fma(2.0, e, 1.0), positive);
  let difference = select(2.0, 2.0 * e * e, positive); // of denominator and numerator
  let y = numerator / (numerator + difference);
  return MishGate(y, (1.0 + y) * (difference / (numerator + difference)));
}

// x tanh(log(1 + exp(x))): 3.4 ulp.
fn mish(x: f32) -> f32 {
  return keepNan(max(x, -128.0), x) * mishGate(x).y;
}

fn mishDerivative(x: f32) -> f32 {
  let a = keepNan(clamp(x, -128.0, 128.0), x);
  let gate = mishGate(a);
  return fma(a * gate.slope, sigmoid(a), gate.y);
}

// log(1 + exp(beta x)) / beta, and x where beta x is above the threshold, as PyTorch has it.
fn softplusWith(x: f32, beta: f32, threshold: f32) -> f32 {
  return select(softplus(beta * x) / beta, x, beta * x > threshold);
}

fn softplusWithDerivative(x: f32, beta: f32, threshold: f32) -> f32 {
  return select(sigmoid(beta * x), 1.0, beta * x > threshold);
}

// x for a positive x, else alpha (exp(x) - 1): 1.6 ulp.
fn elu(x: f32, alpha: f32) -> f32 {
  return keepNan(select(alpha * expm1(x), x, x > 0.0), x);
}

fn eluDerivative(x: f32, alpha: f32) -> f32 {
  return keepNan(select(alpha * preciseExp(x), 1.0, x > 0.0), x);
}

// x clamp(x + 3, 0, 6) / 6
fn hardswish(x: f32) -> f32 {
  return keepNan(select(select(x * (x + 3.0) / 6.0, 0.0, x <= -3.0), x, x >= 3.0), x);
}

fn hardswishDerivative(x: f32) -> f32 {
  return keepNan(select(select(x / 3.0 + 0.5, 0.0, x < -3.0), 1.0, x > 3.0), x);
}
