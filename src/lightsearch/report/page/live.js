// A page that is served follows the search: it is loaded again after some seconds, unless somebody is using it.
if (refresh) {
  let used = 0;
  for (const event of ["pointermove", "keydown", "scroll"]) addEventListener(event, () => { used = Date.now(); }, { passive: true });
  const kept = sessionStorage.getItem("query");
  if (kept && query) {
    query.value = kept;
    filter();
  }
  setInterval(() => {
    if (document.hidden || !panel.hidden || Date.now() - used < 1000 * refresh) return;
    sessionStorage.setItem("query", query ? query.value : "");
    location.reload();
  }, 1000 * refresh);
}
