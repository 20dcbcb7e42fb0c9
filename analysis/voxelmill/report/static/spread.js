// Distributions: wells as dots with boxes, by group; objects as a histogram.
const SPREAD = { row: 46, left: 150, right: 18, top: 8, bottom: 40, height: 230, label: 20 };

function spreadMeasure() {
  const select = find("[data-spread] [data-measure]");
  return { index: select.value, name: select.selectedOptions[0]?.textContent ?? "", ...report.measures[select.value] };
}

function spreadGroups(values) {
  const grouping = report.groupings[find("#group-by")?.value ?? -1];
  const wells = [...values.keys()].filter((i) => known(values[i]));
  if (!grouping) return [{ name: "all wells", wells }];
  return grouping.groups.map((name, g) => ({ name, wells: wells.filter((i) => grouping.of[i] === g) }));
}

function plot(height, label, name = "img") {
  const width = SPREAD.width;
  const made = element("svg", "", { viewBox: `0 0 ${width} ${height}`, width, height, role: name, "aria-label": label, class: "plot" }, SVG);
  return made;
}

function axis(svg, low, high, x, top, bottom, title) {
  for (const tick of niceTicks(low, high)) {
    svg.append(element("path", "", { class: "grid", d: `M${x(tick)} ${top}V${bottom}` }, SVG));
    svg.append(element("text", shortText(tick) || "0", { x: x(tick), y: bottom + 15, "text-anchor": "middle" }, SVG));
  }
  svg.append(element("text", title, { class: "title", x: (x(low) + x(high)) / 2, y: bottom + 33, "text-anchor": "middle" }, SVG));
}

function short(name) {
  return name.length > SPREAD.label ? `${name.slice(0, SPREAD.label - 1)}…` : name;
}

// A fixed scatter, so that dots lie at the same place whenever they are drawn.
function scatter(i) {
  return ((i * 0.6180339887498949) % 1) - 0.5;
}

function drawBox(svg, values, x, y) {
  const sorted = values.slice().sort((a, b) => a - b);
  if (sorted.length < 3) return;
  const [low, middle, high] = [0.25, 0.5, 0.75].map((share) => x(quantile(sorted, share)));
  svg.append(element("rect", "", { class: "box", x: low, y: y - 14, width: Math.max(1, high - low), height: 28, rx: 3 }, SVG));
  svg.append(element("path", "", { class: "median", d: `M${middle} ${y - 14}v28` }, SVG));
}

function drawWells(measure, groups) {
  const { left, right, top, row, bottom } = SPREAD;
  const shown = groups.flatMap((group) => group.wells.map((i) => measure.values[i]));
  const range = span(shown, 0);
  if (!range) return element("p", "No well has a value.", { class: "hint" });
  const pad = (range[1] - range[0]) * 0.04 || Math.abs(range[0]) * 0.05 || 1;
  const [low, high] = [range[0] - pad, range[1] + pad];
  const x = (value) => left + (SPREAD.width - left - right) * (value - low) / (high - low);
  const height = top + row * groups.length + bottom;
  const unit = measure.unit ? ` (${measure.unit})` : "";
  const svg = plot(height, `${measure.name} of ${shown.length} wells, by group; a summary is in the table below`);
  axis(svg, low, high, x, top, height - bottom, `${measure.name}${unit}`);
  const dots = [];
  groups.forEach((group, g) => {
    const y = top + row * (g + 0.5);
    const name = element("text", short(group.name), { class: "group", x: left - 10, y: y + 4, "text-anchor": "end" }, SVG);
    name.append(element("title", group.name, {}, SVG));
    svg.append(name);
    drawBox(svg, group.wells.map((i) => measure.values[i]), x, y);
    for (const i of group.wells) dots.push({ i, x: x(measure.values[i]), y: y + 20 * scatter(i) });
  });
  for (const dot of dots) {
    const state = report.wells[dot.i].state;
    const bad = state === "pass" ? "" : " bad";
    const at = bad ? { class: `dot${bad}`, d: `M${dot.x} ${dot.y - 4.5}l4.5 8h-9z` } : { class: "dot", cx: dot.x, cy: dot.y, r: 3 };
    svg.append(element(bad ? "path" : "circle", "", at, SVG));
    if (dot.i === chosen.well) svg.append(element("circle", "", { class: "near", cx: dot.x, cy: dot.y, r: 7 }, SVG));
  }
  watchDots(svg, dots, measure);
  return svg;
}

