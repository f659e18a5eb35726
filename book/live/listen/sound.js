// ddpm_lite/audio.py in plain JavaScript: spectrograms, Griffin-Lim, and sound as a WAV file.
//
// A waveform is an array of L samples. A spectrogram is a list of frames, each { re, im }, with n / 2 + 1 frequencies.
// `form` has n (samples in a frame), hop, mels, low, high (in dB) and rate, as in audio.py. Like the other files,
// this one is functions and nothing else.

// The discrete Fourier transform of n numbers in place, n a power of two (Cooley and Tukey)
function fft(re, im) {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {  // the order of reversed bits
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) [re[i], re[j], im[i], im[j]] = [re[j], re[i], im[j], im[i]];
  }
  for (let size = 2; size <= n; size *= 2) {
    const half = size / 2;
    for (let k = 0; k < half; k++) {
      const [c, s] = [Math.cos((2 * Math.PI * k) / size), -Math.sin((2 * Math.PI * k) / size)];
      for (let a = k; a < n; a += size) {
        const b = a + half;
        const [x, y] = [re[b] * c - im[b] * s, re[b] * s + im[b] * c];
        [re[b], im[b], re[a], im[a]] = [re[a] - x, im[a] - y, re[a] + x, im[a] + y];
      }
    }
  }
}

function hann(n) {
  return Float64Array.from({ length: n }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / n));
}

// Frame number k begins at this sample, which may be before the first.
function frameStart(k, { n, hop }) {
  return k * hop - (n - hop) / 2;
}

// A sine of amplitude 1 has magnitude 1.
function stft(x, form) {
  const { n, hop } = form;
  const [window, scale] = [hann(n), 4 / n];  // 2 / the sum of the window
  return Array.from({ length: x.length / hop }, (_, k) => {
    const start = frameStart(k, form);
    const re = Float64Array.from({ length: n }, (_, i) => (x[start + i] ?? 0) * window[i] * scale);
    const im = new Float64Array(n);
    fft(re, im);
    return { re: re.subarray(0, n / 2 + 1), im: im.subarray(0, n / 2 + 1) };
  });
}

// The waveform whose stft is nearest
function istft(frames, form) {
  const { n, hop } = form;
  const [window, length] = [hann(n), frames.length * hop];
  const [x, weight] = [new Float64Array(length), new Float64Array(length)];
  frames.forEach((frame, k) => {
    const [re, im] = [new Float64Array(n), new Float64Array(n)];
    for (let f = 0; f <= n / 2; f++) {
      const [a, b] = [frame.re[f], f % (n / 2) ? frame.im[f] : 0];  // real at both ends, as in irfft
      [re[f], im[f]] = [a, -b];  // conjugated, so that fft is the inverse
      if (f % (n / 2)) [re[n - f], im[n - f]] = [a, b];
    }
    fft(re, im);
    const start = frameStart(k, form);
    for (let i = 0; i < n; i++) {
      if (start + i < 0 || start + i >= length) continue;
      x[start + i] += (re[i] / n) * window[i] * (n / 4);
      weight[start + i] += window[i] ** 2;
    }
  });
  return x.map((value, i) => value / weight[i]);
}

// Triangles: for each band, how much of each frequency is in it
function melFilters({ n, mels, rate }) {
  const toMel = (f) => 2595 * Math.log10(1 + f / 700);
  const edge = Array.from({ length: mels + 2 }, (_, i) => 700 * (10 ** ((toMel(rate / 2) * i) / (mels + 1) / 2595) - 1));
  return Array.from({ length: mels }, (_, m) => Float64Array.from({ length: n / 2 + 1 }, (_, i) => {
    const f = (i * rate) / n;
    const [rise, fall] = [(f - edge[m]) / (edge[m + 1] - edge[m]), (edge[m + 2] - f) / (edge[m + 2] - edge[m + 1])];
    return Math.max(0, Math.min(rise, fall));
  }));
}

