// The two networks of the page "Listen to it emerge" work in a worker (see ../playground/background.js).

// One request, one answer: the prediction of x0 at time t and the state x_s; or, for { image, phase }, its waveform.
function studio(file) {
  const schedule = cosineSchedule(file.T);
  const nets = {};
  const solvers = {};
  const open = (name) => {
    const { channels, height, width } = file.nets[name];
    const weights = readWeights(file.nets[name]);
    return (x, t, y) => {
      const one = image(channels, height, width);
      one.data.set(x);
      return [...unet(weights, one, t, y[0]).data];
    };
  };
  return ({ name, x, t, s, y, w, spectrum, phase }) => {
    const start = performance.now();
    if (spectrum) return { wave: griffinLim(magnitudes(spectrum, file.form), phase, file.form), ms: performance.now() - start };
    const net = (nets[name] ??= open(name));
    const eps0 = (file.nets[name].target === "x0" ? fromX0 : fromV)(net, schedule);
    const model = clipped(guided(eps0, [y], w), schedule, file.nets[name].limit);
    const eps = model(x, t);
    const xs = (solvers[name] ??= dpmpp2m())(schedule, x, t, s, eps);
    return { x0: predictX0(schedule, x, t, eps), x: xs, ms: performance.now() - start };
  };
}

const PARTS = [
  image, conv2d, cut, dot, linear, silu, groupNorm, add, concatenate, upsample, timeEmbedding, layer, timeCondition,
  conditioning, resBlock, softmax, attention, stage, stages, throughLayers, unet, readWeights,
  cosineSchedule, roots, qSample, predictX0, predictEps, fromV, fromX0, guided, clipped, dpmpp2m, logSnr,
  fft, hann, frameStart, stft, istft, melFilters, magnitudes, griffinLim, studio,
];

// ask(request) promises the answer.
const startStudio = (file) => inBackground(studio, PARTS, file);
