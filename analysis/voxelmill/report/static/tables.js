// Sortable tables, a part of their rows at a time; and the ticks of axes.
const PAGE = 100;

function niceTicks(low, high) {
  const rough = (high - low) / 4 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((f) => f * power).find((s) => s >= rough);
  const ticks = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-9; at += step) ticks.push(Number(at.toPrecision(12)));
  return ticks;
}

// columns: {name, head, number, style, text(i), key(i), node(i)}; keep(i): whether a row is shown.
function sortable(table, { sort, count, columns, keep, said }) {
  const view = { sort, falling: false, rows: PAGE };

  function compare(column) {
    const key = column.key ?? column.text;
    return (a, b) => {
      const [u, v] = [key(a), key(b)];
      if (!known(u) || !known(v)) return known(u) ? -1 : known(v) ? 1 : a - b;
      const order = typeof u === "string" ? u.localeCompare(v, "en", { numeric: true }) : u - v;
      return (view.falling ? -order : order) || a - b;
    };
  }

  function cellOf(column, i) {
    if (column.number) {
      const value = column.key(i);
      const text = column.text ? column.text(i) : known(value) ? numberText(value) : "–";
      return element("td", text, { class: "n" });
    }
    const cell = element(column.head ? "th" : "td", "", column.head ? { scope: "row" } : {});
    cell.className = column.style ?? "";
    cell.append(column.node ? column.node(i) : column.text(i));
    return cell;
  }

  function headOf(column) {
    const order = column.name !== view.sort ? "none" : view.falling ? "descending" : "ascending";
    const head = element("th", "", { scope: "col", "aria-sort": order, class: column.number ? "n" : "" });
    const button = element("button", column.name, { type: "button" });
    button.addEventListener("click", () => {
      view.falling = view.sort === column.name && !view.falling;
      view.sort = column.name;
      draw();
      all("thead button", table).find((other) => other.textContent === column.name).focus();
    });
    head.append(button);
    return head;
  }

  function draw() {
    const shownColumns = columns();
    const rows = [...Array(count()).keys()].filter(keep);
    const column = shownColumns.find((c) => c.name === view.sort);
    if (column) rows.sort(compare(column));
    const top = element("tr");
    top.append(...shownColumns.map(headOf));
    find("thead", table).replaceChildren(top);
    const few = rows.slice(0, view.rows);
    find("tbody", table).replaceChildren(...few.map((i) => {
      const row = element("tr");
      row.append(...shownColumns.map((each) => cellOf(each, i)));
      return row;
    }));
    said(few.length, rows.length, count());
  }

  return {
    draw,
    again: () => { view.rows = PAGE; draw(); },
    more: () => { view.rows += 5 * PAGE; draw(); },
    whole: () => { view.rows = Infinity; draw(); },
  };
}

function fillTable(table, heads, rows) {
  const top = element("tr");
  top.append(...heads.map(([name, style]) => element("th", name, { scope: "col", class: style ?? "" })));
  find("thead", table).replaceChildren(top);
  find("tbody", table).replaceChildren(...rows.map((cells) => {
    const row = element("tr");
    row.append(...cells.map((cell, c) => {
      const made = element(c ? "td" : "th", "", { class: heads[c][1] ?? "" });
      if (!c) made.setAttribute("scope", "row");
      made.append(cell);
      return made;
    }));
    return row;
  }));
}
