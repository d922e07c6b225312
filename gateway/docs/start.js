// Shows /openapi.json, with a fresh idempotency key in place of the example's: the first "Execute"
// on a page makes a new payment, and the second shows what a repeated request does.
async function start() {
  const spec = await (await fetch("/openapi.json")).json();
  const digits = crypto.getRandomValues(new Uint8Array(16));
  const key = Array.from(digits, (digit) => digit.toString(16).padStart(2, "0")).join("");
  spec.components.parameters["idempotency-key"].example = key;
  window.ui = SwaggerUIBundle({
    spec,
    dom_id: "#swagger-ui",
    deepLinking: true,
    displayRequestDuration: true,
    validatorUrl: null,
  });
}

start();
