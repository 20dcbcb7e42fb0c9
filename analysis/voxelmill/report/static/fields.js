// Quality: strip plots of one metric for every channel, and the sortable table of all images.
const PAGE = 100;
const STRIP = { width: 1200, height: 150, left: 62, right: 12, top: 12, bottom: 24 };
const view = { sort: "Verdict", falling: false, rows: PAGE };

function niceTicks(low, high) {
  const rough = (high - low) / 4 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((f) => f * power).find((s) => s >= rough);
  const ticks = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-9; at += step) ticks.push(Number(at.toPrecision(12)));
  return ticks;
}

function stripX(count) {
  const { width, left, right } = STRIP;
  const wells = report.wells;
  const place = new Array(count);
  const room = (width - left - right) / Math.max(1, wells.length || count);
  if (!wells.length) return { at: place.fill(0).map((_, i) => left + (i + 0.5) * room), room };
  wells.forEach((well, w) => well.fields.forEach((field, k) => {
    place[field] = left + (w + (k + 1) / (well.fields.length + 1)) * room;
  }));
  return { at: place, room };
}

function isBad(index, channel) {
  const flags = report.fields.flags[index];
  return flags.some((flag) => !channel || !flag.includes(": ") || flag.startsWith(`${channel}: `));
}

function drawAxes(svg, low, high, y, room) {
  const { width, height, left, right } = STRIP;
  for (const tick of niceTicks(low, high)) {
    svg.append(element("path", "", { class: "grid", d: `M${left} ${y(tick)}H${width - right}` }, SVG));
    svg.append(element("text", shortText(tick) || "0", { x: left - 8, y: y(tick) + 4, "text-anchor": "end" }, SVG));
  }
  const every = Math.ceil(46 / room);
  report.wells.forEach((well, w) => {
    if (w % every) return;
    svg.append(element("text", well.name, { x: left + (w + 0.5) * room, y: height - 7, "text-anchor": "middle" }, SVG));
  });
}

function drawStrip(metric, series) {
  const { width, height, left, right, top, bottom } = STRIP;
  const { at, room } = stripX(series.values.length);
  const range = span([...series.values, ...series.limits], 0);
  if (!range) return null;
  const pad = (range[1] - range[0]) * 0.06 || Math.abs(range[0]) * 0.05 || 1;
  const [low, high] = [range[0] - pad, range[1] + pad];
  const y = (value) => top + (height - top - bottom) * (1 - (value - low) / (high - low));
  const label = `${metric.label} of ${series.values.filter(known).length} images${series.channel ? `, channel ${series.channel}` : ""}; the values are in the table below`;
  const svg = element("svg", "", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, SVG);
  drawAxes(svg, low, high, y, room);
  for (const limit of series.limits.filter(known)) {
    svg.append(element("path", "", { class: "limit", d: `M${left} ${y(limit)}H${width - right}` }, SVG));
  }
  let dots = "";
  const bad = [];
  series.values.forEach((value, i) => {
    if (!known(value)) return;
    if (isBad(i, series.channel)) bad.push([at[i], y(value)]);
    else dots += `M${at[i].toFixed(1)} ${y(value).toFixed(1)}h0`;
  });
  svg.append(element("path", "", { class: at.length > 600 ? "dots many" : "dots", d: dots }, SVG));
  for (const [u, v] of bad) svg.append(element("path", "", { class: "bad", d: `M${u} ${v - 6}l6 10.5h-12z` }, SVG));
  watchStrip(svg, series, at, y);
  return svg;
}

function watchStrip(svg, series, at, y) {
  const ring = element("circle", "", { class: "near", r: 7, visibility: "hidden" }, SVG);
  svg.append(ring);
  svg.addEventListener("mousemove", (event) => {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    let best = -1;
    let least = 400;
    series.values.forEach((value, i) => {
      if (!known(value)) return;
      const distance = (at[i] - point.x) ** 2 + (y(value) - point.y) ** 2;
      if (distance < least) [best, least] = [i, distance];
    });
    ring.setAttribute("visibility", best < 0 ? "hidden" : "visible");
    if (best < 0) { hideTip(); return; }
    ring.setAttribute("cx", at[best]);
    ring.setAttribute("cy", y(series.values[best]));
    showTip(`${fieldTitle(best)}: ${numberText(series.values[best])}\n${report.fields.flags[best].join("\n")}`, event.clientX, event.clientY);
  });
  svg.addEventListener("mouseleave", () => { hideTip(); ring.setAttribute("visibility", "hidden"); });
}

function drawStrips() {
  const place = find("#strips");
  if (!place) return;
  STRIP.width = Math.max(320, place.clientWidth);
  const metric = report.metrics[find("#metric").value];
  const made = metric.series.map((series) => {
    const svg = drawStrip(metric, series);
    if (!svg) return null;
    const box = element("div", "", { class: "strip" });
    const unit = metric.unit ? ` (${metric.unit})` : "";
    box.append(element("h3", `${series.channel || metric.label}${unit}`), svg);
    return box;
  });
  place.replaceChildren(...made.filter(known));
}

