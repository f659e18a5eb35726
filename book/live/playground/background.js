// Compute in a worker, so that the page keeps responding.
//
// A page that was opened from a folder may not load a worker from a file. So the worker is made of the text of the
// functions that this page has loaded already, which works everywhere.

// ask = make(file) runs in the worker, with the functions in parts. Returns a function whose ask(request) promises the
// answer. Without a worker the page computes by itself, between two images.
function inBackground(make, parts, file) {
  const waiting = new Map();
  let worker;
  let number = 0;
  try {
    const listen = "let ask; onmessage = ({ data: [n, request] }) =>"
      + ` n ? postMessage([n, ask(request)]) : (ask = ${make.name}(request));`;
    const text = new Blob([parts.map(String).join("\n"), "\n", listen], { type: "text/javascript" });
    worker = new Worker(URL.createObjectURL(text));
  } catch {
    const ask = make(file);
    return (request) => new Promise((done) => setTimeout(() => done(ask(request))));
  }
  worker.onmessage = ({ data: [n, answer] }) => {
    waiting.get(n)(answer);
    waiting.delete(n);
  };
  worker.postMessage([0, file]);
  return (request) => new Promise((done) => {
    waiting.set(++number, done);
    worker.postMessage([number, request]);
  });
}
