// What the page does beyond being read: tables sort by a click on a heading, figures tell the value under the pointer.
// Without it nothing is missing: every value stands in a table.
"use strict";

const UNITS = { ms: 1e-3, s: 1, min: 60, h: 3600, "%": 0.01, k: 1e3, M: 1e6 };

/** The number that a cell shows, in its base unit; NaN for words and for a dash. */
function value(cell) {
  const shown = cell.cloneNode(true);
  for (const aside of shown.querySelectorAll("small, .tag, .bar")) aside.remove();
  const parts = [...shown.textContent.replaceAll(",", "").matchAll(/(-?\d+(?:\.\d+)?)(?:\s*(ms|min|[shkM%])(?![a-z]))?/g)];
  if (!/^\s*[-+$]?\d/.test(shown.textContent)) return NaN;
  const first = (UNITS[parts[0][2]] ?? 1) * parts[0][1];
  const second = parts[0][2] in { min: 1, h: 1 } && parts[1] ? (UNITS[parts[1][2]] ?? 0) * parts[1][1] : 0;
  return first + second;
}

/** The headings that stand for one column each, in the order of the columns. */
function headings(table) {
  const columns = [];
  [...table.tHead.rows].forEach((row, depth) => {
    let at = 0;
    for (const cell of row.cells) {
      while (columns[at] && columns[at].last >= depth) at++;
      for (let i = 0; i < cell.colSpan; i++) columns[at + i] = { cell, wide: cell.colSpan > 1, last: depth + cell.rowSpan - 1 };
      at += cell.colSpan;
    }
  });
  return columns;
}

/** The rows of a part of a table, without the name of the case above them. */
const passes = (body) => [...body.rows].filter((row) => !row.classList.contains("case"));

function sort(table, column, heading) {
  const falling = heading.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
  for (const body of table.tBodies) sortPart(body, column, falling ? -1 : 1);
}

function sortPart(body, column, sign) {
  const rows = passes(body).map((row) => ({ row, number: value(row.cells[column]), text: row.cells[column].textContent }));
  const numeric = rows.some((one) => !isNaN(one.number));
  rows.sort((a, b) => {
    if (!numeric) return sign * a.text.localeCompare(b.text, "en", { numeric: true });
    if (isNaN(a.number) || isNaN(b.number)) return isNaN(a.number) - isNaN(b.number); // what is not known comes last
    return sign * (a.number - b.number);
  });
  body.append(...rows.map((one) => one.row));
}

for (const table of document.querySelectorAll("table")) {
  if (![...table.tBodies].some((body) => passes(body).length > 1)) continue;
  headings(table).forEach(({ cell, wide }, column) => {
    if (wide || !cell.textContent.trim()) return;
    const button = document.createElement("button");
    const help = cell.querySelector(".help"); // a link cannot stand inside a button
    button.append(...[...cell.childNodes].filter((node) => node !== help));
    button.title = "Sort";
    button.addEventListener("click", () => sort(table, column, cell));
    cell.prepend(button);
  });
}

/** The pointer need not be on a mark: the nearest one within reach tells its value. */
const REACH = 28;
const tip = document.createElement("div");
tip.className = "tip";
tip.hidden = true;
document.body.append(tip);

for (const svg of document.querySelectorAll(".plot svg")) {
  const marks = [...svg.querySelectorAll(".hint")].map((hint) => ({ hint, says: hint.textContent.trim() }));
  for (const { hint } of marks) hint.replaceChildren(); // the browser's own tip would stand beside ours
  svg.addEventListener("pointermove", (event) => {
    let nearest = null, least = REACH;
    for (const mark of marks) {
      const box = mark.hint.getBoundingClientRect();
      const away = Math.hypot(box.x + box.width / 2 - event.clientX, box.y + box.height / 2 - event.clientY);
      if (away < least) [nearest, least] = [mark, away];
    }
    for (const { hint } of marks) hint.classList.toggle("on", hint === nearest?.hint);
    tip.hidden = !nearest;
    if (!nearest) return;
    tip.textContent = nearest.says;
    const left = Math.min(event.clientX + 14, document.documentElement.clientWidth - tip.offsetWidth - 8);
    tip.style.translate = `${left}px ${event.clientY + 16}px`;
  });
  svg.addEventListener("pointerleave", () => {
    tip.hidden = true;
    for (const { hint } of marks) hint.classList.remove("on");
  });
}
