const data = JSON.parse(document.getElementById("data").textContent);
const TURN = 2 * Math.PI, dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const scaled = (a, s) => [a[0] * s, a[1] * s, a[2] * s];
const unit = (a) => scaled(a, 1 / Math.hypot(a[0], a[1], a[2]));
const modulo = (a, m) => ((a % m) + m) % m;
const byId = (id) => document.getElementById(id);

// ---- the sphere: circles are centre + cos t first + sin t second, arcs are spans of t, half-edge h belongs to arc h >> 1

const { circles, arcs, ends, vertices, cells, styles } = data;
const sideOf = new Int32Array(2 * arcs.length);
cells.forEach((cell, index) => cell.walks.forEach((walk) => walk.forEach((half) => { sideOf[half] = index; })));
const pointOf = ([circle, start], t) => {
  const { centre, first, second } = circles[circle], c = Math.cos(start + t), s = Math.sin(start + t);
  return [0, 1, 2].map((k) => centre[k] + c * first[k] + s * second[k]);
};

// ---- the view: right, up and towards the viewer; what is seen of every arc, as pieces of ellipses

const home = { towards: unit(data.towards), zoom: 1 };
const view = { right: null, up: null, towards: null, zoom: 1 };
let pieces = [], shapes = [], front = [], chosen = -1, kept = false, moving = false, queued = false;

function lookFrom(towards) {
  view.towards = unit(towards);
  const upright = Math.abs(view.towards[2]) < 0.999 ? [0, 0, 1] : [0, 1, 0];
  view.right = unit(cross(upright, view.towards));
  view.up = cross(view.towards, view.right);
}

function turnBy(aside, upwards) {
  const c = Math.cos(aside), s = Math.sin(aside), cu = Math.cos(upwards), su = Math.sin(upwards);
  let towards = view.towards.map((x, k) => c * x - s * view.right[k]), right = view.right.map((x, k) => c * x + s * view.towards[k]);
  const up = view.up.map((x, k) => cu * x + su * towards[k]);
  towards = towards.map((x, k) => cu * x - su * view.up[k]);
  view.towards = unit(towards);
  view.right = unit(cross(up, view.towards));
  view.up = cross(view.towards, view.right);
}

const flat = (v) => [dot(v, view.right), dot(v, view.up)];

function piecesOf(frames, [circle, start, turn], arc) {
  const frame = frames[circle], [a, b] = ends[arc], cuts = [];
  if (frame.meets) {
    for (const angle of [frame.middle - frame.half, frame.middle + frame.half]) {
      const t = modulo(angle - start, TURN);
      if (t < turn) cuts.push(t);
    }
    cuts.sort((x, y) => x - y);
  }
  const first = a < 0 ? dot(pointOf(arcs[arc], 0), view.towards) > 0 : front[a];
  const changes = a >= 0 && front[a] !== front[b];
  if (cuts.length % 2 !== Number(changes)) {
    if (cuts.length) cuts.splice(Math.min(cuts[0], turn - cuts[0]) < Math.min(cuts.at(-1), turn - cuts.at(-1)) ? 0 : cuts.length - 1, 1);
    else cuts.push(Math.abs(dot(pointOf(arcs[arc], 0), view.towards)) < Math.abs(dot(pointOf(arcs[arc], turn), view.towards)) ? 0 : turn);
  }
  const bounds = [0, ...cuts, turn];
  return bounds.slice(1).map((high, k) => ({ seen: (k % 2 === 0) === first, frame, begin: start + bounds[k], end: start + high }));
}

const at = ({ frame }, t) => {
  const c = Math.cos(t), s = Math.sin(t);
  return [frame.o[0] + c * frame.u[0] + s * frame.v[0], frame.o[1] + c * frame.u[1] + s * frame.v[1]];
};
const area = (piece) => {
  const p = at(piece, piece.begin), q = at(piece, piece.end), { o, u, v } = piece.frame;
  return 0.5 * (o[0] * (q[1] - p[1]) - o[1] * (q[0] - p[0]) + (u[0] * v[1] - u[1] * v[0]) * (piece.end - piece.begin));
};
const reversed = (piece) => ({ ...piece, begin: piece.end, end: piece.begin });
const along = (half) => (half & 1 ? pieces[half >> 1].map(reversed).reverse() : pieces[half >> 1]);
const limbFrame = { o: [0, 0], u: [1, 0], v: [0, 1] };
const angleOf = ([x, y]) => Math.atan2(y, x);