function columnsShown() {
  const { fields, wells } = report;
  const plate = wells.length > 0;
  const order = { quarantined: 0, flagged: 1, ok: 2 };
  const columns = plate ? [
    { name: "Well", head: true, text: (i) => wells[fields.well[i]]?.name ?? "", key: (i) => fields.well[i] },
    { name: "Site", text: (i) => fields.site[i] },
  ] : [{ name: "Image", head: true, text: (i) => fields.image[i] }];
  columns.push(
    { name: "Verdict", status: true, text: statusOf, key: (i) => order[statusOf(i)] },
    { name: "Why", style: "why", text: (i) => fields.reason[i] ?? fields.flags[i].join("; ") },
  );
  report.sets.forEach((set, s) => columns.push({ name: set, number: true, key: (i) => fields.counts[s][i] }));
  const metric = report.metrics[find("#metric")?.value ?? -1];
  for (const series of metric?.series ?? []) {
    const name = [series.channel, metric.label].filter(Boolean).join(" ");
    columns.push({ name, number: true, key: (i) => series.values[i] });
  }
  if (plate) columns.push({ name: "Image", style: "path", text: (i) => fields.image[i] });
  return columns;
}

function compare(column) {
  const key = column.key ?? column.text;
  return (a, b) => {
    const [u, v] = [key(a), key(b)];
    if (!known(u) || !known(v)) return known(u) ? -1 : known(v) ? 1 : 0;
    const order = typeof u === "string" ? u.localeCompare(v, "en", { numeric: true }) : u - v;
    return view.falling ? -order : order;
  };
}

function rowsShown(columns) {
  const words = find("#field-find").value.toLowerCase().split(/\s+/);
  const onlyBad = find("#only-bad").checked;
  const { fields, wells } = report;
  const rows = [...fields.image.keys()].filter((i) => {
    if (onlyBad && statusOf(i) === "ok") return false;
    const text = `${wells[fields.well[i]]?.name ?? ""} ${fields.image[i]} ${fields.reason[i] ?? ""} ${fields.flags[i].join(" ")} ${statusOf(i)}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  const column = columns.find((c) => c.name === view.sort);
  return column ? rows.sort(compare(column)) : rows;
}

function cellOf(column, i) {
  if (column.number) {
    const value = column.key(i);
    return element("td", known(value) ? numberText(value) : "–", { class: "n" });
  }
  const cell = element(column.head ? "th" : "td", "", column.head ? { scope: "row" } : {});
  cell.className = column.style ?? "";
  if (!column.status) { cell.textContent = column.text(i); return cell; }
  const state = element("span", "", { class: "state" });
  const status = column.text(i);
  state.append(markOf(status), status === "ok" ? "passed" : status);
  cell.append(state);
  return cell;
}

function headOf(column) {
  const order = column.name !== view.sort ? "none" : view.falling ? "descending" : "ascending";
  const head = element("th", "", { scope: "col", "aria-sort": order, class: column.number ? "n" : "" });
  const button = element("button", column.name, { type: "button" });
  button.addEventListener("click", () => {
    view.falling = view.sort === column.name && !view.falling;
    view.sort = column.name;
    drawTable();
    all("#fields thead button").find((other) => other.textContent === column.name).focus();
  });
  head.append(button);
  return head;
}

function drawTable() {
  const columns = columnsShown();
  const rows = rowsShown(columns);
  const top = element("tr");
  top.append(...columns.map(headOf));
  find("#fields thead").replaceChildren(top);
  find("#fields tbody").replaceChildren(...rows.slice(0, view.rows).map((i) => {
    const row = element("tr");
    row.append(...columns.map((column) => cellOf(column, i)));
    return row;
  }));
  const shown = Math.min(view.rows, rows.length);
  find("#field-count").textContent = `${shown} of ${report.fields.image.length} images shown`;
  find("#field-more").hidden = shown === rows.length;
}

function setUpFields() {
  if (!find("#quality")) return;
  const metric = find("#metric");
  if (metric) {
    report.metrics.forEach((m, i) => metric.append(element("option", m.label, { value: i })));
    metric.addEventListener("change", () => { drawStrips(); drawTable(); });
  }
  const again = () => { view.rows = PAGE; drawTable(); };
  find("#field-find").addEventListener("input", again);
  find("#only-bad").addEventListener("change", again);
  find("#field-more").addEventListener("click", () => { view.rows += 5 * PAGE; drawTable(); });
  drawStrips();
  drawTable();
  window.addEventListener("resize", () => { if (find("#strips")?.clientWidth !== STRIP.width) drawStrips(); });
}
