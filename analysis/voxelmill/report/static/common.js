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

function statusOf(index) {
  if (report.fields.reason[index] !== null) return "quarantined";
  return report.fields.flags[index].length ? "flagged" : "ok";
}

function markOf(status) {
  const source = find(`.tiles .mark.${status}`);
  return source.cloneNode(true);
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
