// Shows the time under the pointer or the slider: its place in the chart, its probability, its image.
// The table below the chart has the same values without this script.
"use strict";
for (const chart of document.querySelectorAll(".chart")) {
  const face = chart.closest(".face");
  const rows = [...face.querySelectorAll(".values tbody tr")];
  const svg = chart.querySelector(".plot svg");
  const slider = chart.querySelector(".slider");
  const cursor = svg.querySelector(".cursor");
  const image = chart.querySelector(".moment img");
  const when = chart.querySelector(".when");
  const other = chart.querySelector(".other");
  const withImage = rows.map((row, place) => [place, row.querySelector("img")]).filter(([, source]) => source);

  if (rows.length < 2) continue;

  const nearest = (items, distance) =>
    items.reduce((best, item) => (distance(item) < distance(best) ? item : best));

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
    when.textContent = text;
    other.textContent = at === place ? "" : chart.dataset.other.replace("{time}", rows[at].querySelector("th").textContent);
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
