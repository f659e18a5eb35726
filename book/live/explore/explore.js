// The sliders of the page "Explore". The cosine schedule, the forward process and the noise are those of
// ../playground/samplers.js; the images of the model are in frames.js.

// linear_schedule: alpha_bar at t = 0 ... T, float32 as in PyTorch
function linearSchedule(T = 1000, beta1 = 1e-4, betaT = 0.02) {
  const exact = [1];
  for (let t = 1; t <= T; t++) {
    const beta = T > 1 ? beta1 + ((betaT - beta1) * (t - 1)) / (T - 1) : beta1;
    exact.push(exact[t - 1] * (1 - beta));
  }
  return { T, alphaBar: exact.map(Math.fround) };
}

// Signal to noise; infinite at t = 0
const snr = (alphaBar) => alphaBar / (1 - alphaBar);

// Pictures of 8 by 8 bytes in base64, as numbers from 0 to 255
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

(function explore() {
  const $ = (name) => document.getElementById(`ex-${name}`);
  const n = 64;
  const makers = { cosine: cosineSchedule, linear: linearSchedule };
  const number = (value) => (value === Infinity ? "∞" : value !== 0 && (value < 1e-3 || value >= 1e5)
    ? value.toExponential(2).replace("e+", "e").replace("-", "−") : value.toPrecision(3));

  // Draw rows of images, greys from 0 to 255, with a pixel between them.
  function paint(canvas, greys, columns) {
    const count = greys.length / n;
    Object.assign(canvas, { width: 9 * columns - 1, height: 9 * Math.ceil(count / columns) - 1 });
    const context = canvas.getContext("2d");
    for (let i = 0; i < count; i++) {
      const image = context.createImageData(8, 8);
      for (let j = 0; j < n; j++) {
        const grey = greys[i * n + j];
        image.data.set([grey, grey, grey, 255], 4 * j);
      }
      context.putImageData(image, 9 * (i % columns), 9 * Math.floor(i / columns));
    }
  }

  // ---- schedules and the forward process ---------------------------------------------------------------------

  const digits = bytes(FRAMES.digits);
  const eps = gaussian(n, 1, 1000);

  // A curve over t / T in a box of 200 by 130, with its axis and the place of t.
  function plot(svg, schedules, t, value, low, high) {
    const x = (part) => 24 + 172 * part;
    const y = (v) => 112 - (104 * (Math.min(high, Math.max(low, v)) - low)) / (high - low);
    const curve = ({ alphaBar, T }) => alphaBar
      .map((a, i) => [i / T, value(a)]).filter(([, v]) => Number.isFinite(v))
      .map(([part, v], i) => `${i ? "L" : "M"}${x(part).toFixed(1)} ${y(v).toFixed(1)}`).join("");
    const [mine, other] = schedules;
    const here = value(mine.alphaBar[t]);
    // A name beside each curve: right of the higher one, left of the lower one.
    const middle = ({ alphaBar, T }) => value(alphaBar[Math.round(0.5 * T)]);
    const name = (one, another) => {
      const [side, anchor] = middle(one) >= middle(another) ? [1, "start"] : [-1, "end"];
      const i = Math.round((side > 0 ? 0.56 : 0.36) * one.T);
      const place = `x="${x(i / one.T) + 6 * side}" y="${y(value(one.alphaBar[i])) - 4 * side + 4}"`;
      return `<text class="ex-name" text-anchor="${anchor}" ${place}>${one.name}</text>`;
    };
    svg.innerHTML = `<path class="ex-axis" d="M24 8V112H196"/><path class="ex-other" d="${curve(other)}"/>
      <path d="${curve(mine)}"/><text x="2" y="14">${high}</text><text x="2" y="115">${low}</text>
      <text x="24" y="127">0</text><text x="184" y="127">T</text>
      ${name(mine, other)}${name(other, mine)}
      <circle cx="${x(t / mine.T)}" cy="${y(here)}" r="4.5"/>`;
  }

  function forward() {
    const T = Number($("T").value);
    $("t").max = T;
    const t = Number($("t").value);
    const name = $("schedule").value;
    const [mine, other] = [name, name === "cosine" ? "linear" : "cosine"]
      .map((one) => ({ ...makers[one](T), name: one }));
    const alphaBar = mine.alphaBar[t];
    const [signal, noise] = roots(mine, t);
    $("t-value").textContent = t;
    $("T-value").textContent = T;
    plot($("alpha-bar"), [mine, other], t, (a) => a, 0, 1);
    plot($("snr"), [mine, other], t, (a) => Math.log10(snr(a)), -4, 4);
    const x0 = Array.from(digits.slice(n * $("digit").value, n * $("digit").value + n), (grey) => grey / 127.5 - 1);
    paint($("xt"), qSample(mine, x0, t, eps).map((v) => Math.round((Math.min(1, Math.max(-1, v)) + 1) * 127.5)), 1);
    const numbers = { "alpha-bar": alphaBar, signal, noise, snr: snr(alphaBar), left: Math.sqrt(mine.alphaBar[T]) };
    for (const [key, value] of Object.entries(numbers)) $(`n-${key}`).textContent = number(value);
  }

  // ---- the way back ------------------------------------------------------------------------------------------

  const { times: ts } = FRAMES.way;
  const way = { states: bytes(FRAMES.way.x), guesses: bytes(FRAMES.way.x0) };
  let timer = null;

  function back() {
    const i = Number($("way").value);
    for (const [name, all] of Object.entries(way)) paint($(name), all.slice(i * 10 * n, (i + 1) * 10 * n), 5);
    $("way-value").textContent = ts[i];
    $("way").setAttribute("aria-valuetext", `t = ${ts[i]}`);
  }

  function pause() {
    clearInterval(timer);
    timer = null;
    $("play").textContent = "Play";
  }

  function play() {
    if (timer) return pause();
    if (Number($("way").value) === ts.length - 1) $("way").value = 0;
    $("play").textContent = "Pause";
    timer = setInterval(() => {
      $("way").value = Number($("way").value) + 1;
      back();
      if (Number($("way").value) === ts.length - 1) pause();
    }, 200);
  }

  // ---- guidance and the number of steps ----------------------------------------------------------------------

  function settings() {
    const [i, j] = [Number($("w").value), Number($("steps").value)];
    const cell = FRAMES.cells[$("sampler").value][i][j];
    paint($("drawn"), bytes(cell.pictures), 10);
    for (const [name, value] of [["w", FRAMES.guidance[i]], ["steps", FRAMES.steps[j]]]) {
      $(`${name}-value`).textContent = value;
      $(name).setAttribute("aria-valuetext", value);
    }
    $("n-right").textContent = cell.right;
    $("n-spread").textContent = cell.spread.toFixed(2);
  }

  for (let label = 0; label < 10; label++) $("digit").add(new Option(label, label, false, label === 3));
  $("way").max = ts.length - 1;
  $("w").max = FRAMES.guidance.length - 1;
  $("steps").max = FRAMES.steps.length - 1;
  for (const name of ["schedule", "digit", "t", "T"]) $(name).addEventListener("input", forward);
  $("way").addEventListener("input", () => { pause(); back(); });
  $("play").addEventListener("click", play);
  for (const name of ["sampler", "w", "steps"]) $(name).addEventListener("input", settings);
  forward();
  back();
  settings();
  document.querySelectorAll(".ex-app").forEach((section) => { section.hidden = false; });
  document.querySelector(".ex-still").hidden = true;
})();
