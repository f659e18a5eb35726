// Two ways to learn the same data: DDPM predicts the noise, flow matching the velocity. Time is u = t / T in [0, 1],
// with data at 0 and noise at 1. Points are flat arrays: x, y, x, y, …

// ---- data ----------------------------------------------------------------------------------------------------

// n points in [-1, 1]²
function shape(name, n, seed) {
  const uniform = randomNumbers(seed, 0, 3);
  const z = gaussian(2 * n, seed, 0, 4);
  const draw = {
    moons: (part) => {
      const [angle, upper] = [Math.PI * part, uniform() < 0.5];
      return upper ? [(Math.cos(angle) - 0.5) / 1.6, (Math.sin(angle) - 0.25) / 1.6, 0.04]
        : [(0.5 - Math.cos(angle)) / 1.6, (0.25 - Math.sin(angle)) / 1.6, 0.04];
    },
    ring: (part) => [0.8 * Math.cos(2 * Math.PI * part), 0.8 * Math.sin(2 * Math.PI * part), 0.04],
    gaussians: (part) => {
      const angle = (Math.PI / 4) * Math.floor(8 * part);
      return [0.8 * Math.cos(angle), 0.8 * Math.sin(angle), 0.06];
    },
    spiral: (part) => {
      const [angle, radius] = [3 * Math.PI * Math.sqrt(part), 0.9 * Math.sqrt(part)];
      return [radius * Math.cos(angle), radius * Math.sin(angle), 0.03];
    },
  }[name];
  return Array.from({ length: n }, (_, i) => {
    const [x, y, spread] = draw(uniform());
    return [x + spread * z[2 * i], y + spread * z[2 * i + 1]].map((v) => Math.min(1, Math.max(-1, v)));
  }).flat();
}

// ---- the two methods -----------------------------------------------------------------------------------------

// x_u = signal x0 + noise ε. The network predicts target(x0, ε). A step leads from u to an earlier s.
function methods(T) {
  const schedule = cosineSchedule(T);
  return {
    ddpm: {
      time: (uniform) => Math.ceil(T * (1 - uniform)) / T,  // t = 1 … T
      mix: (u) => roots(schedule, Math.round(T * u)),
      target: (x0, eps) => eps,
      times: (n) => spaced(T, n).map((t) => t / T),
      step: (predict, x, u, s, z, eta) => {
        const [t, earlier] = [Math.round(T * u), Math.round(T * s)];
        const eps = clipped(() => predict(x, u), schedule)(x, t);
        return ddimStep(schedule, x, t, earlier, eps, z, eta);
      },
    },
    flow: {
      time: (uniform) => uniform,
      mix: (u) => [1 - u, u],
      target: (x0, x1) => x1 - x0,
      times: (n) => Array.from({ length: n + 1 }, (_, i) => 1 - i / n),
      step: (predict, x, u, s) => {
        const v = predict(x, u);
        return x.map((value, i) => value + (s - u) * v[i]);
      },
    },
  };
}

// What the network sees of points x at time u, or at a time for each point: x, y, u, and waves of each of them
function features(x, u) {
  const X = matrix(x.length / 2, 15);
  for (let i = 0; i < X.n; i++) {
    const see = [x[2 * i], x[2 * i + 1], 2 * (u[i] ?? u) - 1];
    for (let c = 0; c < 3; c++) {
      const place = 15 * i + 5 * c;
      X.data[place] = see[c];
      for (let k = 1; k <= 2; k++) {
        X.data[place + 2 * k - 1] = Math.sin(2 * k * see[c]);
        X.data[place + 2 * k] = Math.cos(2 * k * see[c]);
      }
    }
  }
  return X;
}

function predictor(layers) {
  return (x, u) => forward(layers, features(x, u)).Y.data;
}

// The best possible prediction, in closed form. Given x_u, the point x0 was data point i with a probability p_i that is
// proportional to exp(−|x_u − signal x_i|² / 2 noise²). So E[x0 | x_u] = Σ p_i x_i, and E[ε | x_u] follows from x_u.
function exactPredictor(method, points) {
  return (x, u) => {
    const y = new Float64Array(x.length);
    for (let j = 0; j < x.length; j += 2) {
      const [signal, noise] = method.mix(u[j / 2] ?? u);
      const far = new Float64Array(points.length / 2);
      for (let i = 0; i < far.length; i++) {
        far[i] = ((x[j] - signal * points[2 * i]) ** 2 + (x[j + 1] - signal * points[2 * i + 1]) ** 2) / (2 * noise ** 2);
      }
      const nearest = Math.min(...far);
      let [sum, mean0, mean1] = [0, 0, 0];
      for (let i = 0; i < far.length; i++) {
        const p = Math.exp(nearest - far[i]);
        sum += p;
        mean0 += p * points[2 * i];
        mean1 += p * points[2 * i + 1];
      }
      [mean0 / sum, mean1 / sum].forEach((x0, c) => {
        y[j + c] = method.target(x0, (x[j + c] - signal * x0) / noise);
      });
    }
    return y;
  };
}