// A waveform as an image, in rows: the lowest band first
function logMel(x, form) {
  const [{ mels, low, high }, filters, frames] = [form, melFilters(form), stft(x, form)];
  const size = frames.map(({ re, im }) => re.map((a, f) => Math.hypot(a, im[f])));
  const image = new Float64Array(mels * frames.length);
  filters.forEach((filter, m) => {
    const sum = filter.reduce((a, b) => a + b);
    size.forEach((row, k) => {
      const level = 20 * Math.log10(Math.max(1e-6, row.reduce((a, value, f) => a + value * filter[f], 0) / sum));
      image[m * frames.length + k] = Math.min(1, Math.max(-1, ((level - low) / (high - low)) * 2 - 1));
    });
  });
  return image;
}

// From an image back to magnitudes, as far as that's possible
function magnitudes(image, form) {
  const [{ n, mels, low, high }, filters, columns] = [form, melFilters(form), image.length / form.mels];
  return Array.from({ length: columns }, (_, k) => {
    const row = new Float64Array(n / 2 + 1);
    for (let m = 0; m < mels; m++) {
      const amplitude = 10 ** ((((image[m * columns + k] + 1) / 2) * (high - low) + low) / 20);
      filters[m].forEach((weight, f) => { row[f] += amplitude * weight; });
    }
    return row;
  });
}

// A waveform with these magnitudes; `phase` has an angle for each of them.
function griffinLim(magnitude, phase, form, steps = 32, momentum = 0.99) {
  const at = (turn) => magnitude.map((row, k) => ({
    re: row.map((value, f) => value * turn[k].re[f]), im: row.map((value, f) => value * turn[k].im[f]),
  }));
  let turn = phase.map((row) => ({ re: row.map(Math.cos), im: row.map(Math.sin) }));
  let before = magnitude.map((row) => ({ re: row.map(() => 0), im: row.map(() => 0) }));
  for (let i = 0; i < steps; i++) {
    const now = stft(istft(at(turn), form), form);
    turn = now.map(({ re, im }, k) => {
      const a = re.map((value, f) => value + momentum * (value - before[k].re[f]));
      const b = im.map((value, f) => value + momentum * (value - before[k].im[f]));
      const size = a.map((value, f) => Math.max(1e-9, Math.hypot(value, b[f])));
      return { re: a.map((value, f) => value / size[f]), im: b.map((value, f) => value / size[f]) };
    });
    before = now;
  }
  return istft(at(turn), form);
}

// from_blocks: channels of neighbouring samples (c, length) to a waveform
function fromBlocks(x, channels, gain) {
  const length = x.length / channels;
  return Float64Array.from({ length: x.length }, (_, i) => x[(i % channels) * length + Math.floor(i / channels)] / gain);
}

// A WAV file of 16 bits, as an address that <audio> can play, also in a page that was opened from a folder
function wavAddress(x, rate) {
  const bytes = new DataView(new ArrayBuffer(44 + 2 * x.length));
  const text = (place, letters) => [...letters].forEach((letter, i) => bytes.setUint8(place + i, letter.charCodeAt(0)));
  const numbers = [[16, 16, 4], [20, 1, 2], [22, 1, 2], [24, rate, 4], [28, 2 * rate, 4], [32, 2, 2], [34, 16, 2],
    [4, 36 + 2 * x.length, 4], [40, 2 * x.length, 4]];
  for (const [place, text4] of [[0, "RIFF"], [8, "WAVEfmt "], [36, "data"]]) text(place, text4);
  for (const [place, value, size] of numbers) bytes[size === 4 ? "setUint32" : "setUint16"](place, value, true);
  x.forEach((value, i) => bytes.setInt16(44 + 2 * i, Math.round(32767 * Math.min(1, Math.max(-1, value))), true));
  return URL.createObjectURL(new Blob([bytes.buffer], { type: "audio/wav" }));
}
