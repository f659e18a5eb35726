// A small network, its gradients by the chain rule, and Adam: all that training needs, in plain JavaScript.
//
// A matrix is { n, m, data }: n rows of m numbers. A batch has one row for each example. L is the loss of the batch,
// and dY is short for the matrix of its derivatives with respect to the entries of Y.

function matrix(n, m, data = new Float64Array(n * m)) {
  return { n, m, data };
}

function transpose(A) {
  const B = matrix(A.m, A.n);
  for (let i = 0; i < A.n; i++) for (let j = 0; j < A.m; j++) B.data[j * A.n + i] = A.data[i * A.m + j];
  return B;
}

// A Bᵀ: entry (i, j) is the scalar product of row i of A and row j of B, four rows of B at a time.
function dots(A, B) {
  const Y = matrix(A.n, B.n);
  const [a, b, y, k] = [A.data, B.data, Y.data, A.m];
  for (let j = 0; j < B.n; j += 4) {
    const many = Math.min(4, B.n - j);
    const [r0, r1, r2, r3] = [0, 1, 2, 3].map((r) => (j + Math.min(r, many - 1)) * k);
    for (let i = 0; i < A.n; i++) {
      let [s0, s1, s2, s3] = [0, 0, 0, 0];
      for (let l = 0; l < k; l++) {
        const value = a[i * k + l];
        s0 += value * b[r0 + l];
        s1 += value * b[r1 + l];
        s2 += value * b[r2 + l];
        s3 += value * b[r3 + l];
      }
      const at = i * B.n + j;
      y[at] = s0;
      if (many > 1) y[at + 1] = s1;
      if (many > 2) y[at + 2] = s2;
      if (many > 3) y[at + 3] = s3;
    }
  }
  return Y;
}

// ---- layers, each with its backward pass ---------------------------------------------------------------------

// Y = X Wᵀ + b
function linear(X, { W, b }) {
  const Y = dots(X, W);
  for (let i = 0; i < Y.data.length; i++) Y.data[i] += b.data[i % Y.m];
  return Y;
}

// dW = dYᵀ X,   db = the sum of the rows of dY,   dX = dY W
function linearBackward(X, { W }, dY) {
  const db = matrix(1, dY.m);
  for (let i = 0; i < dY.data.length; i++) db.data[i % dY.m] += dY.data[i];
  const dW = dots(transpose(dY), transpose(X));
  return { dW, db, dX: dots(dY, transpose(W)) };
}

// H = Z σ(Z), entry by entry, with σ(z) = 1 / (1 + exp(−z))
function silu(Z) {
  return matrix(Z.n, Z.m, Z.data.map((z) => z / (1 + Math.exp(-z))));
}

// dZ = dH σ(Z) (1 + Z (1 − σ(Z))), entry by entry
function siluBackward(Z, dH) {
  const dZ = dH.data.map((dh, i) => {
    const z = Z.data[i];
    const sigma = 1 / (1 + Math.exp(-z));
    return dh * sigma * (1 + z * (1 - sigma));
  });
  return matrix(Z.n, Z.m, dZ);
}

// L = the mean of (Y − target)² over all n entries, and dY = 2 (Y − target) / n
function meanSquare(Y, target) {
  const far = Y.data.map((y, i) => y - target[i]);
  const n = far.length;
  const L = far.reduce((sum, value) => sum + value ** 2, 0) / n;
  return { L, dY: matrix(Y.n, Y.m, far.map((value) => (2 * value) / n)) };
}

// ---- the network ------------------------------------------------------------

// Layers [{ W, b }, …] for these sizes. The weights are normal numbers with
// variance 1 / inputs, and b = 0.
function initialise(sizes, seed) {
  return sizes.slice(1).map((m, l) => {
    const k = sizes[l];
    const W = gaussian(m * k, seed, l, 2).map((z) => z / Math.sqrt(k));
    return { W: matrix(m, k, Float64Array.from(W)), b: matrix(1, m) };
  });
}

// Linear, SiLU, linear, SiLU, …, linear. The tape keeps what the backward pass
// of each layer needs.
function forward(layers, X) {
  const tape = [];
  let H = X;
  for (const layer of layers) {
    const Z = linear(H, layer);
    tape.push({ X: H, Z });
    H = tape.length < layers.length ? silu(Z) : Z;
  }
  return { Y: H, tape };
}

// The chain rule, from the last layer to the first: dX of a layer is the dH of
// the layer before it.
function backward(layers, tape, dY) {
  const gradients = [];
  let d = dY;
  for (let l = layers.length - 1; l >= 0; l--) {
    const { X, Z } = tape[l];
    const dZ = l < layers.length - 1 ? siluBackward(Z, d) : d;
    const { dW, db, dX } = linearBackward(X, layers[l], dZ);
    gradients.unshift({ W: dW, b: db });
    d = dX;
  }
  return gradients;
}

// ---- Adam ----------------------------------------------------------------------------------------------------

// For each weight, m is the running mean of its gradient g, and v that of g². Divided by 1 − βⁿ after n steps, they
// have forgotten that they began at 0. The weight moves by −rate m / √v.
function adam(layers, beta1 = 0.9, beta2 = 0.999, tiny = 1e-8) {
  const zeros = () => layers.map(({ W, b }) => ({ W: W.data.map(() => 0), b: b.data.map(() => 0) }));
  const [ms, vs] = [zeros(), zeros()];
  let n = 0;
  return (gradients, rate) => {
    n += 1;
    const [unbiased1, unbiased2] = [1 - beta1 ** n, 1 - beta2 ** n];
    for (const l of layers.keys()) for (const name of ["W", "b"]) {
      const [w, g, m, v] = [layers[l][name].data, gradients[l][name].data, ms[l][name], vs[l][name]];
      for (let i = 0; i < w.length; i++) {
        m[i] = beta1 * m[i] + (1 - beta1) * g[i];
        v[i] = beta2 * v[i] + (1 - beta2) * g[i] ** 2;
        w[i] -= (rate * m[i]) / unbiased1 / (Math.sqrt(v[i] / unbiased2) + tiny);
      }
    }
  };
}

// One training step. Returns the loss before it.
function trainStep(layers, optimise, X, target, rate) {
  const { Y, tape } = forward(layers, X);
  const { L, dY } = meanSquare(Y, target);
  optimise(backward(layers, tape, dY), rate);
  return L;
}
