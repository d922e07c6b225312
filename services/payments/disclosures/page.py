"""A document as a plain page: escaped, without scripts, styles and images, so that nothing but its
text is ever loaded."""

from jinja2 import Environment, StrictUndefined

from services.payments.disclosures.wording import Worded

# Nothing may be loaded, sent or framed.
HEADERS = (
    (
        "content-security-policy",
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("referrer-policy", "no-referrer"),
)
CONTENT_TYPE = "text/html; charset=utf-8"
_PAGE = """<!doctype html>
<html lang="{{ it.locale }}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ it.title }}</title>
</head>
<body>
<main>
<h1>{{ it.title }}</h1>
<dl>
<dt>{{ it.captions.made_on }}</dt><dd>{{ it.made_on }}</dd>
<dt>{{ it.captions.quote }}</dt><dd>{{ it.document.quote_id }}</dd>
{%- if it.document.transaction_id %}
<dt>{{ it.captions.payment }}</dt><dd>{{ it.document.transaction_id }}</dd>
{%- endif %}
</dl>
{%- for part in it.parts %}
<section aria-labelledby="{{ part.rule }}">
<h2 id="{{ part.rule }}">{{ part.title }}</h2>
{%- if part.lines %}
<table>
<thead>
<tr><th scope="col">{{ it.captions.fact }}</th><th scope="col">{{ it.captions.value }}</th></tr>
</thead>
<tbody>
{%- for line in part.lines %}
<tr><th scope="row">{{ line.label }}</th><td>{{ line.text }}</td></tr>
{%- endfor %}
</tbody>
</table>
{%- endif %}
{%- for statement in part.statements %}
<p>{{ statement }}</p>
{%- endfor %}
</section>
{%- endfor %}
</main>
</body>
</html>
"""
_TEMPLATE = Environment(autoescape=True, undefined=StrictUndefined).from_string(_PAGE)


def page(worded: Worded) -> bytes:
    """The page in UTF-8."""
    return _TEMPLATE.render(it=worded).encode()
