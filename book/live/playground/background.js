// Compute in a worker, so that the page keeps responding.
//
// A page that was opened from a folder may not load a worker from a file. So the worker is made of the text of the
// functions that this page has loaded already, which works everywhere.

// ask = make(file) runs in the worker, with the functions in parts. Returns a function whose ask(request) promises the
// answer. After ask.end() it's of no use. Without a worker, or if it fails, the page computes by itself, between two
// images.
function inBackground(make, parts, file) {
  const waiting = new Map();  // from the number of a request to the request, and what keeps the promise
  let [worker, here, number] = [null, null, 0];
  try {
    const listen = "let ask; onmessage = ({ data: [n, request] }) =>"
      + ` n ? postMessage([n, ask(request)]) : (ask = ${make.name}(request));`;
    const text = new Blob([parts.map(String).join("\n"), "\n", listen], { type: "text/javascript" });
    worker = new Worker(URL.createObjectURL(text));
    worker.postMessage([0, file]);
    worker.onmessage = ({ data: [n, answer] }) => {
      waiting.get(n).done(answer);
      waiting.delete(n);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      worker.terminate();
      worker = null;
      for (const { request, done } of waiting.values()) done(compute(request));
      waiting.clear();
    };
  } catch {
    worker = null;
  }

  async function compute(request) {
    await new Promise((done) => setTimeout(done));
    return (here ??= make(file))(request);
  }

  function ask(request) {
    if (!worker) return compute(request);
    return new Promise((done) => {
      waiting.set(++number, { request, done });
      worker.postMessage([number, request]);
    });
  }
  return Object.assign(ask, { end: () => worker?.terminate() });
}
