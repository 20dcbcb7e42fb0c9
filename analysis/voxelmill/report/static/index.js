"use strict";
// The index: its table is whole without this; here it is sorted and filtered.
const table = document.getElementById("datasets");
const body = table.tBodies[0];
const rows = [...body.rows];
const heads = [...table.tHead.rows[0].cells];

function keyOf(row, column) {
  const text = row.cells[column].dataset.key;
  const number = column > 0;
  return number ? (text === "" ? null : Number(text)) : text;
}

function sortBy(column, falling) {
  const order = (a, b) => {
    const [u, v] = [keyOf(a, column), keyOf(b, column)];
    if (u === null || v === null) return (u === null) - (v === null);
    const by = typeof u === "string" ? u.localeCompare(v, "en", { numeric: true }) : u - v;
    return falling ? -by : by;
  };
  body.append(...rows.slice().sort(order));
  heads.forEach((head, c) => head.setAttribute("aria-sort", c !== column ? "none" : falling ? "descending" : "ascending"));
}

function filter() {
  const words = document.getElementById("find").value.toLowerCase().split(/\s+/);
  const level = document.getElementById("level").value;
  let shown = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !((level === "all" || row.dataset.level === level) && words.every((word) => text.includes(word)));
    shown += row.hidden ? 0 : 1;
  }
  document.getElementById("shown").textContent = `${shown} of ${rows.length} datasets shown`;
}

heads.forEach((head, column) => {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = head.textContent;
  button.addEventListener("click", () => sortBy(column, head.getAttribute("aria-sort") === "ascending"));
  head.replaceChildren(button);
  head.setAttribute("aria-sort", "none");
});
document.getElementById("find").addEventListener("input", filter);
document.getElementById("level").addEventListener("change", filter);
sortBy(1, false);
filter();
