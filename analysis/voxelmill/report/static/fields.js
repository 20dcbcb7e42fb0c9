// Quality: strip plots of one metric for every channel, and the sortable table of all images.
const STRIP = { width: 1200, height: 150, left: 62, right: 12, top: 12, bottom: 24 };
const SEVERITY = { quarantined: 0, fail: 1, excluded: 2, warn: 3, pass: 4 };

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
  return flagsOf(index).some((flag) => !channel || !flag.includes(": ") || flag.startsWith(`${channel}: `));
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
    showTip(`${fieldTitle(best)}: ${numberText(series.values[best])}\n${flagsOf(best).join("\n")}`, event.clientX, event.clientY);
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
  const columns = plate ? [
    { name: "Well", head: true, text: (i) => wells[fields.well[i]]?.name ?? "", key: (i) => fields.well[i] },
    { name: "Site", text: (i) => fields.site[i] },
  ] : [{ name: "Image", head: true, text: (i) => fields.image[i] }];
  columns.push(
    { name: "Verdict", node: (i) => stateMark(stateOf(i)), key: (i) => SEVERITY[stateOf(i)] },
    { name: "Why", style: "why", text: (i) => reasonOf(i) ?? flagsOf(i).join("; ") },
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

function fieldText(i) {
  const words = [report.wells[report.fields.well[i]]?.name, report.fields.image[i], reasonOf(i), ...flagsOf(i), STATE_WORDS[stateOf(i)], stateOf(i)];
  return words.filter(known).join(" ").toLowerCase();
}

const fieldTable = sortable(find("#fields"), {
  sort: "Verdict",
  count: () => report.fields.image.length,
  columns: columnsShown,
  keep: (i) => {
    if (find("#only-bad").checked && stateOf(i) === "pass") return false;
    const text = fieldText(i);
    return find("#field-find").value.toLowerCase().split(/\s+/).every((word) => text.includes(word));
  },
  said: (shown, fitting, whole) => {
    find("#field-count").textContent = `${shown} of ${whole} images shown`;
    find("#field-more").hidden = shown === fitting;
  },
});

function setUpFields() {
  if (!find("#quality")) return;
  const metric = find("#metric");
  if (metric) {
    report.metrics.forEach((m, i) => metric.append(element("option", m.label, { value: i })));
    metric.addEventListener("change", () => { drawStrips(); fieldTable.draw(); });
  }
  find("#field-find").addEventListener("input", fieldTable.again);
  find("#only-bad").addEventListener("change", fieldTable.again);
  find("#field-more").addEventListener("click", fieldTable.more);
  drawStrips();
  fieldTable.draw();
  window.addEventListener("resize", () => { if (find("#strips") && find("#strips").clientWidth !== STRIP.width) drawStrips(); });
  // All rows are printed, whatever is shown, and what is folded up above.
  const folded = all("header details:not([open])");
  window.addEventListener("beforeprint", () => { fieldTable.whole(); for (const part of folded) part.open = true; });
  window.addEventListener("afterprint", () => { fieldTable.again(); for (const part of folded) part.open = false; });
}
