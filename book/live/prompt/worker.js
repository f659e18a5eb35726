// The network of the page "Type a caption" works in a worker (see ../playground/background.js).

// One request, one answer: the prediction of x0 at time t, the state x_s, and which word each place reads.
function scenes(file) {
  const schedule = cosineSchedule(file.T);
  const net = textNetwork(readWeights(file), file);
  return ({ x, t, s, tokens, w }) => {
    const start = performance.now();
    const maps = [];
    const watched = (x, t, y) => net(x, t, y, y[0] ? maps : null);
    const model = clipped(guided(fromV(watched, schedule), [tokens], w), schedule);
    const eps = model(x, t);
    const none = x.map(() => 0);  // DDIM adds no noise
    return {
      x0: predictX0(schedule, x, t, eps), x: ddimStep(schedule, x, t, s, eps, none),
      words: wordMaps(maps, file.size / 2), ms: performance.now() - start,
    };
  };
}

const PARTS = [
  image, conv2d, cut, dot, linear, silu, groupNorm, add, concatenate, upsample, timeEmbedding, layer, timeCondition,
  resBlock, softmax, attention, stage, stages, throughLayers, readWeights,
  plus, layerNorm, attentionWeights, read, textLayer, encodeText, crossAttention, textNetwork, wordMaps,
  cosineSchedule, roots, predictX0, predictEps, fromV, guided, clipped, posteriorVariance, ddimStep, scenes,
];

// ask(request) promises the answer.
const startScenes = (file) => inBackground(scenes, PARTS, file);
