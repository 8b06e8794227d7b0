// What is told of a step: a sentence, the rule as a table, lines of code, all wires.
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
