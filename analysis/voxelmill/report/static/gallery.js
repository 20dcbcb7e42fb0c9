// Gallery: outlines on and off, one well only, size of the cards, an enlarged view.
const chosen = { well: null, card: null };

function shownCards() {
  return all("#gallery figure").filter((card) => !card.hidden);
}

function filterCards() {
  const flaggedOnly = find("#cards-flagged")?.checked;
  for (const card of all("#gallery figure")) {
    const other = chosen.well !== null && Number(card.dataset.well) !== chosen.well;
    card.hidden = other || (flaggedOnly && card.dataset.flagged !== "1");
  }
}

function wellNotes(well) {
  const notes = [...well.notes];
  if (!shownCards().length) notes.push("No thumbnail of this well is in this file.");
  return notes.map((note) => element("li", note));
}

function wellFacts(index) {
  const facts = [["Verdict", report.wells[index].verdict], ...treatments(index)];
  for (const map of all("[data-map] [data-measure]")) {
    const measure = report.measures[map.value];
    if (measure) facts.push([map.selectedOptions[0].textContent, numberText(measure.values[index])]);
  }
  return facts.map(([name, text]) => {
    const fact = element("div");
    fact.append(element("dt", name), element("dd", text));
    return fact;
  });
}

function fillWellFields(well) {
  const heads = [["Site"], ["Verdict"], ["Why", "why"], ...report.sets.map((set) => [set, "n"]), ["Image", "path"]];
  fillTable(find("#well-fields"), heads, well.fields.map((i) => [
    report.fields.site[i],
    stateMark(stateOf(i)),
    reasonOf(i) ?? flagsOf(i).join("; "),
    ...report.sets.map((_, s) => (known(report.fields.counts[s][i]) ? String(report.fields.counts[s][i]) : "–")),
    report.fields.image[i],
  ]));
}

function fillWellValues() {
  if (chosen.well === null || !find("#well-all").open) return;
  const words = find("#well-find").value.toLowerCase().split(/\s+/);
  const names = all("[data-measure]")[0] ? all("option", all("[data-measure]")[0]) : [];
  const heads = [["Measure"], ["This well", "n"], ["Median of the wells", "n"], ["Unit"]];
  const rows = names.filter((option) => {
    const name = `${option.parentElement.label} ${option.textContent}`.toLowerCase();
    return words.every((word) => name.includes(word));
  }).map((option) => {
    const measure = report.measures[option.value];
    return [option.textContent, numberText(measure.values[chosen.well]), numberText(median(measure.values)), measure.unit];
  });
  fillTable(find("#well-values"), heads, rows);
}

function chooseWell(index) {
  chosen.well = index;
  for (const link of all(".well")) link.classList.toggle("chosen", Number(link.dataset.well) === index);
  const panel = find("#well-panel");
  panel.hidden = index === null;
  filterCards();
  drawSpread();
  if (index === null) return;
  find("#well-name").textContent = `Well ${report.wells[index].name}`;
  find("#well-facts").replaceChildren(...wellFacts(index));
  find("#well-notes").replaceChildren(...wellNotes(report.wells[index]));
  fillWellFields(report.wells[index]);
  fillWellValues();
  panel.scrollIntoView();
  panel.focus({ preventScroll: true });
}

function orderCards() {
  const key = find("#card-order").value === "rank" ? "rank" : "place";
  const cards = all("#gallery figure").sort((a, b) => a.dataset[key] - b.dataset[key]);
  find("#gallery").replaceChildren(...cards);
}

function enlarge(card) {
  chosen.card = card;
  find("#viewer-title").textContent = find(".name", card).textContent.trim();
  const rest = all(".counts span, .note, .flags", card).map((part) => part.textContent);
  find("#viewer-text").textContent = rest.join(" · ");
  find("#viewer-body").replaceChildren(find("svg[role=img]", card).cloneNode(true));
  const viewer = find("#viewer");
  if (!viewer.open) viewer.showModal();
}

function step(by) {
  const cards = shownCards();
  const next = cards[(cards.indexOf(chosen.card) + by + cards.length) % cards.length];
  if (next) enlarge(next);
}

function setUpGallery() {
  for (const box of all("[data-set]")) {
    box.addEventListener("change", () => document.body.classList.toggle(`off-${box.dataset.set}`, !box.checked));
  }
  for (const card of all("#gallery figure")) find(".picture", card).addEventListener("click", () => enlarge(card));
  const size = find("#card-size");
  const resize = () => find("#gallery").style.setProperty("--side", `${size.value}px`);
  size?.addEventListener("input", resize);
  if (size) resize();
  find("#cards-flagged")?.addEventListener("change", filterCards);
  find("#card-order")?.addEventListener("change", orderCards);
  find("#well-all").addEventListener("toggle", fillWellValues);
  find("#well-find").addEventListener("input", fillWellValues);
  find("#well-clear").addEventListener("click", () => chooseWell(null));
  for (const button of all("#viewer [data-step]")) {
    const by = Number(button.dataset.step);
    button.addEventListener("click", () => (by ? step(by) : find("#viewer").close()));
  }
  find("#viewer").addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });
  filterCards();
}

for (const map of all("[data-map]")) setUpMap(map);
setUpSpread();
setUpFields();
setUpGallery();
