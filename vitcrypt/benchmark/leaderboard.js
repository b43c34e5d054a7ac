"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const filters = all("select[data-filter]");
  const tagged = all("[data-said]");

  const wanted = (node) => filters.every((filter) => {
    const tags = node.dataset[filter.dataset.filter];
    return !filter.value || !tags || tags.split("\n").includes(filter.value);
  });

  // The marks that no other visible one beats in both: more accuracy and less found.
  function front(chart) {
    const line = chart.querySelector(".front");
    if (!line) return;
    const marks = all(".mark:not(.off)", chart).map((mark) => [+mark.dataset.x, +mark.dataset.y]);
    let lowest = -Infinity;
    const kept = marks.sort((a, b) => b[0] - a[0] || b[1] - a[1]).filter(([, y]) => y > lowest && ((lowest = y), true));
    line.setAttribute("points", kept.map(([x, y], i) => (i ? `${x},${kept[i - 1][1]} ` : "") + `${x},${y}`).join(" "));
  }

  function apply() {
    for (const node of tagged) node.classList.toggle("off", !wanted(node));
    document.body.dataset.only = filters.find((filter) => filter.dataset.filter === "said").value;
    for (const section of all("section.grid")) {
      const rows = all("tbody tr", section);
      const left = rows.filter((row) => !row.classList.contains("off")).length;
      section.querySelector(".count").textContent = left === rows.length ? `${left}` : `${left} of ${rows.length}`;
    }
    all("figure").forEach(front);
  }

  function sort(button) {
    const head = button.closest("th");
    const body = head.closest("table").tBodies[0];
    const column = +head.dataset.column;
    const down = head.getAttribute("aria-sort") === "ascending";
    all("th", head.closest("table")).forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const keyed = all("tr", body).map((row) => {
      const cell = row.cells[column];
      const text = cell.textContent.trim();
      return { row, empty: !text, key: cell.dataset.s === undefined ? text : +cell.dataset.s };
    });
    keyed.sort((a, b) => {
      if (a.empty || b.empty) return a.empty - b.empty;
      const order = typeof a.key === "number" && typeof b.key === "number" ? a.key - b.key : `${a.key}`.localeCompare(`${b.key}`);
      return down ? -order : order;
    });
    body.append(...keyed.map((each) => each.row));
  }

  filters.forEach((filter) => filter.addEventListener("change", apply));
  document.getElementById("reset").addEventListener("click", () => {
    filters.forEach((filter) => { filter.value = ""; });
    apply();
  });
  all("th button").forEach((button) => button.addEventListener("click", () => sort(button)));
  addEventListener("keydown", (event) => { if (event.key === "Escape" && location.hash) location.hash = "none"; });
  document.documentElement.classList.add("js");
  apply();
})();
