// The steps of both passes over the still picture, and both passes anew while an input moves.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const PACE = 1400; // milliseconds a step while playing: long enough to read one line

const gateAt = new Map(data.gates.map((gate) => [gate.row, gate]));
const nameOf = new Map(data.wires.map((wire) => [wire.row, wire.name]));
const gradientOf = new Map(data.wires.map((wire) => [wire.row, wire.d])); // dz, df/dz or \u2207z
const first = {
  values: new Map(data.wires.map((wire) => [wire.row, wire.value])),
  gradients: new Map(data.wires.map((wire) => [wire.row, wire.gradient])),
  handed: new Map(data.gates.map((gate) => [gate.row, gate.handed])),
};
const start = data.inputs.map((input) => Number(input.value));
let inputs = [...start];
let point = first; // the texts that are shown
let crossed = null; // the guard that the inputs have crossed
let moved = false;
let at = 0;
let timer = null;

// ------------------------------------------------------------------ the steps

function makeSteps() {
  const steps = [{ kind: "whole" }, { kind: "inputs" }];
  for (const gate of data.gates) steps.push({ kind: "forward", gate });
  if (data.output !== null) {
    steps.push({ kind: "seed" });
    for (const gate of [...data.gates].reverse()) {
      if (gate.handed.some((part) => part !== null)) steps.push({ kind: "backward", gate });
    }
  }
  steps.push({ kind: "end" });
  return steps;
}
const steps = makeSteps();
const stepOfForward = new Map();
const stepOfBackward = new Map();
steps.forEach((step, index) => {
  if (step.kind === "forward") stepOfForward.set(step.gate.row, index);
  if (step.kind === "backward") stepOfBackward.set(step.gate.row, index);
});
const seedAt = steps.findIndex((step) => step.kind === "seed");

/** Return the texts of the gradients that have arrived by a step: partial sums at forks. */
function arrivedBy(index) {
  if (index === 0 || index === steps.length - 1) return point.gradients;
  const found = new Map();
  if (seedAt < 0 || index < seedAt) return found;
  found.set(data.output, point.gradients.get(data.output));
  for (let k = seedAt + 1; k <= index; k += 1) {
    const { gate } = steps[k];
    if (!gate) continue;
    gate.inputs.forEach((input, place) => {
      const part = point.handed.get(gate.row)[place];
      if (part) found.set(input.row, part.total);
    });
  }
  return found;
}

// ------------------------------------------------------------------ the picture

