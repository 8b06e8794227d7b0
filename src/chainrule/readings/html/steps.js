// The steps of both passes, and what is known at each: the state of the page.
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
let stillTold; // the picture's own text alternative

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
