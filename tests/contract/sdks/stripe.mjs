// Every call that a newcomer makes with Stripe's own SDK, against the simulator. Prints the calls.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [, , address, key, modules] = process.argv;
const Stripe = createRequire(`${modules}/`)("stripe");
const { hostname: host, port } = new URL(address);
const options = { host, port, protocol: "http", maxNetworkRetries: 0, telemetry: false };
const stripe = new Stripe(key, options);
const CARD = "pm_card_visa";
const calls = [];

async function call(name, work) {
  const answer = await work();
  calls.push(name);
  return answer;
}

async function refused(name, work, type, expected = {}) {
  await assert.rejects(work, (error) => {
    assert.equal(error.type, type, `${name}: ${error.type} ${error.message}`);
    for (const [field, value] of Object.entries(expected)) assert.equal(error[field], value, name);
    return true;
  });
  calls.push(name);
}

function charge(changes = {}, more = undefined) {
  const wanted = { amount: 2000, currency: "usd", payment_method: CARD, confirm: true };
  return stripe.paymentIntents.create({ ...wanted, ...changes }, more);
}

const customer = await call("customers.create", () =>
  stripe.customers.create({ email: "ada@example.com", name: "Ada Obi", metadata: { tier: "1" } }),
);
assert.equal(customer.object, "customer");
const renamed = await call("customers.update", () =>
  stripe.customers.update(customer.id, { name: "Ada O." }),
);
assert.deepEqual([renamed.name, renamed.metadata.tier], ["Ada O.", "1"]);
assert.equal(
  (await call("customers.retrieve", () => stripe.customers.retrieve(customer.id))).email,
  "ada@example.com",
);
assert.equal(
  (await call("customers.list", () => stripe.customers.list({ email: "ada@example.com" }))).data[0].id,
  customer.id,
);

const paid = await call("paymentIntents.create", () =>
  charge({
    customer: customer.id,
    automatic_payment_methods: { enabled: true, allow_redirects: "never" },
    metadata: { order: "17" },
    expand: ["latest_charge.balance_transaction"],
  }),
);
assert.deepEqual([paid.status, paid.amount_received, paid.livemode], ["succeeded", 2000, false]);
assert.equal(paid.latest_charge.balance_transaction.net, 2000 - (58 + 30));
assert.ok(paid.client_secret.startsWith(`${paid.id}_secret_`));
assert.ok(paid.lastResponse.requestId.startsWith("req_"));

const bare = await call("paymentIntents.create unconfirmed", () =>
  stripe.paymentIntents.create({ amount: 1500, currency: "eur" }),
);
assert.equal(bare.status, "requires_payment_method");
const described = await call("paymentIntents.update", () =>
  stripe.paymentIntents.update(bare.id, { description: "tea", amount: 1600 }),
);
assert.deepEqual([described.description, described.amount], ["tea", 1600]);
const confirmed = await call("paymentIntents.confirm", () =>
  stripe.paymentIntents.confirm(bare.id, { payment_method: CARD }),
);
assert.equal(confirmed.status, "succeeded");
await refused(
  "paymentIntents.confirm twice",
  () => stripe.paymentIntents.confirm(bare.id),
  "StripeInvalidRequestError",
  { code: "payment_intent_unexpected_state", statusCode: 400 },
);

const held = await call("paymentIntents.create manual", () => charge({ capture_method: "manual" }));
assert.deepEqual(
  [held.status, held.amount_capturable, held.amount_received],
  ["requires_capture", 2000, 0],
);
const captured = await call("paymentIntents.capture", () =>
  stripe.paymentIntents.capture(held.id, { amount_to_capture: 1200 }),
);
assert.deepEqual([captured.status, captured.amount_received], ["succeeded", 1200]);
const released = await call("paymentIntents.cancel", async () =>
  stripe.paymentIntents.cancel((await charge({ capture_method: "manual" })).id, {
    cancellation_reason: "abandoned",
  }),
);
assert.deepEqual([released.status, released.cancellation_reason], ["canceled", "abandoned"]);
await refused(
  "paymentIntents.capture cancelled",
  () => stripe.paymentIntents.capture(released.id),
  "StripeInvalidRequestError",
  { code: "payment_intent_unexpected_state" },
);

const read = await call("paymentIntents.retrieve", () => stripe.paymentIntents.retrieve(paid.id));
assert.equal(typeof read.latest_charge, "string");
const seen = [];
for await (const one of stripe.paymentIntents.list({ limit: 2 })) seen.push(one.id);
calls.push("paymentIntents.list");
assert.equal(new Set(seen).size, 4);
assert.equal(seen.at(-1), paid.id);
const mine = await stripe.paymentIntents.list({ customer: customer.id });
assert.deepEqual(mine.data.map((one) => one.id), [paid.id]);
const found = await call("paymentIntents.search", () =>
  stripe.paymentIntents.search({ query: "metadata['order']:'17'" }),
);
assert.equal(found.data[0].id, paid.id);

