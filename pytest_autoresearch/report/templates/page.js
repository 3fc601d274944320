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
    const text = row.textContent.toLowerCase();
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
  const key = (row) => row.cells[head.cellIndex].dataset.key ?? row.cells[head.cellIndex].textContent;
  const rows = rowsOf().map((row) => [key(row), row]);
  rows.sort(([a], [b]) => {
    if (head.dataset.kind !== "number") return (down ? -1 : 1) * a.localeCompare(b);
    if (a === "" || b === "") return (a === "") - (b === ""); // what was not measured stands last, either way
    return (down ? -1 : 1) * (Number(a) - Number(b));
  });
  for (const open of document.querySelectorAll("tr.opened")) close(open.previousElementSibling);
  byId("experiments").tBodies[0].append(...rows.map(([, row]) => row));
}

let packed = null;
async function unpacked() {
  if (packed === null) {
    const bytes = Uint8Array.from(atob(byId("packed").textContent.trim()), (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    packed = JSON.parse(await new Response(stream).text());
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
  const { detail = "", hypothesis = "", patch = "", log = "" } = (await unpacked())[row.dataset.n] ?? {};
  const opened = document.createElement("tr");
  opened.className = "opened";
  const cell = opened.insertCell();
  cell.colSpan = row.cells.length;
  const paragraph = (words) => Object.assign(document.createElement("p"), { textContent: words });
  for (const words of [detail, hypothesis]) if (words) cell.append(paragraph(words));
  if (patch) cell.append(block(patch, diffLook));
  if (log) cell.append(paragraph("The log ends:"), block(log, () => ""));
  if (!cell.childNodes.length) cell.append("Nothing more is on record.");
  row.after(opened);
  row.querySelector(".more").setAttribute("aria-expanded", "true");
}

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

function follow(address) {
  const stream = new EventSource(address);
  const say = (words) => (byId("live").textContent = words);
  let said = "";
  let ended = false;
  let first = true; // a page that was just opened needs no second look
  stream.addEventListener("lane", ({ data }) => {
    const [number, text, elapsed, budget] = JSON.parse(data);
    const of = budget === null ? "" : ` of ${budget} s`;
    say((said = `${String(number).padStart(4, "0")} ${text}: ${elapsed} s${of}`));
  });
  stream.addEventListener("told", async () => {
    if (!first) await look();
    first = false;
    if (byId("live")) say(ended ? "ended" : said || "runs");
  });
  stream.addEventListener("ended", async () => {
    ended = true;
    stream.close();
    say("ended");
  });
  stream.addEventListener("error", () => {
    if (!ended) say("the connection is lost; trying again");
    first = false;
  });
}

narrow();
if (document.body.dataset.stream) follow(document.body.dataset.stream);
