// What axe says against the page that is open. Its slowest rules, contrast and links that look like
// the text around them, depend on the look: of all the visible texts and links in the same kind of
// place with the same size, weight, colour and backgrounds, they get the first one.
async () => {
  const seen = new Map();
  for (const e of document.querySelectorAll("body *")) {
    const says = [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.data.trim());
    if (!says || !e.checkVisibility({ visibilityProperty: true })) continue;
    const { color, fontSize, fontWeight } = getComputedStyle(e), behind = [];
    for (let a = e; a; a = a.parentElement) {
      const { backgroundColor, backgroundImage, opacity } = getComputedStyle(a);
      behind.push(`${backgroundColor} ${backgroundImage} ${opacity}`);
    }
    const whole = e.closest("a") ?? e, place = `${whole.tagName} in ${whole.parentElement?.tagName}`;
    const look = [place, color, fontSize, fontWeight, ...new Set(behind)].join("/");
    if (!seen.has(look)) seen.set(look, whole);
  }
  const how = { resultTypes: ["violations"], preload: false };
  const looks = ["color-contrast", "link-in-text-block"], off = { enabled: false };
  const first = await axe.run([...seen.values()], { ...how, runOnly: looks });
  const rules = Object.fromEntries([...looks, "region"].map((rule) => [rule, off]));  // never serious
  const rest = await axe.run(document, { ...how, rules });
  return [...first.violations, ...rest.violations];
}
