// Names for controls of the theme that a screen reader would otherwise read wrongly.
document.addEventListener("DOMContentLoaded", () => {
  // Visible text and label disagree ("Search Ctrl+K" and "Search"): the text is the better name.
  document.querySelectorAll(".search-button-field, details > summary")
    .forEach((node) => node.removeAttribute("aria-label"));
  document.querySelectorAll(".theme-switch-button")
    .forEach((node) => node.setAttribute("aria-label", "Colour mode: automatic, light or dark"));
  // Boxes that scroll by themselves must be reachable with the keyboard.
  document.querySelectorAll(".bd-article pre, .bd-article div.math, .pst-scrollable-table-container")
    .forEach((node) => { if (node.scrollWidth > node.clientWidth) node.tabIndex = 0; });
});
