// Any two columns of the table against each other, coloured by a third.
const explorer = document.getElementById("explorer-plot");
if (explorer) {
  const MIN_LOG_RATIO = 50;
  const [across, up, shade] = ["x", "y", "colour"].map((name) => document.getElementById(`explorer-${name}`));
  const columns = table.head.map(({ name, number }, index) => ({ name, number, index }));
  for (const { name, index } of columns) for (const select of [across, up]) select.append(new Option(name, index));
  for (const { name, number, index } of columns) if (number || index === 1) shade.append(new Option(name, index));
  const parameter = columns.find(({ name }) => Object.keys(trials[0].params).includes(name));
  across.value = (parameter || columns[0]).index;
  up.value = 2;
  shade.value = 1;

  const axis = ({ name, number, index }, rows) => {
    const title = { text: name.replaceAll("<", "&lt;") };
    if (!number) return { title, type: "category" };
    const values = rows.map((row) => row[index]);
    const log = values.length > 0 && Math.min(...values) > 0 && Math.max(...values) > MIN_LOG_RATIO * Math.min(...values);
    const percents = index === 2 && table.share;
    return { title, type: log ? "log" : "linear", tickformat: percents ? ".2~%" : log ? "~g" : "", ...(log ? { dtick: 1 } : {}) };
  };
  const tooltip = (row) => columns.slice(0, 3).map(({ name, index }) => `${name} ${index === 2 ? metricText(row[2]) : row[index]}`).join("<br>");
  const dots = (rows, x, y, marker, name) => ({
    type: "scatter", mode: "markers", name, x: rows.map((row) => row[x.index]), y: rows.map((row) => row[y.index]),
    customdata: rows.map((row) => row[0]), text: rows.map(tooltip), marker: { size: rows.length > 500 ? 4 : 7, opacity: 0.75, ...marker },
    hovertemplate: "%{text}<extra></extra>",
  });
  const coloured = (rows, x, y, by) => ({
    ...dots(rows, x, y, {}, by.name),
    marker: {
      size: 7, color: rows.map((row) => row[by.index]), showscale: true,
      colorscale: [[0, `${MARK}map-low`], [0.5, `${MARK}map-middle`], [1, `${MARK}map-high`]],
      line: { width: 0.7, color: `${MARK}muted` },
      colorbar: { thickness: 10, outlinewidth: 0, title: { text: by.name, side: "right" }, tickfont: { color: `${MARK}muted`, size: 11 } },
    },
  });
  const show = () => {
    const [x, y, by] = [across, up, shade].map((select) => columns[Number(select.value)]);
    const rows = table.rows.filter((row) => [x, y, by].every(({ index }) => !missing(row[index])));
    const kind = (row) => (table.best.includes(row[0]) ? "best" : row[1]);
    const data = by.number
      ? [coloured(rows, x, y, by)]
      : [...new Set(rows.map(kind))].sort((a) => (a === "best" ? 1 : -1)).map((one) => dots(
        rows.filter((row) => kind(row) === one), x, y, { color: MARK + (shades[one] || "failed"), size: one === "best" ? 11 : 7 }, one));
    explorer.figure = { data, layout: { xaxis: axis(x, rows), yaxis: axis(y, rows), showlegend: !by.number } };
    explorer.setAttribute("aria-label", `${y.name} over ${x.name}, coloured by ${by.name}.`);
    drawLater(explorer);
  };
  const shades = Object.fromEntries(["best", "complete", "pruned", "failed", "running", "paused", "interrupted", "enqueued"].map((name) => [name, name]));
  shades["not resumed"] = "not-resumed";
  for (const select of [across, up, shade]) select.addEventListener("change", show);
  show();
}
