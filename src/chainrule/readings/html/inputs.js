// Both passes anew while an input moves, by the circuit's own function `run`.
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
  tellPicture();
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
