// Open a network that a reader taught in chapter 21: the text that playground_file writes.

// The network in a text, or an error that says what's wrong with it. It has the layers of the page's own network, and
// a row more in the table of labels for each name.
function readTaught(text, own) {
  let file;
  try {
    file = JSON.parse(text);
  } catch {
    throw new Error("This file wasn't written by playground_file (chapter 21).");
  }
  const { T, size, tensors, names, int16 } = file ?? {};
  const named = Array.isArray(names) && names.every((name) => typeof name === "string" && name.length < 20);
  if (!named || T !== own.T || size !== own.size || typeof int16 !== "string") {
    throw new Error("This file wasn't written by playground_file (chapter 21).");
  }
  let count = 0;
  for (const [key, { shape }] of Object.entries(own.tensors)) {
    const more = key === "condition.label.weight" ? names.length : 0;
    const expected = [shape[0] + more, ...shape.slice(1)];
    if (String(tensors?.[key]?.shape) !== String(expected) || !Number.isFinite(tensors[key].scale)) {
      throw new Error(`This network's layers differ from those of the page's model: ${key}.`);
    }
    count += expected.reduce((a, b) => a * b, 1);
  }
  const same = String(Object.keys(tensors)) === String(Object.keys(own.tensors));
  if (!same || int16.length !== 4 * Math.ceil((2 * count) / 3)) throw new Error("The file is damaged.");
  return file;
}

// Labels after 9, one for each name
function showLabels(names) {
  const labels = document.getElementById("pg-labels");
  labels.querySelectorAll(".pg-new").forEach((label) => label.remove());
  names.forEach((name, i) => {
    const label = Object.assign(document.createElement("label"), { className: "pg-new" });
    const input = Object.assign(document.createElement("input"), { type: "radio", name: "pg-label", value: 10 + i });
    label.append(input, Object.assign(document.createElement("span"), { textContent: name }));
    labels.append(label);
    input.checked = i === 0;
  });
}

(function taught() {
  const input = document.getElementById("pg-taught");
  if (!input) return;
  const said = document.getElementById("pg-taught-said");
  input.onchange = async () => {
    if (!input.files[0]) return;
    try {
      const file = readTaught(await input.files[0].text(), DIGITS);
      showLabels(file.names);
      document.dispatchEvent(new CustomEvent("pg-taught", { detail: file }));
      said.textContent = `Opened. New labels: ${file.names.join(", ") || "none"}.`;
    } catch (error) {
      said.textContent = error.message;
    }
  };
})();