function measure() {
  const frames = circles.map(({ centre, first, second }) => {
    const x = dot(first, view.towards), y = dot(second, view.towards), level = dot(centre, view.towards), steep = Math.hypot(x, y);
    return { o: flat(centre), u: flat(first), v: flat(second), middle: Math.atan2(y, x), meets: Math.abs(level) < steep,
             half: Math.acos(Math.max(-1, Math.min(1, -level / steep))) };
  });
  front = vertices.map((point) => dot(point, view.towards) > 0);
  pieces = arcs.map((arc, index) => piecesOf(frames, arc, index));
}

// ---- cells: closed walks in front, and visible chains that go on along the limb, counter-clockwise, to where one enters

function outlineOf(cell) {
  const loops = [], chains = [];
  let inFront = 0, behind = 0;
  for (const walk of cell.walks) {
    const parts = walk.flatMap(along), seen = parts.some((p) => p.seen), hidden = parts.some((p) => !p.seen);
    if (!hidden) { loops.push(parts); inFront += parts.reduce((sum, p) => sum + area(p), 0); continue; }
    if (!seen) { behind += parts.reduce((sum, p) => sum + area(p), 0); continue; }
    const first = parts.findIndex((p) => !p.seen);
    let before = false;
    for (const part of [...parts.slice(first), ...parts.slice(0, first)]) {
      if (part.seen && !before) chains.push([]);
      if (part.seen) chains.at(-1).push(part);
      before = part.seen;
    }
  }
  return { loops: [...loops, ...joined(chains)], inFront, behind };
}

function joined(chains) {
  const enters = chains.map((c) => angleOf(at(c[0], c[0].begin))), leaves = chains.map((c) => angleOf(at(c.at(-1), c.at(-1).end)));
  const left = new Set(chains.keys()), loops = [];
  while (left.size) {
    const first = left.values().next().value, loop = [];
    for (let here = first; left.delete(here);) {
      let after = first;
      for (const k of left) if (modulo(enters[k] - leaves[here], TURN) < modulo(enters[after] - leaves[here], TURN)) after = k;
      loop.push(...chains[here], { frame: limbFrame, begin: leaves[here], end: leaves[here] + modulo(enters[after] - leaves[here], TURN) });
      here = after;
      if (here === first) break;
    }
    loops.push(loop);
  }
  return loops;
}

function outlines() {
  const found = cells.map(outlineOf);
  if (!pieces.some((parts) => parts.some((p) => p.seen) && parts.some((p) => !p.seen))) {
    const weight = (f) => Math.min(f.inFront, -f.behind);
    const owner = found.reduce((best, f, k) => (weight(f) < weight(found[best]) ? k : best), 0);
    found[owner].loops.unshift([{ frame: limbFrame, begin: 0, end: TURN }]);
  }
  return found.map(({ loops }) => (loops.length ? pathOf(loops, true) : null));
}

// ---- drawing

const canvas = byId("globe"), pen = canvas.getContext("2d");
let centre = [0, 0], radius = 1, ratio = 1;
const toPixels = ([x, y]) => [centre[0] + radius * x, centre[1] - radius * y];

function fit() {
  ratio = window.devicePixelRatio || 1;
  const box = canvas.getBoundingClientRect();
  canvas.width = Math.round(box.width * ratio);
  canvas.height = Math.round(box.height * ratio);
  centre = [canvas.width / 2, canvas.height / 2];
  radius = (Math.min(canvas.width, canvas.height) / 2 - 6 * ratio) * view.zoom;
}

function addPiece(path, piece, box) {
  const span = piece.end - piece.begin, count = Math.max(1, Math.ceil(Math.abs(span) / (Math.PI / 4) - 1e-9));
  const k = (4 / 3) * Math.tan(span / count / 4), { o, u, v } = piece.frame;
  let t = piece.begin, c = Math.cos(t), s = Math.sin(t);
  for (let i = 1; i <= count; i++) {
    const a = [o[0] + c * u[0] + s * v[0] + k * (c * v[0] - s * u[0]), o[1] + c * u[1] + s * v[1] + k * (c * v[1] - s * u[1])];
    t = piece.begin + (span * i) / count;
    c = Math.cos(t);
    s = Math.sin(t);
    const end = [o[0] + c * u[0] + s * v[0], o[1] + c * u[1] + s * v[1]];
    const b = [end[0] - k * (c * v[0] - s * u[0]), end[1] - k * (c * v[1] - s * u[1])];
    const points = [toPixels(a), toPixels(b), toPixels(end)];
    path.bezierCurveTo(...points[0], ...points[1], ...points[2]);
    if (box) for (const [x, y] of points) grow(box, x, y);
  }
}

function grow(box, x, y) {
  if (x < box[0]) box[0] = x;
  if (x > box[1]) box[1] = x;
  if (y < box[2]) box[2] = y;
  if (y > box[3]) box[3] = y;
}

