// ddpm_lite/text.py in plain JavaScript: captions to tokens, tokens to words (one vector for each token), and pixels
// that read the words. The rest of the network is ../playground/unet.js.
//
// `words` is { rows, maps }: a vector for each token, and, if it's a list, what each cross-attention has read.
// Like unet.js, this file is functions and nothing else.

// Tokenizer: the numbers of a caption's pieces, after the start (1). Unlike in Python there's no padding to mask.
function tokenize(pieces, caption) {
  const tokens = [1];
  for (const word of caption.toLowerCase().split(/\s+/).filter(Boolean)) {
    for (let rest = word; rest;) {
      const fits = pieces.filter((piece) => rest.startsWith(piece)).sort((a, b) => b.length - a.length);
      if (!fits.length) throw new Error(word);
      tokens.push(pieces.indexOf(fits[0]));
      rest = rest.slice(fits[0].length);
    }
  }
  return tokens;
}

function plus(a, b) {
  return a.map((value, i) => value + b[i]);
}

// nn.LayerNorm: a vector to mean 0 and variance 1
function layerNorm(x, weight, bias) {
  const mean = x.reduce((a, b) => a + b) / x.length;
  const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
  const scale = 1 / Math.sqrt(variance + 1e-5);
  return x.map((value, i) => (value - mean) * scale * weight.data[i] + bias.data[i]);
}

// attention_weights: how much one query reads of each key, with a sum of 1
function attentionWeights(q, keys) {
  return softmax(keys.map((k) => dot(k, 0, q) / Math.sqrt(q.length)));
}

// What the queries read of the keys' values, a part of the channels for each head. `seen` is called with the weights
// of each query, the mean over the heads.
function read(queries, keys, values, heads, seen = () => {}) {
  const size = queries[0].length / heads;
  const part = (x, head) => x.slice(head * size, (head + 1) * size);
  const [k, v] = [keys, values].map((rows) =>
    Array.from({ length: heads }, (_, head) => rows.map((row) => part(row, head))));
  return queries.map((q, i) => {
    const out = new Float64Array(q.length);
    const mean = new Float64Array(keys.length);
    for (let head = 0; head < heads; head++) {
      attentionWeights(part(q, head), k[head]).forEach((weight, j) => {
        mean[j] += weight / heads;
        v[head][j].forEach((value, c) => { out[head * size + c] += weight * value; });
      });
    }
    seen(mean, i);
    return out;
  });
}

// TextLayer: each word reads the others, then thinks by itself
function textLayer(weights, name, rows, heads) {
  const at = (part, x, how) => layer(weights, `${name}.${part}`, x, how);
  const qkv = rows.map((row) => at("qkv", at("norm1", row, layerNorm), linear));
  const [q, k, v] = [0, 1, 2].map((n) => qkv.map((x) => x.slice(n * x.length / 3, (n + 1) * x.length / 3)));
  const h = read(q, k, v, heads).map((x, i) => plus(rows[i], at("out", x, linear)));
  return h.map((x) => plus(x, at("mlp.2", silu(at("mlp.0", at("norm2", x, layerNorm), linear)), linear)));
}

// TextEncoder: tokens to one vector for each of them
function encodeText(weights, tokens, heads) {
  const name = "condition.text";
  const row = (table, i) => {
    const { shape: [, dim], data } = weights[`${name}.${table}`];
    return data.slice(i * dim, (i + 1) * dim);
  };
  let rows = tokens.map((token, i) => plus(row("embed.weight", token), row("positions", i)));
  for (let i = 0; `${name}.layers.${i}.qkv.weight` in weights; i++) {
    rows = textLayer(weights, `${name}.layers.${i}`, rows, heads);
  }
  return rows.map((x) => layer(weights, `${name}.norm`, x, layerNorm));
}

// CrossAttention: each pixel reads the words
function crossAttention(weights, name, x, words) {
  const at = (part, vector) => layer(weights, `${name}.${part}`, vector, linear);
  const area = x.h * x.w;
  const normed = layer(weights, `${name}.norm`, x, groupNorm);
  const pixel = (i) => Float64Array.from({ length: x.c }, (_, c) => normed.data[c * area + i]);
  const kv = words.rows.map((row) => at("kv", row));
  const map = words.maps ? { h: x.h, w: x.w, rows: [] } : null;
  const queries = Array.from({ length: area }, (_, i) => at("q", pixel(i)));
  const keys = kv.map((row) => row.slice(0, x.c));
  const values = kv.map((row) => row.slice(x.c));
  const y = { ...x, data: x.data.slice() };
  read(queries, keys, values, words.heads, (seen) => map?.rows.push([...seen])).forEach((h, i) => {
    at("out", h).forEach((value, c) => { y.data[c * area + i] += value; });
  });
  if (map) words.maps.push(map);
  return y;
}

// TextUNet: net(x, t, y) for rows of images, as the samplers want it; y has the tokens of each, null for "no caption".
function textNetwork(weights, { channels, size, heads }) {
  const n = channels * size ** 2;
  return (x, t, y, maps = null) => y.map((tokens, row) => {
    const one = image(channels, size, size);
    one.data.set(x.slice(row * n, (row + 1) * n));
    const words = { rows: encodeText(weights, tokens ?? [1], heads), heads, maps };
    return [...throughLayers(weights, one, timeCondition(weights, t), words).data];
  }).flat();
}

// For each word the 8 x 8 places of the image, and how much they read of it: the mean over the layers of that size.
function wordMaps(maps, size) {
  const fine = maps.filter((map) => map.h === size);
  return fine[0].rows[0].map((_, word) => fine[0].rows.map((_, i) =>
    fine.reduce((sum, map) => sum + map.rows[i][word] / fine.length, 0)));
}
