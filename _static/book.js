// Small repairs of the theme that a style sheet cannot make.

// Names for controls that a screen reader would otherwise read wrongly.
document.addEventListener("DOMContentLoaded", () => {
  // Visible text and label disagree ("Search Ctrl+K" and "Search"): the text is the better name.
  document.querySelectorAll(".search-button-field, details > summary")
    .forEach((node) => node.removeAttribute("aria-label"));
  document.querySelectorAll("details > summary")
    .forEach((node) => { if (!node.textContent.trim()) node.ariaLabel = "Show or hide the pages below"; });
  document.querySelectorAll(".theme-switch-button")
    .forEach((node) => node.setAttribute("aria-label", "Colour mode: automatic, light or dark"));
  // Lists that are none: the arguments of a signature, and a bibliography of deprecated roles.
  document.querySelectorAll("dt.sig dl, dt.sig dd")
    .forEach((node) => node.setAttribute("role", "none"));
  document.querySelectorAll(".citation-list, .citation-list > [role]")
    .forEach((node) => node.removeAttribute("role"));
});

// When formulas and pictures have their size: what scrolls by itself is reachable with the keyboard,
// and a wide figure stays large enough to read on a phone, by scrolling in its own box.
window.addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  document.querySelectorAll("div.cell_output img").forEach((image) => {
    if (image.naturalWidth > 2 * image.naturalHeight && !image.closest(".tag_film, .tag-film")) {
      image.parentElement.classList.add("wide-figure");
    }
  });
  const boxes = ".bd-article pre, .bd-article mjx-container[display], .bd-article div.math, .wide-figure, .pst-scrollable-table-container";
  const look = ({ target: box }) => {
    const wide = box.scrollWidth > box.clientWidth + 1;
    if (wide) box.tabIndex = 0;
    else if (box.classList.contains("scrolls")) box.removeAttribute("tabindex");
    box.classList.toggle("scrolls", wide);
    box.classList.toggle("at-end", box.scrollLeft + box.clientWidth > box.scrollWidth - 4);
  };
  const sizes = new ResizeObserver((changes) => changes.forEach(look));  // an answer unfolds, a phone is turned
  document.querySelectorAll(boxes).forEach((box) => {
    sizes.observe(box);
    box.addEventListener("scroll", look, { passive: true });
  });
});

// Paper is light, and it shows the answers that are folded on the screen.
window.addEventListener("beforeprint", () => {
  const { dataset } = document.documentElement;
  dataset.onScreen = dataset.theme;
  dataset.theme = "light";
  document.querySelectorAll(".bd-article details:not(.hide, [open])").forEach((answer) => {
    answer.open = true;
    answer.dataset.printed = "";
  });
});
window.addEventListener("afterprint", () => {
  const { dataset } = document.documentElement;
  dataset.theme = dataset.onScreen;
  document.querySelectorAll("details[data-printed]").forEach((answer) => {
    answer.open = false;
    delete answer.dataset.printed;
  });
});