await refused(
  "paymentIntents.create declined",
  () => charge({ payment_method: "pm_card_visa_chargeDeclinedInsufficientFunds" }),
  "StripeCardError",
  { code: "card_declined", decline_code: "insufficient_funds", statusCode: 402 },
);
await assert.rejects(
  () => charge({ payment_method: "pm_card_authenticationRequired", off_session: true }),
  (error) => {
    assert.equal(error.type, "StripeCardError");
    assert.deepEqual([error.statusCode, error.code], [402, "authentication_required"]);
    assert.equal(error.payment_intent.status, "requires_payment_method");
    return true;
  },
);
calls.push("paymentIntents.create off session");
const asking = await call("paymentIntents.create on session", () =>
  charge({ payment_method: "pm_card_threeDSecure2Required", return_url: "https://example.com/back" }),
);
assert.equal(asking.status, "requires_action");
assert.equal(asking.next_action.redirect_to_url.return_url, "https://example.com/back");
const form = { method: "POST", body: new URLSearchParams({ does: "authenticate" }), redirect: "manual" };
const left = await fetch(asking.next_action.redirect_to_url.url, form);
assert.equal(left.headers.get("location"), "https://example.com/back");
assert.equal((await stripe.paymentIntents.retrieve(asking.id)).status, "succeeded");
calls.push("the payer authenticates");

await refused(
  "unknown parameter",
  () => charge({ amonut: 5 }),
  "StripeInvalidRequestError",
  { code: "parameter_unknown", param: "amonut", statusCode: 400 },
);
await refused(
  "unknown currency",
  () => charge({ currency: "usx" }),
  "StripeInvalidRequestError",
  { param: "currency", statusCode: 400 },
);
await refused(
  "unknown object",
  () => stripe.paymentIntents.retrieve("pi_nobody"),
  "StripeInvalidRequestError",
  { code: "resource_missing", statusCode: 404 },
);
await refused(
  "unknown path",
  () => stripe.rawRequest("GET", "/v1/nothing_of_ours"),
  "StripeInvalidRequestError",
  { statusCode: 404 },
);
await refused(
  "unknown verb",
  () => stripe.rawRequest("DELETE", "/v1/payment_intents"),
  "StripeInvalidRequestError",
  { statusCode: 404 },
);
await refused(
  "unknown key",
  () => new Stripe("sk_test_nobody", options).balance.retrieve(),
  "StripeAuthenticationError",
  { statusCode: 401 },
);

const once = { idempotencyKey: "the-same-key" };
const first = await charge({}, once);
assert.equal((await charge({}, once)).id, first.id);
calls.push("idempotency replayed");
await refused(
  "idempotency mismatch",
  () => charge({ amount: 2001 }, once),
  "StripeIdempotencyError",
  { statusCode: 400 },
);

const part = await call("refunds.create", () =>
  stripe.refunds.create({ payment_intent: paid.id, amount: 500, reason: "requested_by_customer" }),
);
assert.deepEqual([part.status, part.amount], ["succeeded", 500]);
const rest = await call("refunds.create by charge", () =>
  stripe.refunds.create({ charge: read.latest_charge, expand: ["balance_transaction"] }),
);
assert.equal(rest.balance_transaction.net, -1500);
await refused(
  "refunds.create too much",
  () => stripe.refunds.create({ payment_intent: paid.id }),
  "StripeInvalidRequestError",
  { code: "charge_already_refunded" },
);
assert.equal((await call("refunds.retrieve", () => stripe.refunds.retrieve(part.id))).id, part.id);
assert.equal(
  (await call("refunds.list", () => stripe.refunds.list({ payment_intent: paid.id }))).data.length,
  2,
);

const whole = await call("charges.retrieve", () => stripe.charges.retrieve(read.latest_charge));
assert.deepEqual([whole.amount_refunded, whole.refunded, whole.paid], [2000, true, true]);
assert.ok((await call("charges.list", () => stripe.charges.list())).data.length >= 5);
const transactions = await call("balanceTransactions.list", () =>
  stripe.balanceTransactions.list({ type: "refund" }),
);
assert.equal(transactions.data.length, 2);
const single = await call("balanceTransactions.retrieve", () =>
  stripe.balanceTransactions.retrieve(whole.balance_transaction),
);
assert.equal(single.source, whole.id);
assert.equal((await call("balance.retrieve", () => stripe.balance.retrieve())).object, "balance");
const method = await call("paymentMethods.retrieve", () => stripe.paymentMethods.retrieve(CARD));
assert.equal(method.card.brand, "visa");
const events = await call("events.list", () =>
  stripe.events.list({ type: "payment_intent.succeeded", limit: 1 }),
);
assert.equal(events.has_more, true);
const event = await call("events.retrieve", () => stripe.events.retrieve(events.data[0].id));
assert.equal(event.data.object.object, "payment_intent");

console.log(JSON.stringify(calls));
