// The controls of the page "Type a caption". A run is the list `way` of what was seen, { t, x, x0, words }, from t = T
// on; `at` is the entry that is shown. The network lives in worker.js.

(async function prompt() {
  const $ = (name) => document.getElementById(`pr-${name}`);
  const { T, size, channels, pieces, heldOut, length } = SCENES;
  const ask = startScenes(SCENES);
  const EXAMPLES = ["red seven above blue two", "three yellow fives", "big green eight", "pink four right of white nine",
    "blue one above green six left of red three"];
  const ARROWS = "A word’s square is bright where the image attends to that word.";

  let way = [];
  let at = 0;
  let tokens = [1];
  let run = 0;  // the number of the last run, so that an older one stops

  // ---- the caption -------------------------------------------------------------------------------------------

  // The tokens of what is typed, or null after saying what can't be read.
  function understood() {
    const caption = $("caption").value.trim();
    let found = null;
    try {
      found = tokenize(pieces, caption);
      if (found.length > length) throw new RangeError();
      $("problem").textContent = unseen(caption);
    } catch (error) {
      $("problem").textContent = found
        ? `That's ${found.length} tokens. The network reads at most ${length}, so use a shorter caption.`
        : `The network doesn't know the word “${error.message}”. It knows: ${pieces.slice(2, -2).join(", ")}.`;
      found = null;
    }
    $("caption").setAttribute("aria-invalid", found === null);
    return found;
  }

  // Combinations of a colour and a digit that no caption of the training had
  function unseen(caption) {
    const words = caption.toLowerCase().split(/\s+/).join(" ");
    const found = heldOut.filter((thing) => words.includes(thing));
    return found.length ? `No training image showed a ${found.join(" or a ")}.` : "";
  }

  // ---- a run -------------------------------------------------------------------------------------------------

  async function draw() {
    const understands = understood();
    if (!understands) return say($("problem").textContent);
    tokens = understands;
    const mine = (run += 1);
    const [caption, steps, w] = [$("caption").value.trim(), Number($("steps").value), Number($("w").value)];
    const ts = spaced(T, steps);
    let [x, spent] = [gaussian(channels * size ** 2, Number($("seed").value), T), 0];
    [way, at] = [[{ t: T, x }], 0];
    $("go").textContent = "Stop";
    show();
    for (let i = 0; i < steps && mine === run; i++) {
      const answer = await ask({ x, t: ts[i], s: ts[i + 1], tokens, w });
      if (mine !== run) return;
      Object.assign(way[i], { x0: answer.x0, words: answer.words });
      [x, spent] = [answer.x, spent + answer.ms];
      way.push({ t: ts[i + 1], x, x0: answer.x0, words: answer.words });
      at = way.length - 1;
      show();
    }
    if (mine !== run) return;
    stop(`Finished: ${caption || "no caption"}. ${steps} steps took ${(spent / 1000).toFixed(1)} s on your device.`);
  }

  function stop(text) {
    run += 1;
    $("go").textContent = "Draw";
    say(text);
  }

  // ---- showing it --------------------------------------------------------------------------------------------

  function paint(canvas, x) {
    const context = canvas.getContext("2d");
    const image = context.createImageData(size, size);
    const area = size ** 2;
    for (let i = 0; i < area; i++) {
      const rgb = [0, 1, 2].map((c) => Math.round((Math.min(1, Math.max(-1, x[c * area + i])) + 1) * 127.5));
      image.data.set([...rgb, 255], 4 * i);
    }
    context.putImageData(image, 0, 0);
  }

  function show() {
    const { t, x, x0, words } = way[at];
    paint($("x"), x);
    paint($("x0"), x0 ?? x);
    Object.assign($("back"), { max: way.length - 1, value: at });
    $("back").setAttribute("aria-valuetext", `t = ${t}`);
    $("where").textContent = `t = ${t}, step ${at} of ${way.length - 1}`;
    showWords(words);
  }

  // Under each token, where the pixels read it, relative to the place that reads it most
  function showWords(words) {
    if (!words) return;
    $("words").replaceChildren(...words.map((map, i) => {
      const figure = document.createElement("figure");
      const side = size / 2;
      const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
      const context = canvas.getContext("2d");
      const image = context.createImageData(side, side);
      const most = Math.max(...map);
      map.forEach((weight, j) => image.data.set([0, 158, 115, Math.round((255 * weight) / most)], 4 * j));
      context.putImageData(image, 0, 0);
      const text = i ? pieces[tokens[i]] : "start";
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `Where the pixels attend to “${text}”, with a weight of at most ${Math.round(100 * most)} %`);
      figure.append(canvas, Object.assign(document.createElement("figcaption"), { textContent: text }));
      return figure;
    }));
    $("words-hint").textContent = ARROWS;
  }

  // For those who listen, and for all at the end
  const say = (text) => { $("said").textContent = text; };

  // ---- joining them ------------------------------------------------------------------------------------------

  $("examples").replaceChildren(...EXAMPLES.map((text) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: text });
    button.onclick = () => { $("caption").value = text; draw(); };
    return button;
  }));
  $("form").onsubmit = (event) => {
    event.preventDefault();
    if ($("go").textContent === "Stop") return stop("Stopped.");
    draw();
  };
  $("another").onclick = () => { $("seed").value = Number($("seed").value) + 1; draw(); };
  $("caption").oninput = understood;
  $("back").oninput = () => { at = Number($("back").value); show(); };
  for (const name of ["w", "steps"]) {
    $(name).oninput = () => { $(`${name}-value`).textContent = $(name).value; };
    $(name).oninput();
  }
  way = [{ t: T, x: gaussian(channels * size ** 2, Number($("seed").value), T) }];
  show();
  $("app").hidden = false;
  $("still").hidden = true;
})();
