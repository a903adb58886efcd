// Paints on a photograph: green on the object, red on what is not it, by brush, box and eraser.
// Runs once for the element of the page's painter; `watch` and `trigger` are Gradio's.
const state = { tool: "green", shape: "brush", size: 24, undo: [], box: null };

function setUp() {
  const root = element.querySelector(".painter");
  if (!root || root.dataset.ready || !root.querySelector("canvas")) return;
  root.dataset.ready = "yes";
  const canvas = root.querySelector("canvas"), marks = root.querySelector("img.marks");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  state.undo = [];
  const start = () => {
    canvas.width = marks.naturalWidth;
    canvas.height = marks.naturalHeight;
    context.drawImage(marks, 0, 0);
  };
  if (marks.complete) start(); else marks.onload = start;

  const colours = { green: "rgb(0, 200, 0)", red: "rgb(230, 0, 0)", erase: "rgb(0, 0, 0)" };
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * canvas.width) / box.width, ((event.clientY - box.top) * canvas.height) / box.height];
  };
  const prepare = () => {
    context.globalCompositeOperation = state.tool === "erase" ? "destination-out" : "source-over";
    context.fillStyle = context.strokeStyle = colours[state.tool];
    context.lineCap = context.lineJoin = "round";
    context.lineWidth = (state.size * canvas.width) / canvas.getBoundingClientRect().width;
  };
  let from = null, before = null;
  canvas.onpointerdown = (event) => {
    if (event.button) return;
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    before = context.getImageData(0, 0, canvas.width, canvas.height);
    state.undo.push(before);
    if (state.undo.length > 12) state.undo.shift();
    from = at(event);
    draw(event);
  };
  const draw = (event) => {
    const to = at(event);
    prepare();
    if (state.shape === "box") {
      context.putImageData(before, 0, 0);
      context.fillRect(from[0], from[1], to[0] - from[0], to[1] - from[1]);
    } else {
      context.beginPath();
      context.moveTo(...from);
      context.lineTo(to[0] + 0.01, to[1]);
      context.stroke();
      from = to;
    }
  };
  canvas.onpointermove = (event) => from && draw(event);
  canvas.onpointerup = canvas.onpointercancel = () => (from = null);

  const show = () => {
    for (const button of root.querySelectorAll("[data-tool], [data-shape]")) {
      const on = button.dataset.tool ? button.dataset.tool === state.tool : button.dataset.shape === state.shape;
      button.setAttribute("aria-pressed", on);
    }
  };
  root.querySelectorAll("button").forEach((button) => {
    button.onclick = () => {
      const { tool, shape, act } = button.dataset;
      if (tool) state.tool = tool;
      if (shape) state.shape = shape;
      if (act === "undo" && state.undo.length) context.putImageData(state.undo.pop(), 0, 0);
      if (act === "clear") {
        state.undo.push(context.getImageData(0, 0, canvas.width, canvas.height));
        context.clearRect(0, 0, canvas.width, canvas.height);
      }
      show();
    };
  });
  const size = root.querySelector("input");
  size.value = state.size;
  size.oninput = () => (state.size = Number(size.value));
  show();
}

watch("value", setUp);
setUp();