function watchDots(svg, dots, measure) {
  const ring = element("circle", "", { class: "near", r: 7, visibility: "hidden" }, SVG);
  svg.append(ring);
  const nearest = (event) => {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const far = (dot) => (dot.x - point.x) ** 2 + (dot.y - point.y) ** 2;
    const best = dots.reduce((a, b) => (far(b) < far(a) ? b : a));
    return far(best) < 400 ? best : null;
  };
  svg.addEventListener("mousemove", (event) => {
    const dot = nearest(event);
    ring.setAttribute("visibility", dot ? "visible" : "hidden");
    if (!dot) { hideTip(); return; }
    ring.setAttribute("cx", dot.x);
    ring.setAttribute("cy", dot.y);
    const well = report.wells[dot.i];
    showTip(wellLines(`${well.name}: ${numberText(measure.values[dot.i])}; ${well.verdict}`, dot.i), event.clientX, event.clientY);
  });
  svg.addEventListener("mouseleave", () => { hideTip(); ring.setAttribute("visibility", "hidden"); });
  svg.addEventListener("click", (event) => { const dot = nearest(event); if (dot) { hideTip(); chooseWell(dot.i); } });
}

function drawHistogram(measure, found) {
  const { right, top, bottom, height } = SPREAD;
  const left = 56;
  const [low, high] = found.range;
  const most = Math.max(...found.counts, 1);
  const x = (value) => left + (SPREAD.width - left - right) * (value - low) / (high - low || 1);
  const y = (count) => top + (height - top - bottom) * (1 - count / most);
  const number = found.counts.reduce((a, b) => a + b, 0) + found.outside[0] + found.outside[1];
  const svg = plot(height, `${measure.name}: histogram of ${number} objects from ${numberText(low)} to ${numberText(high)}`);
  for (const tick of niceTicks(0, most)) {
    svg.append(element("path", "", { class: "grid", d: `M${left} ${y(tick)}H${SPREAD.width - right}` }, SVG));
    svg.append(element("text", shortText(tick) || "0", { x: left - 8, y: y(tick) + 4, "text-anchor": "end" }, SVG));
  }
  const step = (high - low) / found.counts.length;
  found.counts.forEach((count, b) => {
    const [from, to] = [low + b * step, low + (b + 1) * step];
    const bar = element("rect", "", { class: "bin", x: x(from), y: y(count), width: Math.max(0.5, x(to) - x(from) - 1), height: y(0) - y(count) }, SVG);
    const text = `${numberText(from)} to ${numberText(to)}\n${count} objects`;
    bar.addEventListener("mousemove", (event) => showTip(text, event.clientX, event.clientY));
    bar.addEventListener("mouseleave", hideTip);
    svg.append(bar);
  });
  axis(svg, low, high, x, top, height - bottom, measure.unit ? `${measure.name} (${measure.unit})` : measure.name);
  return svg;
}

function drawSpread() {
  if (!find("#spread")) return;
  const measure = spreadMeasure();
  const groups = spreadGroups(measure.values ?? []);
  const objects = report.objects[measure.index];
  const [wells, beside] = [find("#spread-wells"), find("#spread-objects")];
  const both = measure.values.length && objects;
  find(".plots").classList.toggle("both", Boolean(both));
  SPREAD.width = Math.max(300, find(".plots").clientWidth * (both && find(".plots").clientWidth > 900 ? 0.5 : 1) - (both ? 12 : 0));
  SPREAD.left = groups.length > 1 ? 150 : 84;
  wells.replaceChildren(...(measure.values.length ? [element("h3", "Wells"), drawWells(measure, groups)] : []));
  beside.replaceChildren(...(objects ? [element("h3", "Objects"), drawHistogram(measure, objects), outside(objects)] : []));
  drawSummary(measure, groups, objects);
}

function outside(found) {
  const [below, above] = found.outside;
  const words = [below ? `${below} below` : "", above ? `${above} above` : ""].filter(Boolean);
  return element("p", words.length ? `Beyond what is shown: ${words.join(", ")}.` : "", { class: "hint" });
}

function drawSummary(measure, groups, objects) {
  const heads = [["Group"], ["Wells", "n"], ["Minimum", "n"], ["Lower quartile", "n"], ["Median", "n"], ["Upper quartile", "n"], ["Maximum", "n"]];
  find("#spread-table").hidden = !measure.values.length && Boolean(objects);
  fillTable(find("#spread-table"), heads, groups.map((group) => {
    const sorted = group.wells.map((i) => measure.values[i]).sort((a, b) => a - b);
    const shares = [0, 0.25, 0.5, 0.75, 1].map((share) => (sorted.length ? numberText(quantile(sorted, share)) : "–"));
    return [group.name, String(sorted.length), ...shares];
  }));
}

function setUpSpread() {
  if (!find("#spread")) return;
  watchMeasures(find("[data-spread]"), drawSpread);
  find("#group-by")?.addEventListener("change", drawSpread);
  let width = find(".plots").clientWidth;
  window.addEventListener("resize", () => {
    if (find(".plots").clientWidth !== width) { width = find(".plots").clientWidth; drawSpread(); }
  });
  drawSpread();
}