function pathOf(loops, closed) {
  const path = new Path2D(), box = [Infinity, -Infinity, Infinity, -Infinity];
  for (const loop of loops) {
    const [x, y] = toPixels(at(loop[0], loop[0].begin));
    grow(box, x, y);
    path.moveTo(x, y);
    for (const piece of loop) addPiece(path, piece, box);
    if (closed) path.closePath();
  }
  return { path, box };
}

const linesOf = (parts, seen) => pathOf(parts.filter((p) => p.seen === seen).map((p) => [p]), false).path;

function strokeArcs(seen) {
  for (const layer of data.layers) {
    pen.strokeStyle = seen ? layer.colour : styles.muted;
    pen.stroke(linesOf(layer.arcs.flatMap((arc) => pieces[arc]), seen));
  }
}

function render() {
  queued = false;
  fit();
  measure();
  const coarse = data.many && moving;
  pen.clearRect(0, 0, canvas.width, canvas.height);
  shapes = coarse ? [] : outlines();
  const shades = data.colours[Number(byId("colour").value) || 0];
  shapes.forEach((shape, index) => {
    if (!shape) return;
    pen.fillStyle = shades.palette[shades.index[index]];
    pen.fill(shape.path);
  });
  if (chosen >= 0 && !coarse) highlight();
  pen.lineCap = "round";
  if (byId("hidden").checked) {
    pen.setLineDash([3 * ratio, 4 * ratio]);
    pen.lineWidth = 0.9 * ratio;
    pen.globalAlpha = 0.8;
    strokeArcs(false);
    pen.globalAlpha = 1;
    pen.setLineDash([]);
  }
  pen.lineWidth = (arcs.length > 2000 ? 0.5 : arcs.length > 300 ? 0.8 : 1.2) * ratio;
  strokeArcs(true);
  pen.strokeStyle = styles.muted;
  pen.lineWidth = ratio;
  pen.stroke(pathOf([[{ frame: limbFrame, begin: 0, end: TURN }]], true).path);
  if (chosen >= 0) outlineChosen();
}

function highlight() {
  pen.fillStyle = styles.ink;
  for (const [alpha, members] of [[0.14, neighboursOf(chosen).keys()], [0.34, [chosen]]]) {
    pen.globalAlpha = alpha;
    for (const index of members) if (shapes[index]) pen.fill(shapes[index].path);
  }
  pen.globalAlpha = 1;
}

function outlineChosen() {
  const parts = cells[chosen].walks.flatMap((walk) => walk.flatMap(along));
  pen.strokeStyle = styles.ink;
  pen.lineWidth = 2.6 * ratio;
  pen.stroke(linesOf(parts, true));
  pen.setLineDash([5 * ratio, 5 * ratio]);
  pen.lineWidth = 1.4 * ratio;
  pen.stroke(linesOf(parts, false));
  pen.setLineDash([]);
}

function redraw() {
  if (!queued) { queued = true; requestAnimationFrame(render); }
}

// ---- reading a cell

function neighboursOf(index) {
  const found = new Map();
  for (const half of cells[index].walks.flat()) {
    const other = sideOf[half ^ 1];
    found.set(other, [...(found.get(other) || []), half >> 1]);
  }
  return found;
}

function make(tag, text, parent, className) {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  parent.append(element);
  return element;
}

function describe() {
  byId("facts").replaceChildren();
  byId("neighbours").replaceChildren();
  byId("around").textContent = "";
  byId("name").textContent = chosen < 0 ? "No cell chosen" : `Cell ${chosen}${kept ? " (kept)" : ""}`;
  if (chosen < 0) return;
  const cell = cells[chosen], around = neighboursOf(chosen);
  const kinds = ["the whole sphere", "a disc", "an annulus"];
  const rows = [["code", cell.code], ["area", cell.area], ["share", cell.share],
                ["shape", kinds[cell.walks.length] || `a disc with ${cell.walks.length - 1} holes`],
                ["arcs", String(cell.walks.flat().length)]];
  for (const [name, text] of rows) {
    make("dt", name, byId("facts"));
    make("dd", text, byId("facts"), name === "code" || name === "area" ? "code" : "");
  }
  byId("around").textContent = around.size ? `${around.size} neighbour${around.size > 1 ? "s" : ""}, and what flips on the way:` : "";
  for (const [other, shared] of around) {
    const flips = [...new Set(shared.map((arc) => data.flips[arcs[arc][0]]))].join("; ");
    const times = shared.length > 1 ? ` (${shared.length} arcs)` : "";
    const button = make("button", `cell ${other}: ${flips}${times}`, make("li", "", byId("neighbours")));
    button.type = "button";
    button.addEventListener("click", () => show(other));
  }
}

