// The filter above the plots: words, states, and ranges such as "learning_rate > 0.01". Table and plots follow it.
const query = document.getElementById("query");
const kinds = document.getElementById("kinds");
const shown = document.getElementById("shown");
const clear = document.getElementById("clear");
const COMPARISONS = {
  "<": (x, y) => x < y, "<=": (x, y) => x <= y, ">": (x, y) => x > y, ">=": (x, y) => x >= y,
  "=": (x, y) => x === y, "!=": (x, y) => x !== y,
};

// A condition on a row of the table, from words; throws an Error that says what is wrong.
const condition = (word) => {
  const found = /^([^<>=!]+)(<=|>=|!=|=|<|>)(.+)$/.exec(word);
  if (!found) {
    const wanted = word.toLowerCase();
    return (row) => row.some((cell) => String(cell ?? "").toLowerCase().includes(wanted));
  }
  const [, name, operator, right] = found;
  const column = table.head.findIndex((one) => one.name.replaceAll(" ", "_").toLowerCase() === name.toLowerCase());
  if (column < 0) throw new Error(`no column ${name}; there are ${table.head.map((one) => one.name.replaceAll(" ", "_")).join(", ")}`);
  const number = right.endsWith("%") ? Number(right.slice(0, -1)) / 100 : Number(right);
  const compare = COMPARISONS[operator];
  if (!Number.isNaN(number)) return (row) => !missing(row[column]) && compare(Number(row[column]), number);
  return (row) => compare(String(row[column] ?? "").toLowerCase(), right.toLowerCase());
};

const conditions = () => {
  const words = query.value.replace(/\s*(<=|>=|!=|=|<|>)\s*/g, "$1").split(/\s+/).filter(Boolean).map(condition);
  if (kinds.value) words.push((row) => row[1] === kinds.value);
  return words;
};

const filter = () => {
  let all;
  try {
    all = conditions();
  } catch (error) {
    query.setAttribute("aria-invalid", "true");
    shown.textContent = error.message;
    return;
  }
  query.removeAttribute("aria-invalid");
  const rows = all.length ? table.rows.filter((row) => all.every((one) => one(row))) : null;
  choice.change({ filtered: rows && new Set(rows.map((row) => row[0])) });
};

if (query) {
  const count = () => {
    const numbers = choice.numbers;
    const n = (numbers ? numbers.size : table.rows.length).toLocaleString("en");
    shown.textContent = `${n} of ${table.rows.length.toLocaleString("en")}`;
    clear.hidden = numbers === null;
  };
  for (const kind of [...new Set(table.rows.map((row) => row[1]))].sort()) kinds.append(new Option(kind, kind));
  query.addEventListener("input", filter);
  kinds.addEventListener("change", filter);
  document.getElementById("drag").addEventListener("change", (event) => { drag.mode = event.target.value; redraw(); });
  clear.addEventListener("click", () => {
    query.value = kinds.value = "";
    choice.brushed = null;
    filter();
    query.focus();
  });
  choice.followers.push(count);
  count();
}
