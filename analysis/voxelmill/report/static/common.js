"use strict";
// Shared by the parts below. Texts of the data reach the page by textContent only.
const report = JSON.parse(document.getElementById("payload").textContent);
const SVG = "http://www.w3.org/2000/svg";
const find = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

function element(name, text = "", attributes = {}, space = "") {
  const made = space ? document.createElementNS(space, name) : document.createElement(name);
  if (text !== "") made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function known(value) {
  return value !== null && value !== undefined;
}

function numberText(value) {
  if (!known(value)) return "no value";
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  return String(Number(value.toPrecision(4)));
}

function shortText(value) {
  if (!known(value)) return "";
  const size = Math.abs(value);
  if (size >= 1e6 || (size > 0 && size < 0.001)) return value.toExponential(0).replace("+", "");
  if (size >= 10000) return `${Number((value / 1000).toPrecision(3))}k`;
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(size < 0.1 ? 2 : 3)));
}

function span(values, percent) {
  const sorted = values.filter(known).sort((a, b) => a - b);
  if (!sorted.length) return null;
  const at = (share) => sorted[Math.round(share * (sorted.length - 1))];
  return [at(percent / 100), at(1 - percent / 100)];
}

const STATES = { p: "pass", w: "warn", f: "fail", x: "excluded", q: "quarantined" };
const STATE_WORDS = { pass: "passed", warn: "warning", fail: "failed", excluded: "excluded", quarantined: "quarantined" };

function stateOf(index) {
  return STATES[report.fields.state[index]];
}

function flagsOf(index) {
  return report.fields.flags[index] ?? [];
}

function reasonOf(index) {
  return report.fields.reason[index];
}

function markOf(state) {
  return find("#marks").content.querySelector(`.${state}`).cloneNode(true);
}

function stateMark(state) {
  const shown = element("span", "", { class: "state" });
  shown.append(markOf(state), STATE_WORDS[state]);
  return shown;
}

const tip = document.getElementById("tip");

function showTip(text, x, y) {
  tip.textContent = text;
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const left = Math.min(x + 14, window.innerWidth - box.width - 8);
  const top = y + 18 + box.height > window.innerHeight ? y - box.height - 12 : y + 18;
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${Math.max(8, top)}px`;
}

function hideTip() {
  tip.hidden = true;
}

function fieldTitle(index) {
  const well = report.wells[report.fields.well[index]];
  if (!well) return report.fields.image[index];
  const site = report.fields.site[index];
  return site ? `${well.name} site ${site}` : well.name;
}

function median(values) {
  return quantile(values.filter(known).sort((a, b) => a - b), 0.5);
}

function quantile(sorted, share) {
  if (!sorted.length) return null;
  const at = share * (sorted.length - 1);
  const low = Math.floor(at);
  return sorted[low] + (at - low) * (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]);
}

// Groups that wells belong to, in words: "Compound: taxol".
function treatments(index) {
  return report.groupings.map((grouping) => [grouping.name, grouping.groups[grouping.of[index]]]);
}

// What a menu of measures offers is what the search box beside it leaves.
function findMeasures(root, words, paint) {
  const wanted = words.toLowerCase().split(/\s+/);
  const select = find("[data-measure]", root);
  let fitting = 0;
  for (const group of all("optgroup", select)) {
    let any = 0;
    for (const option of all("option", group)) {
      const name = `${group.label} ${option.textContent}`.toLowerCase();
      option.hidden = option.disabled = !wanted.every((word) => name.includes(word));
      any += option.hidden ? 0 : 1;
    }
    group.hidden = !any;
    fitting += any;
  }
  find("[data-found]", root).textContent = words.trim() ? `${fitting} fit` : "";
  const first = all("option", select).find((option) => !option.disabled);
  if (first && select.selectedOptions[0]?.disabled) {
    select.value = first.value;
    paint();
  }
}

function watchMeasures(root, paint) {
  find("[data-measure]", root).addEventListener("change", paint);
  find("[data-find]", root)?.addEventListener("input", (event) => findMeasures(root, event.target.value, paint));
}
