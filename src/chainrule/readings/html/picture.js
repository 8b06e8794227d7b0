// The still picture, lit up: what is reached, what is visited, what has arrived.
const svg = $("canvas").querySelector("svg");
const pictured = { boxes: [], values: [], gradients: [], wires: [], edges: [] };
for (const element of svg.querySelectorAll(".box")) {
  const row = Number(element.dataset.row);
  const title = element.querySelector("title");
  pictured.boxes.push({ element, row, title, still: title?.textContent ?? "" });
  // An array's label has smaller lines of its own, and a strip.
  for (const [kind, lines] of [["value", ".value, .about"], ["gradient", ".gradient, .slope"]]) {
    for (const label of element.querySelectorAll(lines)) {
      const size = Number(label.getAttribute("font-size"));
      pictured[`${kind}s`].push({ element: label, row, size, still: label.textContent });
    }
  }
}
for (const element of svg.querySelectorAll(".wire[data-row]")) {
  pictured.wires.push({ element, row: Number(element.dataset.row) });
}
// From a fork to one gate: shown only while lit, over the wire.
const EDGE = /^edge-(\d+)-(\d+)/;
for (const element of svg.querySelectorAll(".edge")) {
  const [, from, to] = EDGE.exec(element.id) ?? [];
  pictured.edges.push({ element, from: Number(from), to: Number(to) });
}

/** Fit the picture into the page, but never so small that its numbers cannot be read. */
function fit() {
  const width = svg.viewBox.baseVal.width;
  Object.assign(svg.style, { width: `${1.25 * width}px`, minWidth: `${0.75 * width}px` });
}

function setLabel(label, text, original) {
  if (label.element.tagName !== "text") return; // the strip of an array
  // The still picture's own label, as long as the number is its own: an array has more to it.
  const shown = text === original ? label.still : text;
  if (label.element.textContent === shown) return;
  label.element.textContent = shown;
  // The layout left room for the still number: a longer one is written smaller.
  const share = Math.min(1, Math.max(0.72, (label.still.length + 1) / shown.length));
  label.element.style.fontSize = share < 1 ? `${share * label.size}px` : "";
}

function showPicture(step, arrived) {
  const now = step.gate ? step.gate.row : step.kind === "seed" ? data.output : null;
  const backward = step.kind === "backward" || step.kind === "seed";
  const forward = step.kind === "inputs" || step.kind === "forward";
  const reached = (row) => !forward || (stepOfForward.get(row) ?? 0) <= at;
  const feeding = new Set(step.gate ? step.gate.inputs.map((input) => input.row) : []);
  // A gate that is drawn within a group of its line lights the group.
  const own = pictured.boxes.some(({ row }) => row === now);
  const within = (element) => !own && step.gate && element.matches(".group") &&
    Number(element.dataset.line) === step.gate.line;
  for (const { element, row } of pictured.boxes) {
    const visited = row === now || within(element);
    element.classList.toggle("is-waiting", !reached(row));
    element.classList.toggle("is-now", Boolean(visited));
    element.classList.toggle("is-backward", Boolean(visited && backward));
  }
  for (const label of pictured.values) {
    setLabel(label, valueText(label.row), first.values.get(label.row));
    label.element.classList.toggle("is-hidden", !reached(label.row));
  }
  for (const label of pictured.gradients) {
    const text = arrived.get(label.row);
    setLabel(label, crossed ? "?" : text ?? "", first.gradients.get(label.row));
    label.element.classList.toggle("is-hidden", !text);
  }
  const edged = new Set(pictured.edges.filter(({ to }) => to === now).map(({ from }) => from));
  const lightUp = (element, lit) => {
    element.classList.toggle("is-forward", lit && step.kind === "forward");
    element.classList.toggle("is-backward", lit && step.kind === "backward");
  };
  for (const { element, row } of pictured.wires) {
    element.classList.toggle("is-waiting", !reached(row));
    lightUp(element, feeding.has(row) && !edged.has(row));
  }
  for (const { element, from, to } of pictured.edges) lightUp(element, to === now && feeding.has(from));
}

/** Tell the numbers that stand in the picture to who hovers over it, or cannot see it. */
function tellPicture() {
  const lines = [];
  for (const { row, title, still } of pictured.boxes) {
    const value = valueText(row);
    if (!title || value === "") continue;
    const gradient = crossed ? "?" : point.gradients.get(row);
    const [name] = still.split("\n");
    const numbers = `\nvalue ${value}${gradient ? `\ngradient ${gradient}` : ""}`;
    title.textContent = moved ? name + numbers : still;
    lines.push(name + numbers.replaceAll("\n", "; "));
  }
  const told = svg.querySelector("desc");
  stillTold ??= told?.textContent;
  if (told) told.textContent = moved ? lines.join("\n") : stillTold;
}

/** Return the text of a value; beyond a branch only the inputs are known. */
function valueText(row) {
  return crossed && gateAt.has(row) ? "?" : point.values.get(row) ?? "";
}
