// Every call about payouts that a newcomer makes with Flutterwave's own SDK. Prints the calls.
const assert = require("node:assert/strict");

const [, , address, key, modules] = process.argv;
const installed = require("node:module").createRequire(`${modules}/`);
// It reports its calls to somebody else: here it reports nothing.
const reporting = installed.resolve("flutterwave-node-v3/utils/logger.js");
const silent = new Proxy({}, { get: () => () => undefined });
require.cache[reporting] = { id: reporting, filename: reporting, loaded: true, exports: silent };
const Flutterwave = installed("flutterwave-node-v3");
const flutterwave = new Flutterwave("FLWPUBK_TEST-nobody-X", key, `${address}/`);
const calls = [];

async function call(name, work, status = "success") {
  const answer = await work();
  assert.equal(answer.status, status, `${name}: ${JSON.stringify(answer)}`);
  calls.push(name);
  return answer;
}

async function main() {
  const sent = await call("Transfer.initiate", () =>
    flutterwave.Transfer.initiate({
      account_bank: "044",
      account_number: "0690000031",
      amount: 5500,
      narration: "invoice 17",
      currency: "NGN",
      debit_currency: "NGN",
      reference: "newcomer-1",
    }),
  );
  assert.equal(sent.data.status, "NEW");
  let transfer = sent.data;
  for (let tries = 0; transfer.status !== "SUCCESSFUL" && tries < 200; tries += 1) {
    transfer = (await flutterwave.Transfer.get_a_transfer({ id: sent.data.id })).data;
  }
  assert.equal(transfer.status, "SUCCESSFUL");
  calls.push("Transfer.get_a_transfer");
  const done = await call("Transfer.fetch", () =>
    flutterwave.Transfer.fetch({ status: "successful", page: "1" }),
  );
  assert.deepEqual(done.data.map((one) => one.reference), ["newcomer-1"]);
  assert.equal(done.meta.page_info.total, 1);
  const none = await flutterwave.Transfer.fetch({ status: "failed" });
  assert.deepEqual(none.data, []);
  const fee = await call("Transfer.fee", () =>
    flutterwave.Transfer.fee({ amount: "5500", currency: "NGN" }),
  );
  assert.equal(fee.data[0].currency, "NGN");
  const banks = await call("Bank.country", () => flutterwave.Bank.country({ country: "NG" }));
  assert.ok(banks.data.some((bank) => bank.code === "044"));
  const holder = await call("Misc.verify_Account", () =>
    flutterwave.Misc.verify_Account({ account_number: "0690000031", account_bank: "044" }),
  );
  assert.equal(holder.data.account_name, "Ada Obi");
  const balances = await call("Misc.bal", () => flutterwave.Misc.bal());
  assert.ok(balances.data.some((one) => one.currency === "NGN"));
  const naira = await call("Misc.bal_currency", () =>
    flutterwave.Misc.bal_currency({ currency: "NGN" }),
  );
  assert.equal(naira.data.currency, "NGN");
  await call(
    "Misc.verify_Account refused",
    () => flutterwave.Misc.verify_Account({ account_number: "0690000099", account_bank: "044" }),
    "error",
  );
  await call(
    "Transfer.initiate twice",
    () =>
      flutterwave.Transfer.initiate({
        account_bank: "044",
        account_number: "0690000031",
        amount: 5500,
        currency: "NGN",
        debit_currency: "NGN",
        reference: "newcomer-1",
      }),
    "error",
  );
  console.log(JSON.stringify(calls));
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
