import com.stripe.Stripe;
import com.stripe.exception.AuthenticationException;
import com.stripe.exception.CardException;
import com.stripe.exception.IdempotencyException;
import com.stripe.exception.InvalidRequestException;
import com.stripe.exception.StripeException;
import com.stripe.model.Balance;
import com.stripe.model.BalanceTransaction;
import com.stripe.model.Charge;
import com.stripe.model.Customer;
import com.stripe.model.Event;
import com.stripe.model.PaymentIntent;
import com.stripe.model.Refund;
import com.stripe.net.RequestOptions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** The calls of a newcomer with Stripe's SDK for Java, against the simulator. Prints their names. */
public final class Newcomer {
  private static final List<String> CALLS = new ArrayList<>();

  private interface Work<T> {
    T run() throws StripeException;
  }

  private static <T> T call(String name, Work<T> work) throws StripeException {
    T answer = work.run();
    CALLS.add(name);
    return answer;
  }

  private static <T extends StripeException> T refused(String name, Class<T> type, Work<?> work) {
    try {
      work.run();
    } catch (StripeException error) {
      if (type.isInstance(error)) {
        CALLS.add(name);
        return type.cast(error);
      }
      throw new AssertionError(name + ": " + error, error);
    }
    throw new AssertionError(name + " was not refused");
  }

  private static void check(boolean holds, String what) {
    if (!holds) {
      throw new AssertionError(what);
    }
  }

  private static Map<String, Object> form(Object... more) {
    Map<String, Object> form = new java.util.HashMap<>();
    form.put("amount", 2000);
    form.put("currency", "usd");
    form.put("payment_method", "pm_card_visa");
    form.put("confirm", true);
    for (int at = 0; at < more.length; at += 2) {
      form.put((String) more[at], more[at + 1]);
    }
    return form;
  }

  public static void main(String[] arguments) throws StripeException {
    Stripe.overrideApiBase(arguments[0]);
    Stripe.apiKey = arguments[1];
    Stripe.setMaxNetworkRetries(0);
    Stripe.enableTelemetry = false;

    Customer customer =
        call("Customer.create", () -> Customer.create(Map.of("email", "ada@example.com")));
    PaymentIntent paid =
        call(
            "PaymentIntent.create",
            () ->
                PaymentIntent.create(
                    form(
                        "customer", customer.getId(),
                        "metadata", Map.of("order", "17"),
                        "expand", List.of("latest_charge.balance_transaction"))));
    check("succeeded".equals(paid.getStatus()), "paid");
    check(paid.getAmountReceived() == 2000L, "received");
    check(paid.getLatestChargeObject().getBalanceTransactionObject().getNet() == 1912L, "net");

    PaymentIntent held =
        call("PaymentIntent.create manual", () -> PaymentIntent.create(form("capture_method", "manual")));
    check("requires_capture".equals(held.getStatus()), "held");
    check("succeeded".equals(call("PaymentIntent.capture", held::capture).getStatus()), "captured");
    PaymentIntent released = PaymentIntent.create(form("capture_method", "manual"));
    check("canceled".equals(call("PaymentIntent.cancel", released::cancel).getStatus()), "released");
    PaymentIntent bare =
        PaymentIntent.create(Map.of("amount", 1500, "currency", "eur"));
    PaymentIntent confirmed =
        call(
            "PaymentIntent.confirm",
            () -> bare.confirm(Map.<String, Object>of("payment_method", "pm_card_visa")));
    check("succeeded".equals(confirmed.getStatus()), "confirmed");
    check(
        call("PaymentIntent.retrieve", () -> PaymentIntent.retrieve(paid.getId()))
            .getId()
            .equals(paid.getId()),
        "retrieved");
    int seen = 0;
    for (PaymentIntent one :
        PaymentIntent.list(Map.<String, Object>of("limit", 2)).autoPagingIterable()) {
      seen += one.getObject().equals("payment_intent") ? 1 : 0;
    }
    check(seen >= 4, "listed " + seen);
    CALLS.add("PaymentIntent.list");

    CardException declined =
        refused(
            "PaymentIntent.create declined",
            CardException.class,
            () ->
                PaymentIntent.create(
                    form("payment_method", "pm_card_visa_chargeDeclinedInsufficientFunds")));
    check("insufficient_funds".equals(declined.getDeclineCode()), "decline code");
    CardException absent =
        refused(
            "PaymentIntent.create off session",
            CardException.class,
            () ->
                PaymentIntent.create(
                    form("payment_method", "pm_card_authenticationRequired", "off_session", true)));
    check("authentication_required".equals(absent.getCode()), "off session");
    check(absent.getStatusCode() == 402, "402");
    PaymentIntent asking =
        call(
            "PaymentIntent.create on session",
            () -> PaymentIntent.create(form("payment_method", "pm_card_authenticationRequired")));
    check("requires_action".equals(asking.getStatus()), "asking");
    check("use_stripe_sdk".equals(asking.getNextAction().getType()), "next action");

    InvalidRequestException unknown =
        refused(
            "unknown parameter",
            InvalidRequestException.class,
            () -> PaymentIntent.create(form("amonut", 5)));
    check("parameter_unknown".equals(unknown.getCode()), "parameter_unknown");
    check("amonut".equals(unknown.getParam()), "parameter");
    InvalidRequestException currency =
        refused(
            "unknown currency",
            InvalidRequestException.class,
            () -> PaymentIntent.create(form("currency", "usx")));
    check("currency".equals(currency.getParam()), "currency");
    refused(
        "unknown object", InvalidRequestException.class, () -> PaymentIntent.retrieve("pi_nobody"));
    refused(
        "unknown key",
        AuthenticationException.class,
        () -> Balance.retrieve(RequestOptions.builder().setApiKey("sk_test_nobody").build()));
    RequestOptions once = RequestOptions.builder().setIdempotencyKey("the-same-key").build();
    String first = PaymentIntent.create(form(), once).getId();
    check(first.equals(PaymentIntent.create(form(), once).getId()), "replayed");
    CALLS.add("idempotency replayed");
    refused(
        "idempotency mismatch",
        IdempotencyException.class,
        () -> PaymentIntent.create(form("amount", 2001), once));

    Refund refund =
        call(
            "Refund.create",
            () -> Refund.create(Map.of("payment_intent", paid.getId(), "amount", 500)));
    check("succeeded".equals(refund.getStatus()), "refunded");
    check(
        call("Refund.list", () -> Refund.list(Map.<String, Object>of("payment_intent", paid.getId())))
                .getData()
                .size()
            == 1,
        "refunds");
    call("Refund.retrieve", () -> Refund.retrieve(refund.getId()));
    Charge charge = call("Charge.retrieve", () -> Charge.retrieve(paid.getLatestCharge()));
    check(charge.getAmountRefunded() == 500L, "refunded charge");
    call("Charge.list", () -> Charge.list(Map.of()));
    check(
        call("BalanceTransaction.list", () -> BalanceTransaction.list(Map.<String, Object>of("limit", 3)))
                .getData()
                .size()
            == 3,
        "transactions");
    call("BalanceTransaction.retrieve", () -> BalanceTransaction.retrieve(charge.getBalanceTransaction()));
    call("Balance.retrieve", () -> Balance.retrieve());
    List<Event> events = call("Event.list", () -> Event.list(Map.<String, Object>of("limit", 1))).getData();
    check(events.size() == 1, "events");
    call("Event.retrieve", () -> Event.retrieve(events.get(0).getId()));
    call("Customer.retrieve", () -> Customer.retrieve(customer.getId()));

    System.out.println("[\"" + String.join("\", \"", CALLS) + "\"]");
  }
}
