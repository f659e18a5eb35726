// The controls of the page "Denoise in your browser". The state of a run is the list `way` of what was seen,
// { t, x, x0 } from t = T on; `at` is the entry that is shown. The network lives in worker.js.

(async function playground() {
  const $ = (name) => document.getElementById(`pg-${name}`);
  const [T, size] = [DIGITS.T, DIGITS.size];
  const n = size ** 2;
  const SEEDS = 1e6;
  let ask = startLaboratory(DIGITS);
  const schedule = cosineSchedule(T);
  const drawing = new Float64Array(n).fill(-1);

  let way = [];
  let at = 0;
  let running = false;
  let [spent, made] = [0, 0];  // milliseconds and steps since the beginning
  let many = 0;          // the number of the last call of "Draw 16", so that an older one stops

  // ---- what the controls say ---------------------------------------------------------------------------------

  function settings() {
    const label = document.querySelector("#pg-labels input:checked").value;
    return {
      y: [label === "any" ? null : Number(label)],
      w: Number($("w").value),
      sampler: $("sampler").value,
      eta: Number($("eta").value),
      steps: Number($("steps").value),
      seed: Math.abs(Math.trunc($("seed").value)) % SEEDS,
    };
  }

  // The time after t: the first of the evenly spaced ones that is earlier.
  const after = (t) => spaced(T, settings().steps).find((s) => s < t);

  function showSettings() {
    const { y, w, sampler, eta, steps } = settings();
    $("w-value").textContent = y[0] === null ? "needs a label" : w;
    $("w").disabled = y[0] === null;
    $("steps-value").textContent = steps;
    $("eta-value").textContent = sampler === "ddim" ? eta : "needs DDIM";
    $("eta").disabled = sampler !== "ddim";
  }

  // ---- a run -------------------------------------------------------------------------------------------------

  // Back to pure noise.
  function reset() {
    const { seed } = settings();
    running = false;
    [spent, made, at] = [0, 0, 0];
    way = [{ t: T, x: begun([seed]), x0: null }];
  }

  // The noise of images with these seeds. What is known of them is known there too, under nearly all of the noise.
  function begun(seeds) {
    const keep = kept(seeds, T);
    const xT = noise(seeds, T);
    return keep ? keepKnown(schedule, xT, T, keep.drawing, keep.known, keep.z) : xT;
  }

  const noise = (seeds, t, purpose) => seeds.flatMap((seed) => gaussian(n, seed, t, purpose));

  // The pixels that a step to time s must keep, or null
  function kept(seeds, s) {
    if (!$("keep").checked) return null;
    const known = half($("half").value);
    return {
      drawing: seeds.flatMap(() => [...drawing]), known: seeds.flatMap(() => known), z: noise(seeds, s, 1),
    };
  }

  function half(name) {
    const inside = {
      left: (i) => i % size < size / 2, right: (i) => i % size >= size / 2,
      top: (i) => i < n / 2, bottom: (i) => i >= n / 2,
    }[name];
    return Array.from({ length: n }, (_, i) => inside(i));
  }

  // One step on from the entry that is shown; what came after it is forgotten.
  async function step() {
    const entry = way[at];
    const { seed, ...how } = settings();
    const s = after(entry.t);
    const random = { z: noise([seed], s), keep: kept([seed], s) };
    const last = at ? { ...way[at - 1], s: entry.t } : null;
    const answer = await ask({ ...how, ...random, x: entry.x, t: entry.t, s, last });
    if (way[at] !== entry) return;  // someone went elsewhere meanwhile
    entry.x0 = answer.x0;
    way = [...way.slice(0, at + 1), { t: s, x: answer.x, x0: s ? null : answer.x }];
    at += 1;
    spent += answer.ms;
    made += 1;
  }

  async function run() {
    running = true;
    say(`Drawing, from t = ${way[at].t}.`);
    show();
    const mine = (run.number = (run.number ?? 0) + 1);
    while (running && mine === run.number && way[at].t > 0) {
      const pace = $("pace").value;
      const [start, entry] = [performance.now(), way[at]];
      await step();
      if (way[at] !== entry && pace !== "end") show();
      if (made % 10 === 0) say(`t = ${way[at].t}.`);
      const wait = Number(pace) - (performance.now() - start);
      if (wait > 0) await new Promise((done) => setTimeout(done, wait));
    }
    if (mine === run.number) stop();
  }

  function stop() {
    running = false;
    look();
    say(way[at].t ? `Stopped at t = ${way[at].t}.` : `Finished. ${timing()}`);
  }

  // Show where we are, and ask for the prediction there, unless it is known and nothing has changed since.
  async function look(changed = false) {
    show();
    const entry = way[at];
    if (running || entry.t === 0 || (entry.x0 && !changed)) return;
    const answer = await ask({ ...settings(), x: entry.x, t: entry.t });
    entry.x0 = answer.x0;
    if (entry === way[at]) show();
  }

  // ---- showing it --------------------------------------------------------------------------------------------

  function paint(context, x, left = 0, top = 0, side = size) {
    const image = context.createImageData(side, side);
    for (let i = 0; i < side ** 2; i++) {
      const grey = Math.round((Math.min(1, Math.max(-1, x[i])) + 1) * 127.5);
      image.data.set([grey, grey, grey, 255], 4 * i);
    }
    context.putImageData(image, left, top);
  }

  function show() {
    const { t, x } = way[at];
    const last = way.length - 1 + spaced(T, settings().steps).filter((s) => s < way.at(-1).t).length;
    const prediction = way[at].x0 ?? way[at - 1]?.x0;
    paint($("x").getContext("2d"), x);
    if (prediction) paint($("x0").getContext("2d"), prediction);
    showWay(last);
    Object.assign($("back"), { max: last, value: at });
    $("back").setAttribute("aria-valuetext", `t = ${t}, step ${at} of ${last}`);
    $("where").textContent = `t = ${t}, step ${at} of ${last}${$("keep").checked ? ", your drawing kept" : ""}`;
    $("hint").textContent = running || t === 0 ? ", the state" : ": you can paint on it";
    $("time").textContent = made ? timing() : "";
    $("go").textContent = running ? "Pause" : t === 0 ? "Next seed" : at ? "Continue" : "Start";
    $("step").setAttribute("aria-disabled", running || t === 0);
    $("x").classList.toggle("pg-paintable", !running && t > 0);
  }

  const timing = () =>
    `${made} ${made === 1 ? "step" : "steps"} took ${(spent / 1000).toFixed(2)} s on your device.`;

  // Up to twelve images of the way, evenly spaced; places that are still to come stay grey.
  function showWay(last) {
    const columns = Math.min(12, last + 1);
    const strip = Object.assign($("strip"), { width: columns * (size + 1) - 1, height: 2 * size + 1 });
    const context = strip.getContext("2d");
    for (let i = 0; i < columns; i++) {
      const entry = way[columns > 1 ? Math.round((i * last) / (columns - 1)) : 0];
      if (!entry) {
        context.fillStyle = "rgba(128, 128, 128, 0.15)";
        context.fillRect(i * (size + 1), 0, size, size);
        context.fillRect(i * (size + 1), size + 1, size, size);
        continue;
      }
      paint(context, entry.x, i * (size + 1), 0);
      if (entry.x0) paint(context, entry.x0, i * (size + 1), size + 1);
    }
  }

  // For those who listen: where it stands, at the beginning, at the end, and now and then
  const say = (text) => { $("said").textContent = text; };

  // For those who look, too, until the next step
  const tell = (text) => {
    $("time").textContent = text;
    say(text);
  };

  // ---- painting, with a pointer or with the arrow keys and the space bar -------------------------------------

  // Each of the two canvases has its own choice of white or black.
  function paintable(canvas, name, pixels, allowed, changed) {
    const brush = () => Number(document.querySelector(`input[name="${canvas.id.replace("pg", "pg-brush")}"]:checked`).value);
    const cursor = canvas.parentElement.appendChild(document.createElement("div"));
    cursor.className = "pg-cursor";
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-label", `${name}, 8 by 8 pixels. Arrow keys move the cursor, and the space bar paints.`);
    let [row, column, colour] = [0, 0, 1];

    function put() {
      const i = row * size + column;
      const x = pixels();
      if (x[i] === colour) return;
      x[i] = colour;
      changed();
    }
    function aim(event) {
      const box = canvas.getBoundingClientRect();
      const place = (part) => Math.min(size - 1, Math.max(0, Math.floor(size * part)));
      column = place((event.clientX - box.left) / box.width);
      row = place((event.clientY - box.top) / box.height);
      move();
    }
    function move() {
      cursor.style.left = `${(100 * column) / size}%`;
      cursor.style.top = `${(100 * row) / size}%`;
    }

    canvas.onpointerdown = (event) => {
      if (!allowed()) return;
      canvas.setPointerCapture(event.pointerId);
      aim(event);
      colour = brush();
      put();
    };
    canvas.onpointermove = (event) => {
      if (!event.buttons || !allowed()) return;
      aim(event);
      put();
    };
    canvas.onkeydown = (event) => {
      const arrows = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
      if (event.key === " ") {
        if (allowed()) { colour = brush(); put(); }
      } else if (arrows[event.key]) {
        row = (row + arrows[event.key][0] + size) % size;
        column = (column + arrows[event.key][1] + size) % size;
        move();
      } else return;
      event.preventDefault();
      const grey = pixels()[row * size + column];
      say(`Row ${row + 1}, column ${column + 1}: ${grey > 0.3 ? "white" : grey < -0.3 ? "black" : "grey"}.`);
    };
  }

  function showDrawing() {
    paint($("drawing").getContext("2d"), drawing);
    $("free").className = `pg-free-${$("half").value}`;
  }

  // ---- students of few steps ---------------------------------------------------------------------------------

  // They know the labels 0 to 9: with "any", the last digit of the seed.
  function digit() {
    const { y: [label], seed } = settings();
    if (label > 9) throw new Error("The student knows only the labels 0 to 9. Choose one of them.");
    return label ?? seed % 10;
  }

  // From the noise of this seed to a digit in a single call.
  async function once() {
    stopSixteen();
    reset();
    show();
    const [start, label] = [way[0], digit()];
    tell("Loading the student.");
    const student = await startFew("student");
    const answer = await student({ x: start.x, y: [label], steps: 1 });
    if (way[0] !== start || at || running) return;  // someone began something else meanwhile
    [spent, made, at] = [answer.ms, 1, 1];
    start.x0 = answer.x;
    way = [start, { t: 0, x: answer.x, x0: answer.x }];
    show();
    say(`Finished. ${timing()}`);
  }

  // A digit of 28 x 28 pixels in two calls
  async function mnist() {
    const [{ seed }, label] = [settings(), digit()];
    $("mnist-said").textContent = "Loading the student, 1.6 MB.";
    const student = await startFew("mnist");
    $("mnist-said").textContent = "Drawing.";
    const answer = await student({ x: gaussian(28 ** 2, seed, T), y: [label], steps: 2 });
    paint($("mnist").getContext("2d"), answer.x, 0, 0, 28);
    $("mnist").setAttribute("aria-label", `A handwritten ${label} of 28 by 28 pixels`);
    $("mnist-said").textContent = `Two calls took ${(answer.ms / 1000).toFixed(2)} s on your device.`;
  }

  // ---- sixteen at once ---------------------------------------------------------------------------------------

  async function sixteen() {
    const mine = (many += 1);
    const { seed, steps, y, ...how } = settings();
    const seeds = Array.from({ length: 16 }, (_, i) => (seed + i) % SEEDS);
    const ts = spaced(T, steps);
    let [x, spent, last] = [begun(seeds), 0, null];
    running = false;
    $("grid").hidden = false;
    $("grid").replaceChildren(...seeds.map((one) => {
      const button = Object.assign(document.createElement("button"), { type: "button", title: `Seed ${one}` });
      button.setAttribute("aria-label", `The image of seed ${one}: watch how it was drawn`);
      button.append(Object.assign(document.createElement("canvas"), { width: size, height: size }));
      button.onclick = () => { $("seed").value = one; begin(); $("x").scrollIntoView({ block: "center" }); };
      return button;
    }));
    const canvases = [...$("grid").querySelectorAll("canvas")].map((canvas) => canvas.getContext("2d"));
    $("sixteen").textContent = "Stop";
    for (let i = 0; i < steps && mine === many; i++) {
      canvases.forEach((context, row) => paint(context, x.slice(row * n, (row + 1) * n)));
      const s = ts[i + 1];
      const random = { z: noise(seeds, s), keep: kept(seeds, s) };
      const answer = await ask({ ...how, ...random, y: seeds.map(() => y[0]), x, t: ts[i], s, last });
      last = { t: ts[i], s, x0: answer.x0 };
      [x, spent] = [answer.x, spent + answer.ms];
    }
    if (mine !== many) return;
    canvases.forEach((context, row) => paint(context, x.slice(row * n, (row + 1) * n)));
    $("many-said").textContent = `${(spent / 1000).toFixed(1)} s on your device. Choose one to see how it was drawn.`;
    stopSixteen();
  }

  function stopSixteen() {
    many += 1;
    $("sixteen").textContent = "Draw 16";
  }

  // ---- joining them ------------------------------------------------------------------------------------------

  function begin() {
    stopSixteen();
    reset();
    run();
  }

  const names = ["any", ...Array(10).keys()];
  $("labels").innerHTML = names.map((name) => `<label><input type="radio" name="pg-label" value="${name}"
    ${name === 3 ? "checked" : ""}><span>${name}</span></label>`).join("");

  $("go").onclick = () => {
    if (running) return stop();
    if (way[at].t > 0) return stopSixteen(), run();
    $("seed").value = (settings().seed + 1) % SEEDS;
    begin();
  };
  $("step").onclick = async () => {
    if (running || way[at].t === 0) return;
    await step();
    await look();
    say(way[at].t ? `t = ${way[at].t}.` : `Finished. ${timing()}`);
  };
  $("again").onclick = () => begin();
  $("once").onclick = () => once().catch(async ({ message }) => {
    await look();
    tell(message);
  });
  $("draw-mnist").onclick = () => mnist().catch(({ message }) => { $("mnist-said").textContent = message; });
  $("back").oninput = () => {
    running = false;
    at = Math.min(way.length - 1, Number($("back").value));
    look();
  };
  $("seed").onchange = $("keep").onchange = () => {
    $("seed").value = settings().seed;
    reset();
    look();
  };
  for (const name of ["labels", "w", "sampler", "steps", "eta"]) {
    $(name).oninput = () => { showSettings(); look(true); };
  }
  $("half").onchange = showDrawing;
  $("clear").onclick = () => { drawing.fill(-1); showDrawing(); };
  $("copy").onclick = () => { drawing.set(way[at].x.map((value) => Math.min(1, Math.max(-1, value)))); showDrawing(); };
  $("finish").onclick = () => {
    $("keep").checked = true;
    begin();
    $("x").scrollIntoView({ block: "center" });
  };
  $("sixteen").onclick = () => ($("sixteen").textContent === "Stop" ? stopSixteen() : sixteen());

  paintable($("x"), "The state", () => way[at].x, () => !running && way[at].t > 0, () => {
    way.length = at + 1;
    look(true);
  });
  paintable($("drawing"), "The drawing", () => drawing, () => true, showDrawing);

  document.addEventListener("pg-taught", ({ detail }) => {  // see taught.js
    ask.end();
    ask = startLaboratory(detail);
    showSettings();
    begin();
  });

  if (matchMedia("(prefers-reduced-motion: reduce)").matches) $("pace").value = "end";
  showSettings();
  showDrawing();
  reset();
  await look();
  $("still").hidden = true;
  $("app").hidden = false;
})();
