// A cell tagged `film` and `film-3x4`, or a div with these classes (docutils writes tag-film), shows one picture:
// 3 rows of 4 frames, read like a text. This turns it into a player. Without JavaScript the picture stays as it is.
// It rests on the last frame, which is the result, and starts again from the first.
// Labels of the frames may end the alt text: "... frames: t = 0; t = 100; t = 200".

function film(cell) {
  const image = cell.querySelector(".cell_output img, img");
  const grid = [...cell.classList].map((name) => name.match(/^tag[_-]film-(\d+)x(\d+)$/)).find(Boolean);
  if (!image || !grid) return;
  const [rows, columns] = [Number(grid[1]), Number(grid[2])];
  const count = rows * columns;
  const [description, list = ""] = image.alt.split(/\bframes:/i);
  const labels = list.replace(/\.\s*$/, "").split(";").map((label) => label.trim()).filter(Boolean);
  let timer = null;

  const player = element("div", "film");
  const view = element("div", "film-window");
  const controls = element("div", "film-controls");
  const play = element("button", "film-play", "Play");
  const slider = element("input");
  const caption = element("output");
  const toggle = element("button", "film-toggle", "Show all frames");
  Object.assign(slider, { type: "range", min: 0, max: count - 1, step: 1, value: count - 1 });
  slider.setAttribute("aria-label", "Frame of: " + description.trim());
  caption.setAttribute("aria-live", "off");  // the slider says it, and playing stays silent

  function show() {
    const frame = Number(slider.value);
    const label = labels[frame] || `${frame + 1} of ${count}`;
    caption.textContent = label;
    slider.setAttribute("aria-valuetext", label);
    if (player.classList.contains("film-still")) return;
    image.style.width = 100 * columns + "%";
    image.style.left = -100 * (frame % columns) + "%";
    image.style.top = -100 * Math.floor(frame / columns) + "%";
  }

  function pause() {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  }

  function next() {
    slider.value = (Number(slider.value) + 1) % count;
    show();
    if (Number(slider.value) === count - 1) pause();
  }

  play.onclick = () => {
    if (timer) return pause();
    timer = setInterval(next, Math.min(500, Math.max(80, 6000 / count)));
    play.textContent = "Pause";
  };
  slider.oninput = () => { pause(); show(); };
  toggle.onclick = () => {
    const still = player.classList.toggle("film-still");
    pause();
    toggle.textContent = still ? "Show one frame" : "Show all frames";
    view.style.aspectRatio = still ? "" : ratio();
    image.removeAttribute("style");
    show();
  };
  const ratio = () => `${image.naturalWidth / columns} / ${image.naturalHeight / rows}`;

  image.replaceWith(player);
  controls.append(play, slider, caption);
  view.append(image);
  player.append(view, controls, toggle);
  view.style.aspectRatio = ratio();
  show();
}

function element(name, className = "", text = "") {
  return Object.assign(document.createElement(name), { className, textContent: text });
}

window.addEventListener("load", () => document.querySelectorAll(".tag_film, .tag-film").forEach(film));
