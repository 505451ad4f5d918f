// The table of all trials: rows are drawn a hundred at a time, as they are scrolled to.
const element = document.getElementById("table");
if (element) {
  const CHUNK = 100;
  const body = element.tBodies[0];
  const box = element.parentElement;
  const state = { column: 0, falling: false };
  let rows = table.rows;
  let next = 0;

  const words = (value, column) => {
    if (missing(value)) return "–";
    return column === 2 ? metricText(value) : String(value);
  };
  const cell = (value, column) => {
    const td = make("td", { className: table.head[column].number ? "number" : "" });
    if (typeof value === "string") td.title = value;
    td.append(column === 0 ? make("button", { type: "button", className: "trial", textContent: value }) : words(value, column));
    return td;
  };
  const more = () => {
    const part = document.createDocumentFragment();
    for (const row of rows.slice(next, next + CHUNK)) {
      part.append(make("tr", { className: table.best.includes(row[0]) ? "first" : "", dataset: { trial: row[0] } }, ...row.map(cell)));
    }
    body.append(part);
    next += CHUNK;
  };
  box.addEventListener("scroll", () => {
    while (next < rows.length && box.scrollTop + box.clientHeight > box.scrollHeight - 400) more();
  });

  const order = (a, b) => {
    const { column, falling } = state;
    const [x, y] = [a[column], b[column]];
    if (missing(x) || missing(y)) return missing(x) - missing(y) || a[0] - b[0];
    const rising = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
    return (falling ? -rising : rising) || a[0] - b[0];
  };
  const arrange = () => {
    rows = table.rows.filter((row) => choice.has(row[0])).sort(order);
    choice.order = rows.map((row) => row[0]);
    for (const [i, th] of [...element.tHead.rows[0].cells].entries()) {
      if (i === state.column) th.setAttribute("aria-sort", state.falling ? "descending" : "ascending");
      else th.removeAttribute("aria-sort");
    }
    body.textContent = "";
    next = 0;
    box.scrollTop = 0;
    more();
  };
  const head = element.tHead.insertRow();
  table.head.forEach(({ name, number }, column) => {
    const button = make("button", { type: "button", textContent: name });
    button.addEventListener("click", () => {
      state.falling = state.column === column ? !state.falling : column === 2;
      state.column = column;
      arrange();
    });
    head.append(make("th", { scope: "col", className: number ? "number" : "" }, button));
  });
  choice.followers.push(arrange);
  arrange();
}
