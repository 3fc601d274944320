"use strict";
// Everything is on the page without this script; it sorts, searches, filters and opens what is packed below the table.
const table = document.getElementById("experiments");
const body = table.tBodies[0];
const shown = document.getElementById("shown");

for (const box of document.querySelectorAll("[data-hides]"))
  box.addEventListener("change", () => {
    document.body.classList.toggle(`hide-${box.dataset.hides}`, !box.checked);
    count();
  });

const search = document.getElementById("search");
search.addEventListener("input", () => {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of body.rows) {
    const text = row.textContent.toLowerCase();
    row.classList.toggle("unmatched", !words.every((word) => text.includes(word)));
  }
  count();
});

function count() {
  const visible = [...body.rows].filter(
    (row) => !row.classList.contains("unmatched") && !["keep", "discard", "crash"].some(
      (status) => row.classList.contains(status) && document.body.classList.contains(`hide-${status}`)));
  shown.textContent = `${visible.length} of ${body.rows.length} shown`;
}

for (const button of table.tHead.querySelectorAll("button"))
  button.addEventListener("click", () => {
    const head = button.closest("th");
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.querySelectorAll("th")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = (row) => row.cells[head.cellIndex].dataset.key ?? row.cells[head.cellIndex].textContent;
    const numeric = head.dataset.kind === "number";
    const rows = [...body.rows].map((row) => [key(row), row]);
    rows.sort(([a], [b]) => {
      if (!numeric) return (down ? -1 : 1) * a.localeCompare(b);
      if (a === "" || b === "") return (a === "") - (b === ""); // what was not measured stands last, either way
      return (down ? -1 : 1) * (Number(a) - Number(b));
    });
    body.append(...rows.map(([, row]) => row));
  });

let packed = null;
async function unpacked() {
  if (packed === null) {
    const text = document.getElementById("packed").textContent.trim();
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    packed = JSON.parse(await new Response(stream).text());
  }
  return packed;
}

function block(text, kind) {
  const pre = document.createElement("pre");
  pre.tabIndex = 0;
  for (const line of text.split("\n")) {
    const span = document.createElement("span");
    span.textContent = `${line}\n`; // foreign words are text, never markup
    if (kind === "diff")
      span.className = line.startsWith("@@") ? "hunk" : /^\+(?!\+\+ )/.test(line) ? "added" : /^-(?!-- )/.test(line) ? "removed" : "";
    pre.append(span);
  }
  return pre;
}

async function open(row) {
  const button = row.querySelector(".more");
  if (button.getAttribute("aria-expanded") === "true") {
    row.nextElementSibling.remove();
    button.setAttribute("aria-expanded", "false");
    return;
  }
  const { detail = "", hypothesis = "", patch = "", log = "" } = (await unpacked())[row.dataset.n] ?? {};
  const opened = document.createElement("tr");
  const cell = opened.insertCell();
  cell.colSpan = row.cells.length;
  for (const words of [detail, hypothesis]) if (words) cell.append(Object.assign(document.createElement("p"), { textContent: words }));
  if (patch) cell.append(block(patch, "diff"));
  if (log) cell.append(Object.assign(document.createElement("p"), { textContent: "The log ends:" }), block(log, "log"));
  if (!cell.childNodes.length) cell.append("Nothing more is on record.");
  row.after(opened);
  button.setAttribute("aria-expanded", "true");
}

body.addEventListener("click", (event) => {
  const button = event.target.closest(".more");
  if (button) open(button.closest("tr"));
});

document.querySelector(".picture").addEventListener("click", (event) => {
  const dot = event.target.closest("[data-n]");
  const row = dot && document.getElementById(`n${dot.dataset.n}`);
  if (row) {
    row.scrollIntoView({ block: "center" });
    row.querySelector(".more").focus();
  }
});

count();
