"""Words, values and lines that no well-meaning client sends; cases.py makes requests of them."""


def _words(text: str, separator: str | None = None) -> list[str]:
    return text.split(separator)


# The characters of a header's name, RFC 9110 section 5.6.2.
TOKEN = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
HEADERS = _words(
    """accept accept-encoding authorization connection content-encoding content-length content-type
    cookie expect forwarded grpc-encoding grpc-timeout host http2-settings idempotency-key
    if-none-match keep-alive origin range sec-fetch-site te traceparent tracestate trailer
    transfer-encoding upgrade x-api-key x-envoy-original-path x-envoy-upstream-rq-timeout-ms
    x-forwarded-for x-forwarded-proto x-http-method-override x-http-status x-request-id"""
)
TEXTS = ["", " ", "\0", "\u202epay", "\u200b", "\ud800", "e\u0301", "a" * 300]
TEXTS += _words("é 😀 ';DROP ../../etc/passwd %00 %2e%2e null NaN true 0 -1 1e400 {} PENDING 99")
HEADER_VALUES = [*TEXTS, "Bearer x", "http://evil.example"]
HEADER_VALUES += _words(
    "gzip chunked application/grpc 100-continue close websocket 1S 99999999H text/plain cross-site"
)
JSON_VALUES = ["[[[[[[1]]]]]]", "9" * 1000, "// c\n1", '"a\tb"', "\ufeff1", '"\ud800"']
JSON_VALUES += _words(
    "null|true|[]|{}|0|-0|-1|1e400|1E-400|NaN|Infinity|01|1.|.5|0x10|1_000|'x'|\"\\ud800\"|1 2|tru"
    '|"\\u0000"|"\\u202e"|9007199254740993|""|" "|100.00000000000000000000000001|undefined|+1|--1'
    '|{"a":{"b":{"c":1}}}|"\\x41"|/* c */ 1|"unfinished',
    "|",
)
FIELDS = ["", *_words("é recipent amountUsd __proto__ amount transaction_id full user_id status")]
QUERY_NAMES = ["", "%00"]
QUERY_NAMES += _words(
    """transaction_id transaction%5Fid transactionId page_size pageSize status page_token user_id
    userId destination_currency created_after created_after.seconds amount_usd idempotency_key $alt
    key body a[] a.b.c quote_id limit provider"""
)
METHODS = ["", "G\tT", "X" * 40, *_words("HEAD OPTIONS PUT PATCH TRACE CONNECT get PRI")]
VERSIONS = ["HTTP/1.1"] * 8 + ["HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1.9", "http/1.1", ""]
# The braces stand for the path.
PATHS = ["/" + "a" * 9_000, "*", "", "other:443", "/%ff%fe"]
PATHS += _words(
    "{} {}/ /{} {}%00 {}%2F {}/.. http://other.example{} {}#f {};x=1 {}????? {}é {}\\.. {}%zz"
    " /grpc.health.v1.Health/Check /caravel.payments.v1.PaymentService/GetPayment"
)
IDS = ["pay_" + "0" * 26, "nonsense", "local_wallet", "%20", "a:b"]


def framings(body: bytes) -> list[tuple[list[tuple[bytes, bytes]], bytes]]:
    """Headers that say how long a body is, and what then comes."""
    length = str(len(body)).encode()
    whole = b"%x\r\n%s\r\n" % (len(body), body)
    chunked = (b"transfer-encoding", b"chunked")
    return [
        ([(b"content-length", b"-1")], body),
        ([(b"content-length", b"5"), (b"content-length", b"6")], body),
        ([(b"content-length", length), chunked], body),
        ([(b"content-length", b"99999999999999999999")], body),
        ([(b"content-length", b"0x10")], body),
        ([(b"content-length", b"300000")], b" " * 300_000),
        ([(b"transfer-encoding", b"xchunked")], body),
        ([(b"transfer-encoding", b"gzip, chunked")], b"0\r\n\r\n"),
        ([chunked], b"zz\r\n" + whole),
        ([chunked], whole + b"0\r\nx-trailer: 1\r\n\r\n"),
        ([chunked], whole.replace(b"\r\n", b";a=b\r\n", 1) + b"0\r\n\r\n"),
        ([chunked], b"fffffffffffffffff\r\n" + body),
        ([(b"expect", b"100-continue"), (b"content-length", length)], body),
        ([(b"content-encoding", b"gzip"), (b"content-length", length)], body),
        ([(b"upgrade", b"h2c"), (b"connection", b"upgrade"), (b"content-length", b"0")], b""),
    ]
