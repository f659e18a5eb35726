// Open a network that a reader taught in chapter 21: the text that playground_file writes.

// The network in a text, or an error that says what's wrong with it
function readTaught(text, own) {
  const file = parsed(text);
  const { T, size, tensors, names, int16 } = file ?? {};
  const named = Array.isArray(names) && names.every((name) => typeof name === "string");
  if (!named || T !== own.T || size !== own.size || typeof int16 !== "string") {
    throw new Error("This file wasn't written by playground_file (chapter 21).");
  }
  const odd = names.find((name) => !name.trim() || name.length > 19);
  if (odd !== undefined) {
    throw new Error(`A label's name has 1 to 19 characters. Export the network without “${odd.slice(0, 40)}”.`);
  }
  if (decoded(int16).length !== 2 * countNumbers(tensors, own.tensors, names.length)) {
    throw new Error("The file is damaged. Export the network again.");
  }
  const x0 = network(readWeights(file), size)(Array(size ** 2).fill(0), T, [null]);
  if (!x0.every(Number.isFinite)) throw new Error("This network's predictions are too large, or no numbers.");
  return file;
}

// What these tensors hold, which must be the page's own, with so many labels more
function countNumbers(tensors, own, labels) {
  const [given, expected] = [Object.keys(tensors ?? {}), Object.keys(own)];
  const differs = (key) => new Error(`This network's layers differ from those of the page's model: ${key}.`);
  if (given.length > expected.length) throw differs(given.at(-1));
  let count = 0;
  for (const [i, key] of expected.entries()) {
    const [rows, ...rest] = own[key].shape;
    const shape = [key === "condition.label.weight" ? rows + labels : rows, ...rest];
    const same = given[i] === key && JSON.stringify(tensors[key]?.shape) === JSON.stringify(shape);
    if (!same || !Number.isFinite(tensors[key].scale)) throw differs(key);
    count += shape.reduce((a, b) => a * b);
  }
  return count;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

// The bytes of a text in base64, none if it isn't that
function decoded(text) {
  try {
    return atob(text);
  } catch {
    return "";
  }
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
  if (!labels.querySelector(":checked")) labels.querySelector("[value='3']").checked = true;
}

(function taught() {
  const input = document.getElementById("pg-taught");
  if (!input) return;
  const said = document.getElementById("pg-taught-said");
  input.onclick = () => { input.value = ""; };  // so that the same file can be opened again
  input.onchange = async () => {
    const [chosen] = input.files;
    if (!chosen) return;
    try {
      const text = chosen.size < 5e6 ? await chosen.text() : "";  // ours have half a megabyte
      const file = readTaught(text, DIGITS);
      showLabels(file.names);
      document.dispatchEvent(new CustomEvent("pg-taught", { detail: file }));
      said.textContent = `Opened. New labels: ${file.names.join(", ") || "none"}.`;
    } catch (error) {
      said.textContent = error.message;
    }
  };
})();
