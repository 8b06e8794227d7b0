// Showing a step, and going from one to another by buttons, keys and clicks.
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
