
"use strict";
(function () {
  const table = document.getElementById("videos");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const heads = Array.from(table.tHead.rows[0].cells);
  const order = new Intl.Collator(undefined, { numeric: true });

  function value(row, column) {
    const cell = row.cells[column];
    return cell.dataset.v === undefined ? cell.textContent : Number(cell.dataset.v);
  }

  function sort(column, direction) {
    const keyed = rows.map((row, index) => ({ row, index, key: value(row, column) }));
    keyed.sort((a, b) => {
      const by = typeof a.key === "number" ? a.key - b.key : order.compare(a.key, b.key);
      return direction * by || a.index - b.index;
    });
    body.append(...keyed.map((each) => each.row));
    heads.forEach((head, index) => {
      if (index === column) head.setAttribute("aria-sort", direction < 0 ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
  }

  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const sorted = head.getAttribute("aria-sort");
      const first = rows[0].cells[column].dataset.v === undefined ? 1 : -1;
      sort(column, sorted ? (sorted === "descending" ? 1 : -1) : first);
    });
  });

  const filter = document.getElementById("filter");
  const shown = document.getElementById("shown");
  filter.closest("p").hidden = false;
  filter.addEventListener("input", () => {
    const wanted = filter.value.toLowerCase();
    let count = 0;
    for (const row of rows) {
      row.hidden = !row.cells[1].textContent.toLowerCase().includes(wanted);
      count += row.hidden ? 0 : 1;
    }
    shown.textContent = wanted ? `${count} of ${rows.length} shown` : "";
  });
})();
