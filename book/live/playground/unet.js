// The U-Net of ddpm_lite/nets.py in plain JavaScript, for one image at a time.
//
// An image is { c, h, w, data }: c channels of h rows of w numbers. A vector is an array of numbers.
// `weights` is PyTorch's state dictionary: weights["conv_in.weight"] is { shape: [16, 1, 3, 3], data }.
// The file is functions and nothing else, because worker.js hands their text to the worker.

function image(c, h, w) {
  return { c, h, w, data: new Float64Array(c * h * w) };
}

// nn.Conv2d with padding k / 2: each output is the dot product of a filter and a k x k patch of all channels. And
// nn.Conv1d for a signal, which is an image of one row: then the patch has one row, too.
function conv2d(x, weight, bias, stride = 1) {
  const [out, channels, k] = weight.shape;
  const signal = weight.shape.length === 3;
  const rows = signal ? 1 : k;
  const y = image(out, signal ? 1 : x.h / stride, x.w / stride);
  const patch = new Float64Array(channels * rows * k);
  for (let row = 0; row < y.h; row++) {
    for (let column = 0; column < y.w; column++) {
      cut(x, patch, rows, k, row * stride - (rows >> 1), column * stride - (k >> 1));
      for (let o = 0; o < out; o++) {
        y.data[(o * y.h + row) * y.w + column] = bias.data[o] + dot(weight.data, o, patch);
      }
    }
  }
  return y;
}

// The patch of rows x columns with its first corner at (top, left), 0 where it leaves the image.
function cut(x, patch, rows, columns, top, left) {
  let i = 0;
  for (let c = 0; c < x.c; c++) {
    for (let row = top; row < top + rows; row++) {
      for (let column = left; column < left + columns; column++) {
        const inside = row >= 0 && row < x.h && column >= 0 && column < x.w;
        patch[i++] = inside ? x.data[(c * x.h + row) * x.w + column] : 0;
      }
    }
  }
}

// A row of a matrix times a vector: nearly all of the time goes here. Four sums, so that none waits for another.
function dot(matrix, row, vector) {
  const n = vector.length;
  const start = row * n;
  let a = 0, b = 0, c = 0, d = 0, i = 0;
  for (; i + 3 < n; i += 4) {
    a += matrix[start + i] * vector[i];
    b += matrix[start + i + 1] * vector[i + 1];
    c += matrix[start + i + 2] * vector[i + 2];
    d += matrix[start + i + 3] * vector[i + 3];
  }
  for (; i < n; i++) a += matrix[start + i] * vector[i];
  return a + b + c + d;
}

// nn.Linear
function linear(x, weight, bias) {
  return bias.data.map((b, o) => b + dot(weight.data, o, x));
}

// F.silu, of an image or of a vector
function silu(x) {
  const f = (value) => value / (1 + Math.exp(-value));
  return x.data ? { ...x, data: x.data.map(f) } : x.map(f);
}

// nn.GroupNorm, with as many groups as group_norm(channels) gives it: each group to mean 0 and variance 1.
function groupNorm(x, weight, bias) {
  const gcd = (a, b) => (b ? gcd(b, a % b) : a);
  const groups = gcd(Math.min(32, Math.max(1, x.c >> 2)), x.c);
  const size = x.data.length / groups;
  const y = image(x.c, x.h, x.w);
  for (let start = 0; start < x.data.length; start += size) {
    let mean = 0, variance = 0;
    for (let i = start; i < start + size; i++) mean += x.data[i] / size;
    for (let i = start; i < start + size; i++) variance += (x.data[i] - mean) ** 2 / size;
    const scale = 1 / Math.sqrt(variance + 1e-5);
    for (let i = start; i < start + size; i++) {
      const c = Math.floor(i / (x.h * x.w));
      y.data[i] = (x.data[i] - mean) * scale * weight.data[c] + bias.data[c];
    }
  }
  return y;
}

function add(x, y) {
  return { ...x, data: x.data.map((value, i) => value + y.data[i]) };
}

// torch.cat([x, y], dim=1)
function concatenate(x, y) {
  const z = image(x.c + y.c, x.h, x.w);
  z.data.set(x.data);
  z.data.set(y.data, x.data.length);
  return z;
}

// F.interpolate(x, scale_factor=2, mode="nearest"); a signal stays one row
function upsample(x) {
  const up = x.h > 1 ? 1 : 0;
  const y = image(x.c, x.h << up, 2 * x.w);
  for (let i = 0; i < y.data.length; i++) {
    const [row, column] = [Math.floor(i / y.w), i % y.w];  // rows of all channels, counted through
    y.data[i] = x.data[(row >> up) * x.w + (column >> 1)];
  }
  return y;
}

// time_embedding: sines and cosines with periods from 2 pi to 2 pi 10^4
function timeEmbedding(t, dim) {
  const half = dim / 2;
  const angles = Array.from({ length: half }, (_, i) => t * Math.exp((-Math.log(10000) * i) / (half - 1)));
  return Float64Array.of(...angles.map(Math.sin), ...angles.map(Math.cos));
}

// A convolution, a norm, a linear layer by its name in the state dictionary.
function layer(weights, name, x, how, ...rest) {
  return how(x, weights[`${name}.weight`], weights[`${name}.bias`], ...rest);
}