// A batch: data points, times and noise, all random. Returns x_u, u and what to predict.
function batch(method, points, size, seed, number) {
  const uniform = randomNumbers(seed, number, 5);
  const eps = gaussian(2 * size, seed, number, 6);
  const some = Array.from({ length: size }, () => Math.floor((uniform() * points.length) / 2));
  const x0 = some.flatMap((i) => [points[2 * i], points[2 * i + 1]]);
  const u = some.map(() => method.time(uniform()));
  const mix = u.map(method.mix);
  const x = x0.map((value, j) => mix[j >> 1][0] * value + mix[j >> 1][1] * eps[j]);
  return { x, u, target: x0.map((value, j) => method.target(value, eps[j])) };
}

// From noise to samples in n steps. Returns all states, the noise first.
function wayBack(method, predict, count, n, eta, seed) {
  const states = [gaussian(2 * count, seed, 0, 7)];
  const times = method.times(n);
  for (let k = 0; k < n; k++) {
    const z = gaussian(2 * count, seed, k + 1, 7);
    states.push(method.step(predict, states[k], times[k], times[k + 1], z, eta));
  }
  return { states, times };
}

// The share of points a that have a point of b within this distance
function share(a, b, distance = 0.1) {
  let near = 0;
  for (let i = 0; i < a.length; i += 2) {
    for (let j = 0; j < b.length; j += 2) {
      if (Math.hypot(a[i] - b[j], a[i + 1] - b[j + 1]) < distance) {
        near += 1;
        break;
      }
    }
  }
  return near / (a.length / 2);
}

// ---- one request, one answer ---------------------------------------------------------------------------------

// begin: points and seed, for new networks. train: so many steps of `of`, whose rate falls to 0. draw: samples of the
// networks or of the exact field, and arrows along the way.
function school({ T, width, size, rate, grid }) {
  const both = methods(T);
  const names = Object.keys(both);
  let [points, seed, number, nets, floors] = [[], 0, 0, {}, null];

  const begin = (request) => {
    ({ points, seed } = request);
    [number, floors] = [0, null];
    nets = Object.fromEntries(names.map((name) => {
      const layers = initialise([15, width, width, width, 2], seed);
      return [name, { layers, optimise: adam(layers), predict: predictor(layers) }];
    }));
    return { begun: true };
  };

  // The lowest possible loss: what the exact prediction has on forty batches
  const lowest = (name) => {
    const exact = exactPredictor(both[name], points);
    const losses = Array.from({ length: 40 }, (_, k) => {
      const { x, u, target } = batch(both[name], points, size, seed, -1 - k);
      return meanSquare(matrix(size, 2, exact(x, u)), target).L;
    });
    return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
  };

  const train = (steps, of) => {
    const losses = Object.fromEntries(names.map((name) => [name, 0]));
    for (let k = 0; k < steps; k++, number++) for (const name of names) {
      const { x, u, target } = batch(both[name], points, size, seed, number);
      const { layers, optimise } = nets[name];
      const falling = rate * (1 - number / of);
      losses[name] += trainStep(layers, optimise, features(x, u), target, falling) / steps;
    }
    if (!floors) floors = Object.fromEntries(names.map((name) => [name, lowest(name)]));
    return { number, losses, floors };
  };

  const draw = ({ exact, count, steps, eta }) => Object.fromEntries(names.map((name) => {
    const predict = exact ? exactPredictor(both[name], points) : nets[name].predict;
    const way = wayBack(both[name], predict, count, steps, eta, seed);
    const fields = way.times.map((u) => predict(grid, Math.max(u, 0.02)));  // at 0, exact ones divide by 0
    const end = way.states.at(-1);
    return [name, { ...way, fields, near: share(end, points), covered: share(points, end) }];
  }));

  return (request) => {
    if (request.begin) return begin(request.begin);
    if (request.train) return train(request.train, request.of);
    return draw(request.draw);
  };
}

const SCHOOL = [
  cosineSchedule, roots, predictX0, predictEps, clipped, posteriorVariance, ddimStep, spaced, randomNumbers, gaussian,
  matrix, transpose, dots, linear, linearBackward, silu, siluBackward, meanSquare, initialise, forward, backward, adam,
  trainStep, methods, features, predictor, exactPredictor, batch, wayBack, share, school,
];
