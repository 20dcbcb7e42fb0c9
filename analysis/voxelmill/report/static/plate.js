// Plate maps: recolour on choice, tooltips, arrow keys, a click opens the well's images.
function colour(share) {
  const at = 6 * Math.max(0, Math.min(255, Math.floor(255 * share)));
  return `#${report.viridis.slice(at, at + 6)}`;
}

function paintWell(link, map, measure, range) {
  const well = report.wells[link.dataset.well];
  const value = measure.values[link.dataset.well];
  const tile = find(".tile", link);
  const text = find("text", link);
  let ink = "plain";
  if (known(value)) {
    const share = range[1] > range[0] ? (value - range[0]) / (range[1] - range[0]) : 0.503;
    tile.setAttribute("fill", colour(share));
    ink = share > 0.59 ? "dark" : "light";
  } else {
    tile.setAttribute("fill", `url(#hatch-${map.dataset.map})`);
  }
  if (text) {
    text.textContent = shortText(value);
    text.setAttribute("class", ink);
  }
  const unit = measure.unit ? ` ${measure.unit}` : "";
  link.setAttribute("aria-label", `${well.name}: ${numberText(value)}${known(value) ? unit : ""}; ${well.verdict}`);
}

function paintMap(map) {
  const select = find("[data-measure]", map);
  if (!select.value) return;
  const measure = report.measures[select.value];
  const placed = all(".well", map).map((link) => measure.values[link.dataset.well]);
  const range = span(placed, Number(find("[data-range]", map).value)) || [0, 1];
  for (const link of all(".well", map)) paintWell(link, map, measure, range);
  const ticks = [range[0], (range[0] + range[1]) / 2, range[1]].map(numberText);
  all("[data-tick]", map).forEach((tick, i) => { tick.textContent = ticks[i]; });
  find("[data-name]", map).textContent = select.selectedOptions[0].textContent;
  find("[data-unit]", map).textContent = measure.unit ? ` (${measure.unit})` : "";
}

function wellLines(label, index) {
  const more = [...treatments(index).map(([name, group]) => `${name}: ${group}`), ...report.wells[index].notes];
  return [label.replace(/; /g, "\n"), ...more].join("\n");
}

function nextWell(links, from, key) {
  const place = (link) => link.getAttribute("transform").match(/[\d.]+/g).map(Number);
  const [x, y] = place(from);
  const along = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  let best = null;
  for (const link of links) {
    const [u, v] = place(link);
    const ahead = (u - x) * along[0] + (v - y) * along[1];
    const aside = Math.abs((u - x) * along[1]) + Math.abs((v - y) * along[0]);
    if (ahead > 0 && aside === 0 && (!best || ahead < best.ahead)) best = { link, ahead };
  }
  return best && best.link;
}

function setUpMap(map) {
  const links = all(".well", map);
  const stop = (link) => links.forEach((other) => other.setAttribute("tabindex", other === link ? 0 : -1));
  if (links.length) stop(links[0]);
  for (const link of links) {
    const name = link.getAttribute.bind(link, "aria-label");
    const lines = () => wellLines(name(), Number(link.dataset.well));
    link.addEventListener("mousemove", (event) => showTip(lines(), event.clientX, event.clientY));
    link.addEventListener("mouseleave", hideTip);
    link.addEventListener("blur", hideTip);
    link.addEventListener("focus", () => {
      const box = link.getBoundingClientRect();
      stop(link);
      if (link.matches(":focus-visible")) showTip(lines(), box.left, box.bottom);
    });
    link.addEventListener("click", (event) => {
      event.preventDefault();
      hideTip();
      chooseWell(Number(link.dataset.well));
    });
    link.addEventListener("keydown", (event) => {
      if (event.key === "Escape") hideTip();
      if (!event.key.startsWith("Arrow")) return;
      event.preventDefault();
      nextWell(links, link, event.key)?.focus();
    });
  }
  find("[data-range]", map).addEventListener("change", () => paintMap(map));
  watchMeasures(map, () => paintMap(map));
  paintMap(map);
}
