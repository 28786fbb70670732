// Chart: shows the time under the pointer or the slider, with its image. Table: sorts and filters. Links open details.
// Without this script the page has the same values.
"use strict";
const words = JSON.parse(document.getElementById("words")?.textContent ?? "{}"); // of another language than English
const say = (text, values) => (words[text] ?? text).replace(/\{(\w+)\}/g, (_, name) => values[name]);
const nearest = (items, distance) => items.reduce((best, item) => (distance(item) < distance(best) ? item : best));

for (const chart of document.querySelectorAll(".chart")) {
  const rows = [...chart.closest(".face").querySelectorAll(".values tbody tr")];
  if (rows.length < 2) continue;
  const svg = chart.querySelector(".plot svg");
  const slider = chart.querySelector(".slider");
  const cursor = svg.querySelector(".cursor");
  const image = chart.querySelector(".moment img");
  const withImage = rows.map((row, place) => [place, row.querySelector("img")]).filter(([, source]) => source);

  const show = (place) => {
    const { x, y, text } = rows[place].dataset;
    slider.value = place;
    slider.setAttribute("aria-valuetext", text);
    cursor.querySelector("path").setAttribute("transform", `translate(${x} 0)`);
    cursor.querySelector("circle").setAttribute("transform", `translate(${x} ${y})`);
    if (!image) return;
    const [at, source] = nearest(withImage, ([index]) => Math.abs(index - place));
    image.src = source.src;
    image.alt = source.alt;
    chart.querySelector(".when").textContent = text;
    const other = at === place ? "" : say("frame at {time}", { time: rows[at].querySelector("th").textContent });
    chart.querySelector(".other").textContent = other;
  };
  const follow = (event) => {
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
    show(nearest([...rows.keys()], (index) => Math.abs(rows[index].dataset.x - x)));
  };
  svg.addEventListener("pointermove", follow);
  svg.addEventListener("pointerdown", follow);
  slider.addEventListener("input", () => show(Number(slider.value)));
  slider.hidden = false;
  chart.querySelector(".hint").hidden = false;
  chart.classList.add("live");
  show(Number(slider.value));
}

const videos = document.getElementById("videos");
if (videos && videos.tBodies[0].rows.length > 1) {
  const rows = [...videos.tBodies[0].rows];
  const heads = [...videos.tHead.rows[0].cells];
  const collator = new Intl.Collator(undefined, { numeric: true });
  const key = ({ dataset, textContent }) => (dataset.n === undefined ? dataset.v || textContent : Number(dataset.n));

  const sort = (column) => {
    const down = heads[column].ariaSort ? heads[column].ariaSort === "ascending" : "n" in rows[0].cells[column].dataset;
    const keyed = rows.map((row) => [key(row.cells[column]), row]);
    const order = ([a], [b]) => (down ? -1 : 1) * (typeof a === "number" ? a - b : collator.compare(a, b));
    videos.tBodies[0].append(...keyed.sort(order).map(([, row]) => row));
    for (const head of heads) head.removeAttribute("aria-sort");
    heads[column].setAttribute("aria-sort", down ? "descending" : "ascending");
  };
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sort(column));
    head.replaceChildren(button);
  });
  const filter = document.getElementById("filter");
  filter.closest("p").hidden = false;
  filter.addEventListener("input", () => {
    const wanted = filter.value.toLowerCase();
    for (const row of rows) row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
    const count = rows.filter((row) => !row.hidden).length;
    document.getElementById("shown").textContent = wanted ? say("{count} of {all} shown", { count, all: rows.length }) : "";
  });
}

// Not every browser opens the details that a link leads into.
const reveal = () => {
  const target = document.getElementById(location.hash.slice(1));
  const details = target && target.closest("details");
  if (!details) return;
  details.open = true;
  target.scrollIntoView();
};
addEventListener("hashchange", reveal);
reveal();
