// The playground's network works in a worker (see background.js), so that the page keeps responding.

// One request, one answer: the prediction of x0 at time t and, where a time s is given, the state x_s. `last` is the step
// before, for DPM-Solver++.
function laboratory(file) {
  const schedule = cosineSchedule(file.T);
  const net = network(readWeights(file), file.size);
  return ({ x, t, s, y, w, sampler, eta, z, keep, last }) => {
    const start = performance.now();
    const model = clipped(guided(fromV(net, schedule), y, w), schedule);
    const eps = model(x, t);
    const steps = {
      ddpm: () => ddpmStep(schedule, x, t, s, eps, z),
      ddim: () => ddimStep(schedule, x, t, s, eps, z, eta),
      dpm: () => dpmpp2m(last)(schedule, x, t, s, eps),
    };
    let xs = s === undefined ? null : steps[sampler]();
    if (xs && keep) xs = keepKnown(schedule, xs, s, keep.drawing, keep.known, keep.z);
    return { x0: predictX0(schedule, x, t, eps), x: xs, ms: performance.now() - start };
  };
}

// A student of few steps: from noise x to images, with labels y, in so many calls.
function few(file) {
  const schedule = cosineSchedule(file.T);
  const model = fromV(network(readWeights(file), file.size), schedule);
  return ({ x, y, steps }) => {
    const start = performance.now();
    const ts = spaced(file.T, steps);
    for (let i = 0; i < steps; i++) x = ddimStep(schedule, x, ts[i], ts[i + 1], model(x, ts[i], y), x);
    return { x, ms: performance.now() - start };
  };
}

const PARTS = [
  image, conv2d, cut, dot, linear, silu, groupNorm, add, concatenate, upsample, timeEmbedding, layer,
  timeCondition, conditioning, resBlock, softmax, attention, stage, stages, unet, throughLayers, network, readWeights,
  cosineSchedule, roots, qSample, predictX0, predictEps, fromV, guided, clipped, posteriorVariance, ddpmStep, ddimStep,
  dpmpp2m, logSnr, keepKnown, spaced, laboratory, few,
];

// ask(request) promises the answer.
const startLaboratory = (file) => inBackground(laboratory, PARTS, file);

// The weights of a student are loaded when they're needed for the first time: a script that sets window.STUDENTS[name].
const started = {};
function startFew(name) {
  return (started[name] ??= new Promise((done, failed) => {
    const script = Object.assign(document.createElement("script"), { src: `../playground/${name}.js` });
    script.onload = () => done(inBackground(few, PARTS, STUDENTS[name]));
    script.onerror = () => {
      delete started[name];
      failed(new Error("The student couldn't be loaded. Check your connection, then try again."));
    };
    document.head.append(script);
  }));
}
