-- The gateway's refusals: a reason, a sentence, and what programs may use. The code, the
-- status and the time to wait are the contract's.
local contract = require("contract")

local refusals = {}

local AWAY = "The service cannot answer now; repeat the request with the same idempotency key."
local LATE = "The answer took too long; the request may still be at work. "
  .. "Repeat it with the same idempotency key."
local TOO_MANY = "Too much at once; repeat the request with the same idempotency key."
local FAULT = "Something went wrong on our side; it is logged."

-- A refusal with this reason; the case is the contract's, and nil for the usual one.
local function refusal(reason, message, metadata, case)
  local answer = contract.reasons[reason][case or ""]
  return {
    code = answer.code,
    status = answer.status,
    retry_after_seconds = answer.retry_after_seconds,
    reason = reason,
    message = message,
    metadata = metadata,
  }
end

refusals.INTERNAL_ERROR = refusal("INTERNAL_ERROR", FAULT)

-- An error of gRPC itself has words of its own, by its code in ours.
local UNAVAILABLE = refusal("SERVICE_UNAVAILABLE", AWAY)
local UNEXPLAINED = {
  ["4"] = refusal("SERVICE_UNAVAILABLE", LATE, nil, "late"),
  ["8"] = refusal("OVERLOADED", TOO_MANY),
  ["12"] = UNAVAILABLE,
  ["14"] = UNAVAILABLE,
}

-- The answer in the place of an error of gRPC with that code.
function refusals.unexplained(code) return UNEXPLAINED[code] or refusals.INTERNAL_ERROR end

function refusals.malformed(message) return refusal("REQUEST_MALFORMED", message) end

function refusals.unreadable_path()
  return refusal("FIELD_INVALID", "The path has bytes that are no text.", { field = "path" })
end

function refusals.unreadable_header(name)
  local reason = name == "idempotency-key" and "IDEMPOTENCY_KEY_INVALID" or "REQUEST_MALFORMED"
  local message = "The header " .. name .. " has characters that are not printable ASCII."
  return refusal(reason, message, { header = name })
end

function refusals.not_found()
  return refusal("ROUTE_NOT_FOUND", "There is no such path; GET /docs lists them all.")
end

function refusals.too_large()
  local bytes = contract.limits.body_max_bytes
  local message = "The body is larger than " .. bytes / 1024 .. " KiB."
  return refusal("REQUEST_TOO_LARGE", message, { max_bytes = tostring(bytes) })
end

function refusals.unsupported(header, message)
  return refusal("CONTENT_TYPE_UNSUPPORTED", message, { header = header })
end

-- The answer to a method that the path does not have: which it has. OPTIONS asks for just that.
function refusals.other_method(method, allowed)
  if method == "OPTIONS" then return { status = 204, allow = allowed } end
  local message = "The path is there, and not with this method; it takes " .. allowed .. "."
  local refused = refusal("METHOD_NOT_ALLOWED", message, { allow = allowed })
  refused.allow = allowed
  return refused
end

-- The refusal for fields of a request, with every violation at once.
function refusals.of_violations(violations)
  local sentences = {}
  for index, one in ipairs(violations) do sentences[index] = one.description end
  local first = violations[1]
  local refused = refusal(first.reason, table.concat(sentences, "; "), { field = first.field })
  refused.violations = violations
  return refused
end

-- The refusal for a body: violations, or a text that is no JSON object.
function refusals.of_body(problem)
  if not problem.message then return refusals.of_violations(problem) end
  local offset = tostring(problem.offset)
  local message = "The body cannot be read as JSON: " .. problem.message .. " (at byte " .. offset .. ")."
  return refusal("JSON_INVALID", message, { offset = offset })
end

return refusals
