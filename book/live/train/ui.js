// The controls of the page "Train in your browser". The networks live in learn.js, in the background.

(async function train() {
  const $ = (name) => document.getElementById(`tr-${name}`);
  const both = ["ddpm", "flow"];
  const VIEW = 1.7;   // the panels show [-1.7, 1.7]², and the data lie in [-1, 1]²
  const COUNT = 200;  // samples on their way back
  const ROWS = 11;    // of arrows
  const MOST = 1000;  // points
  const grid = Array.from({ length: ROWS ** 2 }, (_, i) => [i % ROWS, Math.floor(i / ROWS)])
    .flatMap((place) => place.map((c) => ((2 * (c + 0.5)) / ROWS - 1) * VIEW));
  const ask = inBackground(school, SCHOOL, { T: 1000, width: 48, size: 96, rate: 0.01, grid });

  let points = [];
  let run = 0;                     // counts beginnings, so that an answer to an older run is ignored
  let training = false;
  let loop = null;                 // the run that the training loop works on
  let done = { number: 0, spent: 0, losses: { ddpm: [], flow: [] }, floors: null };
  let ways = { model: null, exact: null };
  let stale = { model: true, exact: true };
  let looking = null;
  let timer = null;

  const steps = () => Number($("steps").value);
  const of = () => Number($("of").value);
  const seed = () => Number($("seed").value);
  const full = () => points.length >= 2 * MOST;
  const say = (text) => { $("said").textContent = text; };
  const percent = (part) => `${Math.round(100 * part)}%`;

  // ---- what is shown -----------------------------------------------------------------------------------------

  // A canvas that is as sharp as the screen, and the functions that place a point of [-view, view]² on it
  function surface(canvas, view) {
    const size = Math.round(canvas.clientWidth * (window.devicePixelRatio || 1));
    if (canvas.width !== size) Object.assign(canvas, { width: size, height: size });
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, size, size);
    const place = (x, y) => [(size * (x / view + 1)) / 2, (size * (1 - y / view)) / 2];
    return { context, size, place };
  }

  function dots2d({ context, size, place }, x, colour, radius) {
    context.fillStyle = colour;
    for (let i = 0; i < x.length; i += 2) {
      const [left, top] = place(x[i], x[i + 1]);
      context.beginPath();
      context.arc(left, top, radius * size, 0, 2 * Math.PI);
      context.fill();
    }
  }

  // Arrows against the prediction: the way that samples go. An arrow of length 3 or more fills its cell.
  function arrows({ context, size, place }, field, colour) {
    context.strokeStyle = colour;
    context.lineWidth = Math.max(1, size / 260);
    for (let i = 0; i < grid.length; i += 2) {
      const length = Math.hypot(field[i], field[i + 1]);
      const scale = (2 * VIEW) / ROWS / Math.max(3, length);
      const [x, y] = place(grid[i], grid[i + 1]);
      const [u, v] = place(grid[i] - scale * field[i], grid[i + 1] - scale * field[i + 1]);
      const angle = Math.atan2(v - y, u - x);
      const head = Math.min(size / 60, Math.hypot(u - x, v - y) / 2);
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(u, v);
      for (const side of [-0.5, 0.5]) {
        context.moveTo(u, v);
        context.lineTo(u - head * Math.cos(angle + side), v - head * Math.sin(angle + side));
      }
      context.stroke();
    }
  }

  function show() {
    const k = Number($("time").value);
    const text = getComputedStyle($("app")).color;
    dots2d(surface($("data"), 1.1), points, "#0072b2", 0.008);
    for (const who of ["model", "exact"]) for (const name of both) {
      const on = surface($(`${name}-${who}`), VIEW);
      const way = ways[who]?.[name];
      $(`${name}-${who}-share`).textContent = way
        ? `near the data ${percent(way.near)}\ndata covered ${percent(way.covered)}` : "";
      if (!way) continue;
      const at = Math.min(k, way.times.length - 1);
      dots2d(on, points, "#0072b288", 0.006);
      on.context.globalAlpha = 0.55;
      arrows(on, way.fields[at], text);
      on.context.globalAlpha = 1;
      dots2d(on, way.states[at], who === "model" ? "#009e73" : text, 0.009);
    }
    const u = ways.exact ? ways.exact.flow.times[Math.min(k, steps())] : 1 - k / steps();
    $("time-value").textContent = u.toFixed(2);
    $("time").setAttribute("aria-valuetext", `u = ${u.toFixed(2)}`);
  }

  function showLoss() {
    for (const name of both) {
      const losses = done.losses[name];
      const floor = done.floors?.[name];
      const high = Math.max(0.1, ...losses.slice(0, 3)) * 1.05;
      const x = (n) => 28 + (206 * n) / of();
      const y = (loss) => 190 - (178 * Math.min(high, loss)) / high;
      const curve = losses.map((loss, i) => `${i ? "L" : "M"}${x(20 * i + 10).toFixed(1)} ${y(loss).toFixed(1)}`).join("");
      const last = losses.slice(-5).reduce((sum, loss) => sum + loss, 0) / Math.min(5, losses.length);
      const lowest = floor === undefined ? "" : `<path class="tr-floor" d="M28 ${y(floor)}H234"/>
        <text x="32" y="${y(floor) + 16}">lowest possible ${floor.toFixed(2)}</text>
        <text x="234" y="20" text-anchor="end" class="tr-net">network ${last.toFixed(2)}</text>`;
      $(`${name}-loss-numbers`).textContent = floor === undefined ? ""
        : `Loss of the network ${last.toFixed(2)}, lowest possible ${floor.toFixed(2)}`;
      $(`${name}-loss`).innerHTML = `<path class="tr-axis" d="M28 12V190H234"/><path d="${curve}"/>${lowest}
        <text x="24" y="194" text-anchor="end">0</text><text x="24" y="20" text-anchor="end">${high.toFixed(1)}</text>
        <text x="28" y="208">0</text><text x="234" y="208" text-anchor="end">${of().toLocaleString("en")} training steps</text>`;
    }
  }

  function showControls() {
    $("steps-value").textContent = steps();
    $("eta-value").textContent = $("eta").value;
    $("time").max = steps();
    $("go").setAttribute("aria-disabled", points.length === 0);
    $("go").textContent = training ? "Stop" : done.number === 0 ? "Train"
      : done.number < of() ? "Continue" : "Train again";
    $("where").textContent = points.length === 0 ? "Paint some points first."
      : `${points.length / 2} points${full() ? ", the most that this page takes" : ""}. `
        + `Step ${done.number.toLocaleString("en")} of ${of().toLocaleString("en")}`
        + (done.spent ? `, ${(done.spent / 1000).toFixed(1)} s` : "");
  }

  // Ask for what is stale until nothing is, and show it. A call during another one waits for that.
  async function look(...which) {
    for (const who of which) stale[who] = true;
    looking ??= (async () => {
      while (stale.exact || stale.model) {
        const who = stale.exact ? "exact" : "model";
        stale[who] = false;
        const mine = run;
        const request = { exact: who === "exact", count: COUNT, steps: steps(), eta: Number($("eta").value) };
        const answer = await (points.length ? ask({ draw: request }) : null);
        if (mine === run) ways[who] = answer;
        show();
      }
      looking = null;
    })();
    await looking;
  }

  // ---- training ----------------------------------------------------------------------------------------------

  // New networks, for the points and the seed as they are now
  async function begin() {
    run += 1;
    training = false;
    done = { number: 0, spent: 0, losses: { ddpm: [], flow: [] }, floors: null };
    showControls();
    showLoss();
    show();
    ask({ begin: { points, seed: seed() } });
    await look("exact", "model");
  }

  async function learn() {
    training = true;
    if (loop === run) return;  // stopped and continued before the loop noticed
    const mine = loop = run;
    say("Training.");
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) play();
    let shown = performance.now();
    while (training && mine === run && done.number < of()) {
      const start = performance.now();
      const { number, losses, floors } = await ask({ train: 20, of: of() });
      if (mine !== run) return;
      done.spent += performance.now() - start;
      Object.assign(done, { number, floors });
      for (const name of both) done.losses[name].push(losses[name]);
      showControls();
      showLoss();
      if (performance.now() - shown > 1000) {
        await look("model");
        shown = performance.now();
      }
    }
    if (mine !== run) return;
    training = false;
    loop = null;
    await look("model");
    showControls();
    say(done.number < of() ? `Stopped at step ${done.number}.` : `Finished. Training took ${(done.spent / 1000).toFixed(1)} s.`);
  }

  // ---- the way back ------------------------------------------------------------------------------------------

  function play() {
    pause();
    $("play").textContent = "Pause";
    let rest = 0;
    timer = setInterval(() => {
      const k = Number($("time").value);
      if (k === steps() && rest++ < 1500 / pace()) return;
      rest = 0;
      $("time").value = k === steps() ? 0 : k + Math.ceil(steps() / 60);
      show();
    }, pace());
  }

  const pace = () => Math.max(50, 2000 / steps());

  function pause() {
    clearInterval(timer);
    timer = null;
    $("play").textContent = "Play";
  }

  // ---- painting ----------------------------------------------------------------------------------------------

  let cursor = [0, 0];

  // A few points around the cursor
  function dab() {
    if (full()) return;
    const z = gaussian(6, seed(), points.length, 8);
    points = points.concat(z.map((value, i) => Math.min(1, Math.max(-1, cursor[i % 2] + 0.04 * value))));
    begin();
  }

  function aim(event) {
    const box = $("data").getBoundingClientRect();
    const before = cursor;
    cursor = [(event.clientX - box.left) / box.width, 1 - (event.clientY - box.top) / box.height]
      .map((part) => Math.min(1, Math.max(-1, 1.1 * (2 * part - 1))));
    place();
    return Math.hypot(cursor[0] - before[0], cursor[1] - before[1]);
  }

  function place() {
    $("cursor").style.left = `${50 * (1 + cursor[0] / 1.1)}%`;
    $("cursor").style.top = `${50 * (1 - cursor[1] / 1.1)}%`;
  }

  $("data").onpointerdown = (event) => {
    $("data").setPointerCapture(event.pointerId);
    aim(event);
    dab();
  };
  $("data").onpointermove = (event) => {
    if (!event.buttons) return;
    const before = cursor;
    if (aim(event) > 0.05) dab();
    else cursor = before;
  };
  $("data").onkeydown = (event) => {
    const move = { ArrowUp: [0, 0.1], ArrowDown: [0, -0.1], ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0] }[event.key];
    if (!move && event.key !== " ") return;
    event.preventDefault();
    if (move) cursor = cursor.map((value, c) => Math.min(1, Math.max(-1, value + move[c])));
    else dab();
    place();
    say(`At ${cursor.map((value) => value.toFixed(1)).join(", ")}. ${points.length / 2} points.`);
  };

  // ---- joining them ------------------------------------------------------------------------------------------

  function choose() {
    points = $("shape").value === "own" ? [] : shape($("shape").value, 400, seed());
    begin();
  }

  $("go").onclick = () => {
    if (points.length === 0) return;
    if (training) training = false;
    else {
      if (done.number >= of()) begin();
      learn();
    }
    showControls();
  };
  $("again").onclick = begin;
  $("clear").onclick = () => { $("shape").value = "own"; choose(); };
  $("shape").onchange = choose;
  $("seed").onchange = () => ($("shape").value === "own" ? begin() : choose());
  $("of").onchange = () => { showControls(); showLoss(); };
  $("steps").oninput = () => {
    const end = $("time").value === $("time").max;
    showControls();
    if (end) $("time").value = steps();
    if (timer) play();
    look("exact", "model");
  };
  $("eta").oninput = () => { showControls(); look("exact", "model"); };
  $("time").oninput = () => { pause(); show(); };
  $("play").onclick = () => (timer ? pause() : play());
  addEventListener("resize", show);
  new MutationObserver(show).observe(document.documentElement, { attributeFilter: ["data-theme"] });

  $("app").hidden = false;
  $("still").hidden = true;
  place();
  showControls();
  $("time").value = steps();
  choose();
})();
