"use strict";
// Everything is on the page without this script: it sorts, searches, filters, opens what is packed, and follows a
// session that runs. It looks things up when it needs them, since a followed page is replaced under it.
const byId = (id) => document.getElementById(id);
const rowsOf = () => [...byId("experiments").tBodies[0].rows].filter((row) => row.id);
const STATUSES = ["keep", "discard", "crash"];

function narrow() {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const hidden = STATUSES.filter((status) => document.body.classList.contains(`hide-${status}`));
  let visible = 0;
  for (const row of rowsOf()) {
    const text = [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase();
    const matches = words.every((word) => text.includes(word));
    row.classList.toggle("unmatched", !matches);
    visible += matches && !hidden.some((status) => row.classList.contains(status));
  }
  byId("shown").textContent = `${visible} of ${rowsOf().length} shown`;
}

function sort(head, order) {
  const down = order === "descending";
  for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", order);
  const isNumber = head.dataset.kind === "number";
  const key = ({ cells }) => (isNumber ? parseFloat(cells[head.cellIndex].textContent) : cells[head.cellIndex].textContent);
  const rows = rowsOf().map((row) => [key(row), row]);
  rows.sort(([a], [b]) => {
    if (!isNumber) return (down ? -1 : 1) * a.localeCompare(b);
    if (isNaN(a) || isNaN(b)) return isNaN(a) - isNaN(b); // what was not measured stands last, either way
    return (down ? -1 : 1) * (a - b);
  });
  for (const open of document.querySelectorAll("tr.opened")) close(open.previousElementSibling);
  byId("experiments").tBodies[0].append(...rows.map(([, row]) => row));
}

let packed = null;
async function unpacked() {
  if (packed === null) {
    const bytes = Uint8Array.from(atob(byId("packed").textContent.trim()), (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const lines = (await new Response(stream).text()).split("\n").filter(Boolean);
    packed = new Map(lines.map((line) => JSON.parse(line)));
  }
  return packed;
}

const diffLook = (line) =>
  line.startsWith("@@") ? "hunk" : /^\+(?!\+\+ )/.test(line) ? "added" : /^-(?!-- )/.test(line) ? "removed" : "";

function block(text, look) {
  const pre = document.createElement("pre");
  pre.tabIndex = 0;
  for (const line of text.split("\n")) {
    const span = document.createElement("span");
    span.textContent = `${line}\n`; // foreign words are text, never markup
    span.className = look(line);
    pre.append(span);
  }
  return pre;
}

function close(row) {
  row.nextElementSibling.remove();
  row.querySelector(".more").setAttribute("aria-expanded", "false");
}

async function open(row) {
  const found = (await unpacked()).get(Number(row.id.slice(1)));
  const { detail = "", hypothesis = "", memory = "", cost = "", patch = "", log = "", said = "" } = found ?? {};
  const facts = [1, 3, 5, 6, 7].map((at) => row.cells[at].textContent).concat(memory, cost); // a phone hides these columns
  const opened = document.createElement("tr");
  opened.className = "opened";
  const cell = opened.insertCell();
  cell.colSpan = row.cells.length;
  const paragraph = (words) => Object.assign(document.createElement("p"), { textContent: words });
  cell.append(paragraph(facts.filter((fact) => fact && fact !== "-").join(" · ")));
  for (const words of [detail, hypothesis]) if (words) cell.append(paragraph(words));
  if (patch) cell.append(block(patch, diffLook));
  if (log) cell.append(paragraph("The log ends:"), block(log, () => ""));
  if (said) cell.append(paragraph("The agent said at its end:"), block(said, () => ""));
  if (!found) cell.append(paragraph(`Diff and log of old experiments are not on the page: pytest-autoresearch log --show ${row.id.slice(1)}`));
  row.after(opened);
  row.querySelector(".more").setAttribute("aria-expanded", "true");
}

// In a large session dots have no names of their own: they are those of the table.
document.addEventListener("pointerover", ({ target }) => {
  const dot = target.closest?.("svg [data-n]");
  if (!dot || dot.querySelector("title")) return;
  const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
  title.textContent = [0, 2, 4, 8].map((at) => byId(`n${dot.dataset.n}`).cells[at].textContent).join(" ");
  dot.append(title);
});

// On paper every kept change is open.
addEventListener("beforeprint", () => {
  for (const each of document.querySelectorAll(".kept details:not([open])")) each.open = each.dataset.closed = true;
});
addEventListener("afterprint", () => {
  for (const each of document.querySelectorAll(".kept details[data-closed]")) each.open = false;
});

document.addEventListener("change", ({ target }) => {
  if (target.dataset.hides) {
    document.body.classList.toggle(`hide-${target.dataset.hides}`, !target.checked);
    narrow();
  }
});

document.addEventListener("input", ({ target }) => {
  if (target.id === "search") narrow();
});

document.addEventListener("click", ({ target }) => {
  const head = target.closest("#experiments th");
  const more = target.closest(".more");
  const dot = target.closest("svg [data-n]");
  if (head) sort(head, head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending");
  else if (more) (more.getAttribute("aria-expanded") === "true" ? close : open)(more.closest("tr"));
  else if (dot) {
    const row = byId(`n${dot.dataset.n}`);
    row.scrollIntoView({ block: "center" });
    row.querySelector(".more").focus();
  }
});

async function look() {
  const answer = await fetch(location.href, { cache: "no-store" });
  const newer = new DOMParser().parseFromString(await answer.text(), "text/html");
  const sorted = document.querySelector("#experiments th[aria-sort]");
  const kept = { search: byId("search").value, at: sorted.cellIndex, order: sorted.getAttribute("aria-sort") };
  const focused = document.activeElement.id;
  packed = null;
  document.body.dataset.version = newer.body.dataset.version;
  document.title = newer.title;
  document.querySelector("main").replaceWith(document.adoptNode(newer.querySelector("main")));
  byId("packed").textContent = newer.getElementById("packed").textContent;
  byId("search").value = kept.search;
  for (const status of STATUSES) {
    const box = document.querySelector(`[data-hides=${status}]`);
    if (box) box.checked = !document.body.classList.contains(`hide-${status}`);
  }
  if (kept.at || kept.order !== "ascending") sort(byId("experiments").tHead.rows[0].cells[kept.at], kept.order);
  if (focused) byId(focused)?.focus();
  narrow();
}

let lanes = [];
let behind = 0; // ms by which this clock is ahead of the session's

function showLanes() {
  const list = byId("lanes");
  if (!list) return;
  const lines = lanes.map(([number, text, began, budget]) => {
    const elapsed = Math.max(0, Math.round((Date.now() - behind) / 1000 - began));
    return `${String(number).padStart(4, "0")} ${text}: ${elapsed} s${budget === null ? "" : ` of ${budget} s`}`;
  });
  while (list.children.length > lines.length) list.lastChild.remove();
  while (list.children.length < lines.length) list.append(document.createElement("li"));
  lines.forEach((line, at) => (list.children[at].textContent = line));
}

function follow(address) {
  const stream = new EventSource(address);
  const say = (words) => (byId("live").textContent = words);
  let ended = false;
  stream.addEventListener("lanes", ({ data }) => {
    const [now, told] = JSON.parse(data);
    behind = Date.now() - now * 1000;
    lanes = told;
    showLanes();
  });
  stream.addEventListener("told", async ({ data }) => {
    if (JSON.parse(data) !== document.body.dataset.version) await look();
    showLanes();
    if (byId("live")) say(ended ? "ended" : "runs");
  });
  stream.addEventListener("ended", async () => {
    ended = true;
    lanes = [];
    showLanes();
    stream.close();
    say("ended");
  });
  stream.addEventListener("error", () => {
    if (!ended) say("the connection is lost; trying again");
  });
  setInterval(showLanes, 1000);
}

narrow();
if (document.body.dataset.stream) follow(document.body.dataset.stream);
