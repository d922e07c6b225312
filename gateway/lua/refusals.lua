-- The gateway's refusals: a status, a reason, a sentence, and what programs may use.
local refusals = {}

local AWAY = "The service cannot answer now; repeat the request with the same idempotency key."
local LATE = "The answer took too long; the request may still be at work. "
  .. "Repeat it with the same idempotency key."
local CROWDED = "Too much at once; repeat the request with the same idempotency key."
local FAULT = "Something went wrong on our side; it is logged."

refusals.INTERNAL_ERROR = { status = 500, reason = "INTERNAL_ERROR", message = FAULT }

-- An error of gRPC itself has words of its own, by its code in ours.
local UNAVAILABLE =
  { status = 503, reason = "SERVICE_UNAVAILABLE", message = AWAY, retry_after_seconds = 1 }
local UNEXPLAINED = {
  ["4"] = { status = 504, reason = "SERVICE_UNAVAILABLE", message = LATE },
  ["8"] = { status = 429, reason = "OVERLOADED", message = CROWDED, retry_after_seconds = 1 },
  ["12"] = UNAVAILABLE,
  ["14"] = UNAVAILABLE,
}

-- The answer in the place of an error of gRPC with that code.
function refusals.unexplained(code) return UNEXPLAINED[code] or refusals.INTERNAL_ERROR end

function refusals.malformed(message, metadata)
  return { status = 400, reason = "REQUEST_MALFORMED", message = message, metadata = metadata }
end

function refusals.unreadable_path()
  local message = "The path has bytes that are no text."
  return { status = 400, reason = "FIELD_INVALID", message = message, metadata = { field = "path" } }
end

function refusals.unreadable_header(name)
  local message = "The header " .. name .. " has characters that are not printable ASCII."
  local refusal = refusals.malformed(message, { header = name })
  if name == "idempotency-key" then refusal.reason = "IDEMPOTENCY_KEY_INVALID" end
  return refusal
end

function refusals.not_found()
  local message = "There is no such path; GET /docs lists them all."
  return { status = 404, reason = "ROUTE_NOT_FOUND", message = message }
end

function refusals.too_large()
  local message, metadata = "The body is larger than 256 KiB.", { max_bytes = "262144" }
  return { status = 413, reason = "REQUEST_TOO_LARGE", message = message, metadata = metadata }
end

function refusals.unsupported(header, message)
  local metadata = { header = header }
  return { status = 415, reason = "CONTENT_TYPE_UNSUPPORTED", message = message, metadata = metadata }
end

-- The answer to a method that the path does not have: which it has. OPTIONS asks for just that.
function refusals.other_method(method, allowed)
  if method == "OPTIONS" then return { status = 204, allow = allowed } end
  return {
    status = 405,
    reason = "METHOD_NOT_ALLOWED",
    message = "The path is there, and not with this method; it takes " .. allowed .. ".",
    metadata = { allow = allowed },
    allow = allowed,
  }
end

-- The refusal for fields of a request, with every violation at once.
function refusals.of_violations(violations)
  local sentences = {}
  for index, one in ipairs(violations) do sentences[index] = one.description end
  return {
    status = 400,
    reason = violations[1].reason,
    message = table.concat(sentences, "; "),
    metadata = { field = violations[1].field },
    violations = violations,
  }
end

-- The refusal for a body: violations, or a text that is no JSON object.
function refusals.of_body(problem)
  if not problem.message then return refusals.of_violations(problem) end
  local offset = tostring(problem.offset)
  local message = "The body cannot be read as JSON: " .. problem.message .. " (at byte " .. offset .. ")."
  return { status = 400, reason = "JSON_INVALID", message = message, metadata = { offset = offset } }
end

return refusals
