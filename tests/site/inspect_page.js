// What is wrong with the page that is open: a name for each kind of fault, and its cases.
() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const levels = all("article :is(h1, h2, h3, h4, h5, h6)").map((h) => Number(h.tagName[1]));
  const named = (c) => c.labels?.length || c.ariaLabel || c.title || c.textContent.trim();
  const width = document.documentElement.scrollWidth;
  return {
    "image without alt text": all("img")
      .filter((i) => !i.hasAttribute("alt") || (i.closest("article") && !i.alt.trim()))
      .map((i) => i.src),
    "image that did not load": all("img").filter((i) => !i.naturalWidth && i.loading !== "lazy")
      .map((i) => i.src),
    "control without a name": all("article :is(button, input[type=range])")
      .filter((c) => !named(c)).map((c) => c.outerHTML),
    "heading that skips a level": levels.filter((level, i) => level > (levels[i - 1] ?? 0) + 1),
    "formula with an error": all("mjx-merror").map((m) => m.textContent),
    "formula that doesn't show its beginning": all("article div.math")
      .filter((m) => m.lastElementChild?.getBoundingClientRect().left < m.getBoundingClientRect().left - 1)
      .map((m) => m.id || m.textContent.slice(0, 40)),
    "film without a player": all(".tag_film, .tag-film").filter((c) => !c.querySelector(".film-window"))
      .map((c) => c.className),
    "part of a drawing that the page's style hides": all(".drawing :is(rect, path, circle, text, image)")
      .filter((part) => getComputedStyle(part).display === "none").map((part) => part.outerHTML),
    "text that leaves its box": all(".chapter-map a, .drawing .box").filter((box) => {
      const edge = box.querySelector("rect").getBoundingClientRect();
      const texts = [...box.querySelectorAll("text")].map((text) => text.getBoundingClientRect());
      return texts.some(({ left, right }) => left < edge.left || right > edge.right);
    }).map((box) => box.textContent),
    "wider than the screen": width > innerWidth ? [`${width} px of ${innerWidth}`] : [],
  };
}
