// The film of the cover: it plays once when it comes into view, and rests on the digits. Where
// motion is reduced it waits for its button. Without JavaScript, or without the film, the last frame is an image.

(() => {
  const SIZE = 28, GAP = 2, COLUMNS = 7, ROWS = 3, PAUSE = 150;
  const figure = document.getElementById("cover");
  const [canvas, button, label] = ["canvas", "button", "output"].map((name) => figure.querySelector(name));
  const times = figure.dataset.times.split(" ");
  const film = new Image();
  let timer = null;

  function draw(frame) {
    const page = canvas.getContext("2d");
    for (let i = 0; i < COLUMNS * ROWS; i++) {
      const [column, row] = [i % COLUMNS, Math.floor(i / COLUMNS)];
      const from = [column * SIZE, (frame * ROWS + row) * SIZE, SIZE, SIZE];
      page.drawImage(film, ...from, column * (SIZE + GAP), row * (SIZE + GAP), SIZE, SIZE);
    }
    label.textContent = `t = ${times[frame]}`;
  }

  function rest() {
    clearInterval(timer);
    timer = null;
    draw(times.length - 1);
    button.textContent = "Play again";
  }

  function play() {
    if (timer) return rest();
    let frame = 0;
    canvas.hidden = false;
    button.textContent = "Stop";
    draw(frame);
    timer = setInterval(() => (++frame < times.length ? draw(frame) : rest()), PAUSE);
  }

  film.onload = () => {
    canvas.width = COLUMNS * (SIZE + GAP) - GAP;
    canvas.height = ROWS * (SIZE + GAP) - GAP;
    button.hidden = false;
    button.onclick = play;
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    new IntersectionObserver((entries, observer) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      observer.disconnect();
      setTimeout(() => timer || play(), 600);
    }, { threshold: 0.6 }).observe(figure);
  };
  film.src = new URL("film.png", figure.querySelector("img").src);
})();
