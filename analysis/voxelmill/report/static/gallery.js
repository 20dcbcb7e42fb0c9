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
  const notes = well.fields.flatMap((i) => {
    const reason = report.fields.reason[i];
    if (reason !== null) return [`${fieldTitle(i)} is quarantined: ${reason}`];
    return report.fields.flags[i].map((flag) => `${fieldTitle(i)} is flagged: ${flag}`);
  });
  if (!shownCards().length) notes.push("No thumbnail of this well is in this file.");
  return notes.map((note) => element("li", note));
}

function wellFacts(index) {
  const facts = [];
  for (const map of all("[data-measure]")) {
    const measure = report.measures[map.value];
    if (!measure) continue;
    const fact = element("div");
    fact.append(element("dt", map.selectedOptions[0].textContent), element("dd", numberText(measure.values[index])));
    facts.push(fact);
  }
  const fields = element("div");
  fields.append(element("dt", "Images"), element("dd", report.wells[index].verdict));
  return [fields, ...facts];
}

function chooseWell(index) {
  chosen.well = index;
  for (const link of all(".well")) link.classList.toggle("chosen", Number(link.dataset.well) === index);
  const panel = find("#well-panel");
  panel.hidden = index === null;
  filterCards();
  if (index === null) return;
  find("#well-name").textContent = `Well ${report.wells[index].name}`;
  find("#well-facts").replaceChildren(...wellFacts(index));
  find("#well-notes").replaceChildren(...wellNotes(report.wells[index]));
  find("#images").scrollIntoView();
  panel.focus({ preventScroll: true });
}

function enlarge(card) {
  chosen.card = card;
  find("#viewer-title").textContent = find(".name", card).textContent.trim();
  const rest = all(".counts span, .flags", card).map((part) => part.textContent);
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
setUpFields();
setUpGallery();
