// Draws what /events tells.  All words and numbers come as text and go in as text.
"use strict";

const byId = (id) => document.getElementById(id);
const WIDTH = 120, HEIGHT = 60;

function element(name, ...content) {
  const made = document.createElement(name);
  made.append(...content);
  return made;
}

function drawn(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** A path through the values that are known, over the whole width. */
function path(values, top) {
  const across = WIDTH / Math.max(1, values.length - 1);
  const points = values.map((value, place) => value === null ? null : [place * across, HEIGHT * (1 - value / (top || 1))]);
  const known = points.filter((point) => point !== null);
  if (known.length === 1) known.push([WIDTH, known[0][1]]);
  return known.map(([x, y], place) => `${place ? "L" : "M"}${x.toFixed(2)} ${y.toFixed(2)}`).join("");
}

function figure(chart, seconds) {
  const svg = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": chart.said });
  svg.append(drawn("path", { class: "floor", d: `M0 ${HEIGHT}H${WIDTH}` }), drawn("path", { class: "floor", d: `M0 0H${WIDTH}` }));
  const key = element("ul");
  key.className = "key";
  for (const line of chart.lines) {
    const curve = drawn("path", { d: path(line.values, chart.top) });
    curve.style.stroke = `var(--c-${line.colour})`;
    svg.append(curve);
    const look = element("i");
    look.style.color = `var(--c-${line.colour})`;
    key.append(element("li", look, line.name));
  }
  const above = element("div", element("span", chart.top_text)), below = element("div", element("span", "0"), element("span", seconds));
  above.className = below.className = "ends";
  return element("figure", element("figcaption", element("h3", chart.title)), key, above, svg, below);
}

function bar(one) {
  const inner = element("i"), outer = element("span", inner);
  outer.className = "bar share";
  outer.ariaHidden = "true";
  inner.style.width = `${100 * one.share}%`;
  return element("li", element("b", one.name), element("span", one.said), outer);
}

function bars(id, all, otherwise) {
  byId(id).replaceChildren(...(all.length ? all.map(bar) : [element("li", otherwise)]));
}

function row(cells) {
  const [first, ...rest] = cells;
  const name = element("th", first);
  name.scope = "row";
  return element("tr", name, ...rest.map((cell) => element("td", cell)));
}

function say(words) {
  if (byId("state").textContent !== words) byId("state").textContent = words;  // a screen reader says it once
}

function show(snapshot) {
  say("The run goes on");
  byId("heading").textContent = snapshot.heading;
  byId("facts").replaceChildren(...snapshot.facts.map(([name, value]) => element("div", element("dt", name), element("dd", value))));
  byId("charts").replaceChildren(...snapshot.charts.map((chart) => figure(chart, snapshot.seconds)));
  bars("limits", snapshot.limits, "No answer has told of limits");
  bars("causes", snapshot.causes, "None");
  bars("budget", snapshot.budget ? [snapshot.budget] : [], "None in dollars is set");
  byId("over").replaceChildren(...snapshot.over.map(row));
}

const events = new EventSource("events");
events.addEventListener("snapshot", (event) => show(JSON.parse(event.data)));
events.addEventListener("over", (event) => {
  events.close();
  if (JSON.parse(event.data).report) location.replace("report");
  else say("The run ended without a report: the terminal says why");
});
events.addEventListener("error", () => say("The command does not answer: these are the last numbers it told"));