const svg = $("canvas").querySelector("svg");
const pictured = { boxes: [], values: [], gradients: [], wires: [] };
for (const element of svg.querySelectorAll(".box")) {
  const row = Number(element.dataset.row);
  pictured.boxes.push({ element, row });
  for (const kind of ["value", "gradient"]) {
    for (const label of element.querySelectorAll(`.${kind}`)) {
      const size = Number(label.getAttribute("font-size"));
      pictured[`${kind}s`].push({ element: label, row, size, still: label.textContent });
    }
  }
}
for (const element of svg.querySelectorAll(".wire")) {
  pictured.wires.push({ element, row: Number(element.dataset.row) });
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
  for (const { element, row } of pictured.boxes) {
    element.classList.toggle("is-waiting", !reached(row));
    element.classList.toggle("is-now", row === now);
    element.classList.toggle("is-backward", row === now && backward);
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
  for (const { element, row } of pictured.wires) {
    element.classList.toggle("is-waiting", !reached(row));
    element.classList.toggle("is-forward", step.kind === "forward" && feeding.has(row));
    element.classList.toggle("is-backward", step.kind === "backward" && feeding.has(row));
  }
}

/** Return the text of a value; beyond a branch only the inputs are known. */
function valueText(row) {
  return crossed && gateAt.has(row) ? "?" : point.values.get(row) ?? "";
}

// ------------------------------------------------------------------ words

function phaseOf(step) {
  switch (step.kind) {
    case "whole": return "The whole circuit";
    case "inputs": return "Forward pass: the inputs";
    case "forward": return `Forward pass: ${step.gate.gate}`;
    case "seed": return "Backward pass: the output";
    case "backward": return `Backward pass: ${step.gate.gate}`;
    default: return data.output === null ? "Forward pass: done" : "Backward pass: done";
  }
}

function listOf(names) {
  const shown = names.slice(0, 8);
  if (names.length > shown.length) shown.push(`${names.length - shown.length} more`);
  return shown.length < 2 ? shown.join("") : `${shown.slice(0, -1).join(", ")} and ${shown.at(-1)}`;
}

function sentenceOf(step) {
  const value = (row) => point.values.get(row) ?? "";
  const gradient = (row) => point.gradients.get(row) ?? "";
  const output = data.output ?? data.gates.at(-1)?.row;
  const { gate } = step;
  switch (step.kind) {
    case "whole":
      return `${nameOf.get(output) ?? data.title} = ${value(output)}. ` +
        "Press Play, or step through it gate by gate.";
    case "inputs":
      return `Given ${listOf(data.inputs.map((i) => `${i.name} = ${value(i.row)}`))}.`;
    case "forward":
      if (!moved) return gate.forward;
      return `${gate.name} ${gate.verb}: ${value(gate.row)}.`;
    case "seed":
      return `The output ${nameOf.get(output)} moves exactly as much as itself: ` +
        `its gradient is ${gradient(output)}.`;
    case "backward":
      return moved ? movedSentence(gate, gradient) : gate.backward;
    default: {
      if (data.output === null) return `So ${nameOf.get(output) ?? data.title} = ${value(output)}.`;
      const known = data.inputs.filter((i) => gradient(i.row) !== "");
      return `So ${listOf(known.map((i) => `${gradientOf.get(i.row)} = ${gradient(i.row)}`))}.`;
    }
  }
}

function movedSentence(gate, gradient) {
  const said = [];
  gate.inputs.forEach((input, place) => {
    const part = point.handed.get(gate.row)[place];
    if (!part) return;
    const slope = part.slope === "" ? "" : `${part.slope} times ${gradient(gate.row)} = `;
    said.push(`${input.name} gets ${slope}${part.part}`);
  });
  return `At ${gate.name}, ${gate.gate} passes the gradient on: ${said.join("; ")}.`;
}

// ------------------------------------------------------------------ the rule, as a table

function row(tag, cells) {
  const line = document.createElement("tr");
  cells.forEach((cell, index) => {
    const element = document.createElement(index === 0 && tag === "td" ? "th" : tag);
    if (element.tagName === "TH") element.scope = tag === "th" ? "col" : "row";
    element.textContent = cell.text ?? cell;
    if (cell.kind) element.className = cell.kind;
    line.append(element);
  });
  return line;
}

function showRule(step) {
  const shown = step.kind !== "seed";
  $("rule").hidden = !shown || crossed !== null;
  $("why").textContent = step.kind === "backward" && !crossed ? `Why: ${step.gate.why}.` : "";
  if (!shown || crossed) return;
  const { gate } = step;
  const head = [];
  const body = [];
  const upstream = gate ? point.gradients.get(gate.row) : "";
  if (step.kind === "backward") {
    $("rule-caption").textContent = `What ${gate.gate} hands to each of its inputs`;
    head.push("to", "local gradient", `\u00d7 upstream ${gradientOf.get(gate.row)}`, "= contribution", "sum so far");
    gate.inputs.forEach((input, place) => {
      const part = point.handed.get(gate.row)[place];
      if (!part) {
        const why = input.constant ? "a constant" : "flat";
        body.push([input.name, { text: why, kind: "faint" }, "", "nothing", ""]);
        return;
      }
      body.push([
        input.name,
        { text: part.slope === "" ? "its own rule" : part.slope, kind: "number" },
        { text: upstream, kind: "number is-gradient" },
        { text: part.part, kind: "number is-gradient strong" },
        { text: `${gradientOf.get(input.row)} = ${part.total}`, kind: "number is-gradient" },
      ]);
    });
  } else if (!gate) {
    $("rule-caption").textContent = "The inputs";
    head.push("input", "value", step.kind === "inputs" ? "" : "gradient");
    for (const input of data.inputs.slice(0, 12)) {
      const arrived = step.kind === "inputs" ? "" : point.gradients.get(input.row);
      body.push([
        input.name,
        { text: point.values.get(input.row), kind: "number is-value" },
        { text: arrived, kind: "number is-gradient" },
      ]);
    }
  } else {
    $("rule-caption").textContent = `What ${gate.gate} takes and gives`;
    head.push("wire", "value");
    for (const input of gate.inputs) {
      if (input.constant) continue;
      body.push([input.name, { text: point.values.get(input.row), kind: "number is-value" }]);
    }
    const value = point.values.get(gate.row);
    body.push([`${gate.name} (out)`, { text: value, kind: "number is-value strong" }]);
  }
  $("rule-head").replaceWith(Object.assign(row("th", head), { id: "rule-head" }));
  $("rule-body").replaceChildren(...body.map((cells) => row("td", cells)));
}

// ------------------------------------------------------------------ lines of code

function fillLines(list, lines) {
  lines.forEach((entry) => {
    const item = document.createElement("li");
    item.className = entry.kind === "title" ? "line is-title" : "line";
    const margin = document.createElement("span");
    margin.className = "margin";
    margin.textContent = entry.number ?? "";
    const text = document.createElement("code");
    text.textContent = entry.text;
    item.append(margin, text);
    if (entry.file) item.title = `${entry.file}:${entry.number}`;
    list.append(item);
  });
}

function light(list, indices, kind) {
  [...list.children].forEach((item, index) => {
    const lit = indices.includes(index);
    item.classList.toggle("is-lit", lit);
    item.classList.toggle("is-backward", lit && kind === "backward");
    if (lit) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  });
  // Within its own box only: the page itself must not jump while somebody reads.
  const top = list.children[indices[0]];
  if (!top) return;
  const high = top.offsetTop;
  if (high < list.scrollTop || high > list.scrollTop + list.clientHeight - 40) {
    list.scrollTop = high - list.clientHeight / 2;
  }
}

function showLines(step) {
  const { gate } = step;
  light($("source"), gate ? gate.source : [], step.kind);
  light($("code"), gate ? (step.kind === "backward" ? gate.backward_code : gate.code) : [], step.kind);
}

// ------------------------------------------------------------------ the table of all wires

const wireRows = data.wires.map((wire) => {
  const line = row("td", [wire.name, wire.gate, "", ""]);
  line.children[2].className = "number is-value";
  line.children[3].className = "number is-gradient";
  $("wires").append(line);
  return line;
});

function showTable() {
  data.wires.forEach((wire, k) => {
    wireRows[k].children[2].textContent = valueText(wire.row);
    wireRows[k].children[3].textContent = crossed ? "?" : point.gradients.get(wire.row);
  });
}

// ------------------------------------------------------------------ a moved input

function compute() {
  const { live } = data;
  const r = run(inputs);
  crossed = live.guards.find((guard) => r[guard.row] != guard.seen) ?? null; // true is 1, as in Python
  const text = (place) => (typeof place === "string" ? place : place === null ? "" : number(r[place]));
  const found = { values: new Map(), gradients: new Map(), handed: new Map() };
  for (const wire of data.wires) {
    const place = live.gradients[wire.row];
    found.values.set(wire.row, number(r[wire.row]));
    found.gradients.set(wire.row, place === undefined ? wire.gradient : number(r[place]));
  }
  for (const gate of data.gates) {
    found.handed.set(gate.row, gate.inputs.map((_, place) => {
      const known = live.handed[`${gate.row}:${place}`];
      if (!known) return null;
      return { slope: text(known[0]), part: text(known[1]), total: text(known[2]) };
    }));
  }
  return found;
}

function move(place, value) {
  inputs[place] = value;
  moved = inputs.some((x, k) => !Object.is(x, start[k]));
  crossed = null;
  point = moved ? compute() : first;
  $("restore").hidden = !moved;
  show();
}

function makeInputs() {
  const draggable = data.live !== null && data.inputs.some((input) => input.value !== undefined);
  $("inputs-note").textContent = draggable
    ? "Drag a slider, or type a number: both passes are worked out again."
    : `Values cannot be dragged here: ${data.reason || "the inputs are no plain numbers"}.`;
  data.inputs.forEach((input, place) => {
    const line = document.createElement("div");
    line.className = "input";
    const label = document.createElement("label");
    label.textContent = input.name;
    line.append(label);
    if (draggable && input.value !== undefined) {
      const slider = Object.assign(document.createElement("input"), {
        type: "range", id: `slider-${place}`, min: input.low, max: input.high, step: input.step,
      });
      const field = Object.assign(document.createElement("input"), {
        type: "number", id: `field-${place}`, step: "any", value: String(Number(input.value)),
      });
      slider.value = input.value;
      label.htmlFor = field.id;
      slider.setAttribute("aria-label", `${input.name}, slider`);
      slider.addEventListener("input", () => {
        field.value = slider.value;
        move(place, Number(slider.value));
      });
      field.addEventListener("input", () => {
        if (field.value === "" || Number.isNaN(field.valueAsNumber)) return;
        slider.value = field.value;
        move(place, field.valueAsNumber);
      });
      for (const element of [slider, field]) element.addEventListener("change", say);
      line.append(slider, field);
    } else {
      const text = document.createElement("span");
      text.className = "number is-value";
      text.textContent = input.text;
      line.append(text);
    }
    const gradient = document.createElement("span");
    gradient.className = "number is-gradient";
    gradient.id = `arrived-${place}`;
    line.append(gradient);
    $("inputs").append(line);
  });
  $("restore").addEventListener("click", () => {
    data.inputs.forEach((input, place) => {
      for (const kind of ["slider", "field"]) {
        const element = $(`${kind}-${place}`);
        if (element) element.value = String(Number(input.value));
      }
    });
    inputs = [...start];
    move(0, start[0]);
    $("play").focus();
    say();
  });
}

// ------------------------------------------------------------------ showing a step

function show() {
  const step = steps[at];
  const arrived = arrivedBy(at);
  showPicture(step, arrived);
  showRule(step);
  showLines(step);
  showTable();
  $("phase").textContent = phaseOf(step);
  $("phase").className = step.kind === "backward" || step.kind === "seed" ? "phase is-gradient" : "phase";
  $("sentence").textContent = crossed ? "" : sentenceOf(step);
  $("warning").hidden = crossed === null;
  $("warning").textContent = crossed ? warningOf(crossed) : "";
  data.inputs.forEach((input, place) => {
    const text = crossed ? "?" : arrived.get(input.row);
    $(`arrived-${place}`).textContent = text ? `${gradientOf.get(input.row)} = ${text}` : "";
  });
  $("step").value = at;
  $("step").setAttribute("aria-valuetext", `${at} of ${steps.length - 1}: ${phaseOf(step)}`);
  $("place").textContent = `${at} / ${steps.length - 1}`;
  $("back").disabled = at === 0;
  $("next").disabled = at === steps.length - 1;
}

function warningOf(guard) {
  const where = guard.where ? `${guard.where}: ` : "";
  const line = guard.line ? `, at \u201c${guard.line}\u201d` : "";
  return `${where}here plain Python would take another branch${line}. This circuit holds for the ` +
    "branch that was traced; trace the function again for these inputs, or move back.";
}

function say() {
  const text = crossed ? $("warning").textContent : `${$("phase").textContent}. ${$("sentence").textContent}`;
  $("said").textContent = text;
}

function go(index) {
  at = Math.max(0, Math.min(steps.length - 1, index));
  show();
  say();
  if (at === steps.length - 1) pause();
}

function pause() {
  clearInterval(timer);
  timer = null;
  $("play").setAttribute("aria-pressed", "false");
  $("play-label").textContent = "Play";
}

function play() {
  if (at === steps.length - 1) go(0);
  timer = setInterval(() => go(at + 1), PACE);
  $("play").setAttribute("aria-pressed", "true");
  $("play-label").textContent = "Pause";
  go(at + 1);
}

const toggle = () => (timer === null ? play() : pause());
const byHand = (index) => { pause(); go(index); };

$("step").max = steps.length - 1;
$("step").addEventListener("input", () => byHand(Number($("step").value)));
$("reset").addEventListener("click", () => byHand(0));
$("back").addEventListener("click", () => byHand(at - 1));
$("next").addEventListener("click", () => byHand(at + 1));
$("play").addEventListener("click", toggle);
for (const { element, row: visited } of pictured.boxes) {
  element.addEventListener("click", () => {
    const backward = seedAt >= 0 && at >= seedAt;
    const index = (backward ? stepOfBackward : stepOfForward).get(visited) ?? stepOfForward.get(visited);
    if (index !== undefined) byHand(index);
  });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target;
  if (target.matches?.("input, textarea, select")) return; // arrows move the slider itself
  const onButton = target.closest?.("button, summary") !== null && target !== document.body;
  const keys = {
    ArrowRight: () => byHand(at + 1),
    ArrowLeft: () => byHand(at - 1),
    Home: () => byHand(0),
    End: () => byHand(steps.length - 1),
    " ": onButton ? null : toggle, // a button in focus takes the space bar itself
  };
  const act = keys[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

fillLines($("source"), data.source);
fillLines($("code"), data.code);
$("source-panel").hidden = data.source.length === 0;
$("code-panel").hidden = data.code.length === 0;
makeInputs();
fit();
show();
