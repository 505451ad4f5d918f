// A page that is served follows the search: it is loaded again after some seconds, unless somebody is using it.
if (refresh) {
  let used = 0;
  for (const event of ["pointermove", "keydown", "scroll"]) addEventListener(event, () => { used = Date.now(); }, { passive: true, capture: true });
  const kept = JSON.parse(sessionStorage.getItem("choices") || "{}");
  const choices = [...document.querySelectorAll("#query, select[id]")];
  for (const element of choices) {
    if (!(element.id in kept)) continue;
    element.value = kept[element.id];
    element.dispatchEvent(new Event(element === query ? "input" : "change"));
  }
  setInterval(() => {
    if (document.hidden || !panel.hidden || choice.brushed !== null || Date.now() - used < 1000 * refresh) return;
    sessionStorage.setItem("choices", JSON.stringify(Object.fromEntries(choices.map(({ id, value }) => [id, value]))));
    location.reload();
  }, 1000 * refresh);
}
