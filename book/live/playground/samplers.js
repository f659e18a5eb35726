// The schedule, the wrappers and the samplers of ddpm_lite in plain JavaScript, with the letters of the paper.
//
// x, eps and z are rows of images, one after the other in one array; z is the fresh noise of a step, which the
// Python code draws itself. Like unet.js, this file is functions and nothing else.

// cosine_schedule: alpha_bar at t = 0 ... T, float32 as in PyTorch
function cosineSchedule(T = 1000, s = 0.008, maxBeta = 0.999) {
  const f = (t) => Math.cos((((t / T + s) / (1 + s)) * Math.PI) / 2) ** 2;
  const exact = [1];
  for (let t = 1; t <= T; t++) {
    const beta = Math.min(1 - f(t) / f(t - 1), maxBeta);
    exact.push(exact[t - 1] * (1 - beta));
  }
  return { T, alphaBar: exact.map(Math.fround) };
}

// The square roots that nearly every formula has
function roots(schedule, t) {
  const alphaBar = schedule.alphaBar[t];
  return [Math.sqrt(alphaBar), Math.sqrt(1 - alphaBar)];
}

function qSample(schedule, x0, t, eps) {
  const [signal, noise] = roots(schedule, t);
  return x0.map((value, i) => signal * value + noise * eps[i]);
}

function predictX0(schedule, xt, t, eps) {
  const [signal, noise] = roots(schedule, t);
  return xt.map((value, i) => (value - noise * eps[i]) / signal);
}

function predictEps(schedule, xt, t, x0) {
  const [signal, noise] = roots(schedule, t);
  return xt.map((value, i) => (value - signal * x0[i]) / noise);
}

// ---- wrappers: from one network to another -------------------------------------------------------------------

function fromV(net, schedule) {
  return (x, t, y) => {
    const [signal, noise] = roots(schedule, t);
    const v = net(x, t, y);
    return x.map((value, i) => signal * v[i] + noise * value);
  };
}

function fromX0(net, schedule) {
  return (x, t, y) => predictEps(schedule, x, t, net(x, t, y));
}

// w = 0 is the plain conditional model; then, and without a label, the second call would change nothing.
function guided(net, y, w) {
  return (x, t) => {
    const eps = net(x, t, y);
    if (w === 0 || y.every((label) => label === null)) return eps;
    const plain = net(x, t, y.map(() => null));
    return eps.map((value, i) => (1 + w) * value - w * plain[i]);
  };
}

// What the package's sample does with clip = 1.
function clipped(model, schedule, limit = 1) {
  return (x, t, y) => {
    const x0 = predictX0(schedule, x, t, model(x, t, y));
    return predictEps(schedule, x, t, x0.map((value) => Math.min(limit, Math.max(-limit, value))));
  };
}

// ---- steps from x_t to x_s, s < t ----------------------------------------------------------------------------

function posteriorVariance(schedule, t, s) {
  const [alphaBar, alphaBarS] = [schedule.alphaBar[t], schedule.alphaBar[s]];
  return ((1 - alphaBarS) / (1 - alphaBar)) * (1 - alphaBar / alphaBarS);
}

function ddpmStep(schedule, xt, t, s, eps, z) {
  const alphaBar = schedule.alphaBar[t];
  const alpha = alphaBar / schedule.alphaBar[s];
  const sigma = Math.sqrt(posteriorVariance(schedule, t, s));
  const factor = (1 - alpha) / Math.sqrt(1 - alphaBar);
  return xt.map((value, i) => (value - factor * eps[i]) / Math.sqrt(alpha) + sigma * z[i]);
}

function ddimStep(schedule, xt, t, s, eps, z, eta = 0) {
  const [x0, alphaBarS] = [predictX0(schedule, xt, t, eps), schedule.alphaBar[s]];
  const sigma = eta * Math.sqrt(posteriorVariance(schedule, t, s));
  const direction = Math.sqrt(Math.max(0, 1 - alphaBarS - sigma ** 2));
  return x0.map((value, i) => Math.sqrt(alphaBarS) * value + direction * eps[i] + sigma * z[i]);
}

// The step of ddimStep with a prediction of x0 that also uses the step before: last is { t, s, x0 } of that
function dpmpp2m(last = null) {
  return (schedule, xt, t, s, eps) => {
    const x0 = predictX0(schedule, xt, t, eps);
    let prediction = x0;
    if (last?.s === t && s > 0) {
      const r = logSnr(schedule, t, s) / (2 * logSnr(schedule, last.t, last.s));
      const before = last.x0;
      prediction = x0.map((value, i) => value + r * (value - before[i]));
    }
    last = { t, s, x0 };
    return qSample(schedule, prediction, s, predictEps(schedule, xt, t, prediction));
  };
}

// How far log(SNR) / 2 rises from t down to s
function logSnr(schedule, t, s) {
  const half = (time) => Math.log(schedule.alphaBar[time] / (1 - schedule.alphaBar[time])) / 2;
  return half(s) - half(t);
}

// The known pixels of x_s are not the model's: they are the drawing, with as much noise as belongs to s.
function keepKnown(schedule, xs, s, drawing, known, z) {
  const noisy = qSample(schedule, drawing, s, z);
  return xs.map((value, i) => (known[i] ? noisy[i] : value));
}

// n + 1 timesteps from T to 0, evenly spaced or denser at 0 with a power above 1, rounded as Python rounds: halves to
// the even number
function spaced(T, n, power = 1) {
  const round = (x) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));
  return Array.from({ length: n + 1 }, (_, i) => round(T * ((n - i) / n) ** power));
}

// Uniform numbers in [0, 1) that depend on the seed, the time and the purpose alone, by mulberry32
function randomNumbers(seed, t, purpose = 0) {
  let state = Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(t + 1, 0x85ebca6b) ^ Math.imul(purpose + 1, 0xc2b2ae35);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let a = Math.imul(state ^ (state >>> 15), state | 1);
    a ^= a + Math.imul(a ^ (a >>> 7), a | 61);
    return ((a ^ (a >>> 14)) >>> 0) / 2 ** 32;
  };
}

// n standard normal numbers, by Box and Muller's formula. After going back and changing something, the same noise
// falls.
function gaussian(n, seed, t, purpose = 0) {
  const uniform = randomNumbers(seed, t, purpose);
  return Array.from({ length: n }, () =>
    Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()));
}
