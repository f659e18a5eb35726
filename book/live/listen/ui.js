// The controls of the page "Listen to it emerge". A run is the list `way` of what was seen, { t, x, x0, wave }, from
// t = T on; `at` is the entry that is shown. The networks live in worker.js.

(async function listen() {
  const $ = (name) => document.getElementById(`ls-${name}`);
  const { T, form, nets } = SOUNDS;
  const ask = startStudio(SOUNDS);
  const CHOICES = {
    drums: ["kick", "snare", "hat"],
    spoken: ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
  };

  let way = [];
  let at = 0;
  let run = 0;  // the number of the last run, so that an older one stops
  let phase = [];

  const kind = () => document.querySelector("#ls-kinds input:checked").value;
  const size = (name) => nets[name].channels * nets[name].height * nets[name].width;

  // ---- a run -------------------------------------------------------------------------------------------------

  async function draw() {
    const mine = (run += 1);
    const [name, y, w, steps, seed] = [kind(), Number($("label").value), Number($("w").value), Number($("steps").value),
      Number($("seed").value)];
    const ts = spaced(T, steps, nets[name].power);
    phase = angles(seed);
    let [x, spent] = [gaussian(size(name), seed, T), 0];
    [way, at] = [[{ name, t: T, x }], 0];
    $("go").textContent = "Stop";
    show();
    for (let i = 0; i < steps && mine === run; i++) {
      const answer = await ask({ name, x, t: ts[i], s: ts[i + 1], y, w });
      if (mine !== run) return;
      way[i].x0 = answer.x0;
      [x, spent] = [answer.x, spent + answer.ms];
      way.push({ name, t: ts[i + 1], x, x0: answer.x0 });
      at = way.length - 1;
      show();
    }
    if (mine !== run) return;
    stop(`Finished: ${CHOICES[name][y]}. ${steps} steps took ${(spent / 1000).toFixed(1)} s on your device.`);
    await play();
  }

  function stop(text) {
    run += 1;
    $("go").textContent = "Make a sound";
    say(text);
  }

  // An angle for each magnitude, where Griffin and Lim's method begins
  function angles(seed) {
    const draws = randomNumbers(seed, T, 2);
    return Array.from({ length: nets.spoken.width }, () =>
      Float64Array.from({ length: form.n / 2 + 1 }, () => 2 * Math.PI * draws()));
  }

  // What the prediction at the entry that is shown sounds like
  async function wave(entry) {
    const x0 = entry.x0 ?? entry.x;
    if (entry.name === "drums") entry.wave ??= fromBlocks(x0, nets.drums.channels, nets.drums.gain);
    else entry.wave ??= (await ask({ spectrum: Float64Array.from(x0), phase })).wave;
    return entry.wave;
  }

  async function play() {
    const [entry, mine] = [way[at], run];
    const x = await wave(entry);
    if (mine !== run) return;  // meanwhile another sound began
    const loudest = x.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);
    URL.revokeObjectURL($("audio").src);
    $("audio").src = wavAddress(x.map((value) => (0.9 * value) / loudest), form.rate);
    if (entry === way[at]) drawWave(x);
    await $("audio").play().catch(() => {});  // a browser may want a click first: the player is there for it
  }

  // ---- showing it --------------------------------------------------------------------------------------------

  function drawWave(x) {
    const canvas = $("wave");
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.fillStyle = "#009e73";
    const [middle, most] = [canvas.height / 2, x.reduce((m, value) => Math.max(m, Math.abs(value)), 1e-9)];
    for (let i = 0; i < canvas.width; i++) {
      const part = x.slice(Math.floor((i * x.length) / canvas.width), Math.floor(((i + 1) * x.length) / canvas.width));
      const height = part.reduce((m, value) => Math.max(m, Math.abs(value)), 0) / most * (middle - 2);
      context.fillRect(i, middle - height, 1, 2 * height + 1);
    }
  }

  // Bright is loud, low sounds are at the bottom.
  function drawImage(canvas, image, columns) {
    const rows = image.length / columns;
    Object.assign(canvas, { width: columns, height: rows });
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(columns, rows);
    for (let i = 0; i < image.length; i++) {
      const grey = Math.round((Math.min(1, Math.max(-1, image[i])) + 1) * 127.5);
      const place = (rows - 1 - Math.floor(i / columns)) * columns + (i % columns);
      pixels.data.set([grey, grey, grey, 255], 4 * place);
    }
    context.putImageData(pixels, 0, 0);
  }

  function show() {
    const { name, t, x, x0 } = way[at];
    if (name === "drums") {
      const sound = (blocks) => fromBlocks(blocks, nets.drums.channels, nets.drums.gain);
      drawImage($("x"), logMel(sound(x), form), nets.drums.columns);
      drawImage($("x0"), logMel(sound(x0 ?? x), form), nets.drums.columns);
      drawWave(sound(x0 ?? x));
    } else {
      drawImage($("x"), x, nets.spoken.width);
      drawImage($("x0"), x0 ?? x, nets.spoken.width);
      if (way[at].wave) drawWave(way[at].wave);
      else $("wave").getContext("2d").clearRect(0, 0, $("wave").width, $("wave").height);
    }
    Object.assign($("back"), { max: way.length - 1, value: at });
    $("back").setAttribute("aria-valuetext", `t = ${t}`);
    $("where").textContent = `t = ${t}, step ${at} of ${way.length - 1}`;
  }

  const say = (text) => { $("said").textContent = text; };

  // ---- joining them ------------------------------------------------------------------------------------------

  function choices() {
    const name = kind();
    $("label").replaceChildren(...CHOICES[name].map((text, i) =>
      Object.assign(document.createElement("option"), { value: i, textContent: text })));
    Object.assign($("steps"), { value: nets[name].steps });
    Object.assign($("w"), { value: nets[name].w });
    sliders();
    run += 1;
    $("go").textContent = "Make a sound";
    [way, at] = [[{ name, t: T, x: gaussian(size(name), Number($("seed").value), T) }], 0];
    phase = angles(Number($("seed").value));
    show();
  }

  function sliders() {
    for (const name of ["w", "steps"]) $(`${name}-value`).textContent = $(name).value;
  }

  $("go").onclick = () => ($("go").textContent === "Stop" ? stop("Stopped.") : draw());
  $("another").onclick = () => { $("seed").value = Number($("seed").value) + 1; draw(); };
  $("play").onclick = play;
  $("back").oninput = () => { at = Number($("back").value); show(); };
  $("kinds").onchange = choices;
  $("w").oninput = $("steps").oninput = sliders;
  choices();
  $("app").hidden = false;
  $("still").hidden = true;
})();