function choose(index, keep) {
  if (index === chosen && keep === kept) return;
  chosen = index;
  kept = keep && index >= 0;
  describe();
  redraw();
}

function show(index) {
  const [half] = cells[index].walks.flat();
  lookFrom(half === undefined ? home.towards : cells[index].inside);
  choose(index, true);
  redraw();
}

function cellAt(event) {
  const box = canvas.getBoundingClientRect();
  const x = (event.clientX - box.left) * ratio, y = (event.clientY - box.top) * ratio;
  return shapes.findIndex((shape) => shape && x >= shape.box[0] && x <= shape.box[1] && y >= shape.box[2] && y <= shape.box[3]
    && pen.isPointInPath(shape.path, x, y));
}

// ---- pointer, wheel, keys

const pointers = new Map();
let travelled = 0;

canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, [event.clientX, event.clientY]);
  travelled = 0;
});
canvas.addEventListener("pointermove", (event) => {
  const before = pointers.get(event.pointerId);
  if (!before) { if (!kept) choose(cellAt(event), false); return; }
  const now = [event.clientX, event.clientY], others = [...pointers].filter(([id]) => id !== event.pointerId).map(([, p]) => p);
  pointers.set(event.pointerId, now);
  travelled += Math.hypot(now[0] - before[0], now[1] - before[1]);
  if (travelled < 4) return;
  moving = true;
  if (others.length) {
    const apart = (p) => Math.hypot(p[0] - others[0][0], p[1] - others[0][1]);
    zoomBy(apart(now) / Math.max(1, apart(before)));
  } else {
    turnBy(((now[0] - before[0]) * ratio) / radius, (-(now[1] - before[1]) * ratio) / radius);
    redraw();
  }
});
for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => {
  pointers.delete(event.pointerId);
  if (name === "pointerup" && travelled < 4) { const index = cellAt(event); choose(index, !(kept && index === chosen)); }
  if (!pointers.size) { moving = false; redraw(); }
});
canvas.addEventListener("pointerleave", () => { if (!kept && !pointers.size) choose(-1, false); });

function zoomBy(factor) {
  view.zoom = Math.max(0.5, Math.min(60, view.zoom * factor));
  redraw();
}
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoomBy(Math.exp(-event.deltaY * (event.deltaMode === 1 ? 0.05 : 0.0016)));
}, { passive: false });

canvas.addEventListener("keydown", (event) => {
  const step = 0.12 / view.zoom, next = (by) => show(modulo((chosen < 0 && by < 0 ? 0 : chosen) + by, cells.length));
  const actions = { ArrowLeft: () => turnBy(-step, 0), ArrowRight: () => turnBy(step, 0), ArrowUp: () => turnBy(0, step),
    ArrowDown: () => turnBy(0, -step), "+": () => zoomBy(1.25), "=": () => zoomBy(1.25), "-": () => zoomBy(0.8),
    n: () => next(1), p: () => next(-1), Enter: () => choose(chosen, true), Escape: () => choose(-1, false) };
  if (!actions[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  actions[event.key]();
  redraw();
});

function reset() {
  lookFrom(home.towards);
  view.zoom = home.zoom;
  choose(-1, false);
  redraw();
}
byId("closer").addEventListener("click", () => zoomBy(1.25));
byId("farther").addEventListener("click", () => zoomBy(0.8));
byId("reset").addEventListener("click", reset);
byId("hidden").addEventListener("change", redraw);
byId("colour").addEventListener("change", redraw);
window.addEventListener("resize", redraw);

// ---- start; #view=x,y,z&zoom=2&cell=5 opens that view

data.colours.forEach(({ name }, k) => { make("option", name, byId("colour")).value = String(k); });
if (data.layers.length > 1) for (const { name, colour } of data.layers) {
  const label = make("label", "", byId("layers")), swatch = make("span", "", label, "swatch");
  swatch.style.borderColor = colour;
  label.append(` ${name} `);
}
byId("hidden").checked = arcs.length <= 400;
const asked = new URLSearchParams(location.hash.slice(1)), where = (asked.get("view") || "").split(",").map(Number);
reset();
if (where.length === 3 && where.every(Number.isFinite) && Math.hypot(...where) > 0) lookFrom(where);
if (Number(asked.get("zoom")) > 0) zoomBy(Number(asked.get("zoom")));
const first = cells[asked.has("cell") ? Number(asked.get("cell")) : -1];
if (first) {
  if (!asked.has("view")) lookFrom(first.inside);
  choose(cells.indexOf(first), true);
}
redraw();
