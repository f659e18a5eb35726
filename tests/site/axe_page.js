// What axe says against the page that is open. Contrast is its slowest rule, so of all the visible
// texts with the same size, weight, colour and backgrounds, it gets the first one.
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
    const look = [color, fontSize, fontWeight, ...new Set(behind)].join("/");
    if (!seen.has(look)) seen.set(look, e);
  }
  const how = { resultTypes: ["violations"], preload: false };
  const contrast = await axe.run([...seen.values()], { ...how, runOnly: ["color-contrast"] });
  const off = { enabled: false };  // region is slow, and never serious
  const rest = await axe.run(document, { ...how, rules: { region: off, "color-contrast": off } });
  return [...contrast.violations, ...rest.violations];
}