// The part of Conditioning that a time gives
function timeCondition(weights, t) {
  const c = timeEmbedding(t, weights["condition.time.0.weight"].shape[1]);
  return layer(weights, "condition.time.2", silu(layer(weights, "condition.time.0", c, linear)), linear);
}

// Conditioning: time and label as one vector; label null is "no label", the last row of the table.
function conditioning(weights, t, y) {
  const { shape: [rows, out], data } = weights["condition.label.weight"];
  const start = (y ?? rows - 1) * out;
  return timeCondition(weights, t).map((value, i) => value + data[start + i]);
}

// ResBlock: x plus two convolutions of it, the condition added between them
function resBlock(weights, name, x, c) {
  const at = (part) => `${name}.${part}`;
  let h = layer(weights, at("conv1"), silu(layer(weights, at("norm1"), x, groupNorm)), conv2d);
  const shift = layer(weights, at("inject"), silu(c), linear);
  h.data = h.data.map((value, i) => value + shift[Math.floor(i / (h.h * h.w))]);
  h = layer(weights, at("conv2"), silu(layer(weights, at("norm2"), h, groupNorm)), conv2d);
  const changes = at("skip.weight") in weights;  // where the number of channels changes
  return add(changes ? layer(weights, at("skip"), x, conv2d) : x, h);
}

// Positive numbers with a sum of 1. Without the largest score, exp would overflow at 710.
function softmax(scores) {
  const most = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - most));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}

// Attention: every position attends to every other
function attention(weights, name, x) {
  const area = x.h * x.w;
  const qkv = layer(weights, `${name}.qkv`, layer(weights, `${name}.norm`, x, groupNorm), conv2d);
  const at = (part, c, position) => qkv.data[(part * x.c + c) * area + position];
  const h = image(x.c, x.h, x.w);
  for (let i = 0; i < area; i++) {
    const scores = Array.from({ length: area }, (_, j) => {
      let score = 0;
      for (let c = 0; c < x.c; c++) score += at(0, c, i) * at(1, c, j);
      return score / Math.sqrt(x.c);
    });
    const weight = softmax(scores);
    for (let c = 0; c < x.c; c++) {
      for (let j = 0; j < area; j++) h.data[c * area + i] += weight[j] * at(2, c, j);
    }
  }
  return add(x, layer(weights, `${name}.out`, h, conv2d));
}

// A Block, or what changes the size: half of it on the way down, twice of it on the way up. Where the network has
// words to read, its pixels read them after each other (text.js of the page "Type a caption").
function stage(weights, name, x, c, words = null) {
  if (`${name}.conv.weight` in weights) {
    return name.startsWith("down")
      ? layer(weights, `${name}.conv`, x, conv2d, 2)
      : layer(weights, `${name}.conv`, upsample(x), conv2d);
  }
  const h = resBlock(weights, `${name}.res`, x, c);
  const seen = `${name}.attention.qkv.weight` in weights ? attention(weights, `${name}.attention`, h) : h;
  return words && `${name}.cross.q.weight` in weights ? crossAttention(weights, `${name}.cross`, seen, words) : seen;
}

// The names "down.0", "down.1", ... of a part, in their order
function stages(weights, part) {
  const names = Object.keys(weights).filter((name) => name.startsWith(`${part}.`));
  return [...new Set(names.map((name) => name.split(".").slice(0, 2).join(".")))];
}

// UNet.forward for a time and a label
function unet(weights, x, t, y = null) {
  return throughLayers(weights, x, conditioning(weights, t, y));
}

// Down, through the middle, up, with skips; c is the condition as one vector
function throughLayers(weights, x, c, words = null) {
  let h = layer(weights, "conv_in", x, conv2d);
  const skips = [h];
  for (const name of stages(weights, "down")) skips.push((h = stage(weights, name, h, c, words)));
  for (const name of stages(weights, "mid")) h = stage(weights, name, h, c, words);
  for (const name of stages(weights, "up")) {
    if (`${name}.res.conv1.weight` in weights) h = concatenate(h, skips.pop());
    h = stage(weights, name, h, c, words);
  }
  return layer(weights, "conv_out.2", silu(layer(weights, "conv_out.0", h, groupNorm)), conv2d);
}

// net(x, t, y) for rows of images, as the samplers want it: x holds them one after the other, y a label for each.
function network(weights, size) {
  return (x, t, y) => y.map((label, row) => {
    const one = image(1, size, size);
    one.data.set(x.slice(row * size ** 2, (row + 1) * size ** 2));
    return [...unet(weights, one, t, label).data];
  }).flat();
}

// From weights.js: whole numbers of two bytes, and for each tensor what the number 1 is worth. They are written as
// base64, so that the page works from a folder too.
function readWeights({ tensors, int16 }) {
  const bytes = Uint8Array.from(atob(int16), (letter) => letter.charCodeAt(0));
  const numbers = new Int16Array(bytes.buffer);
  let start = 0;
  return Object.fromEntries(Object.entries(tensors).map(([name, { shape, scale }]) => {
    const end = start + shape.reduce((a, b) => a * b);
    const data = Float64Array.from(numbers.subarray(start, end), (number) => number * scale);
    start = end;
    return [name, { shape, data }];
  }));
}
