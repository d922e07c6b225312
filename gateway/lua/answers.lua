-- Refusals in the one form that all errors have, google.rpc.Status.
local answers = {}

local TYPE = '{"@type":"type.googleapis.com/google.rpc.'
local TEXT_BYTES_MAX = 400

-- The gRPC code that belongs to each status.
local CODES = { [400] = 3, [403] = 7, [404] = 5, [405] = 12, [413] = 8, [415] = 3, [429] = 8 }
CODES[500], CODES[503], CODES[504] = 13, 14, 4

local STATUSES = { [3] = 400, [4] = 504, [5] = 404, [7] = 403, [8] = 429, [14] = 503 }

-- The status that belongs to a gRPC code.
function answers.status_of(code) return STATUSES[code] or 500 end

local function escape(one)
  return string.format("\\u%04x", string.byte(one))
end

-- Text as a JSON string. A caller's text may have any length, and is cut between characters.
local function quote(text)
  if #text > TEXT_BYTES_MAX then
    local cut = string.sub(text, 1, TEXT_BYTES_MAX)
    text = string.gsub(cut, "[\192-\255]?[\128-\191]*$", "") .. "…"
  end
  return '"' .. string.gsub(text, '[%z\1-\31"\\\127]', escape) .. '"'
end

local function error_info(reason, metadata)
  local pairs_of = {}
  for name, text in pairs(metadata or {}) do
    pairs_of[#pairs_of + 1] = quote(name) .. ":" .. quote(text)
  end
  return TYPE .. 'ErrorInfo","reason":' .. quote(reason) .. ',"domain":"caravel.dev","metadata":{'
    .. table.concat(pairs_of, ",") .. "}}"
end

local function bad_request(violations)
  local parts = {}
  for index, one in ipairs(violations) do
    parts[index] = '{"field":' .. quote(one.field) .. ',"description":' .. quote(one.description)
      .. ',"reason":' .. quote(one.reason) .. "}"
  end
  return TYPE .. 'BadRequest","field_violations":[' .. table.concat(parts, ",") .. "]}"
end

-- The body of an error. A refusal has a status, a reason and a message, and may have metadata,
-- violations, and retry_after_seconds.
function answers.body(refusal, request_id)
  local details = { error_info(refusal.reason, refusal.metadata) }
  if refusal.violations then details[2] = bad_request(refusal.violations) end
  if refusal.retry_after_seconds then
    local delay = refusal.retry_after_seconds .. "s"
    details[#details + 1] = TYPE .. 'RetryInfo","retry_delay":' .. quote(delay) .. "}"
  end
  details[#details + 1] = TYPE .. 'RequestInfo","request_id":' .. quote(request_id)
    .. ',"serving_data":""}'
  return '{"code":' .. CODES[refusal.status] .. ',"message":' .. quote(refusal.message)
    .. ',"details":[' .. table.concat(details, ",") .. "]}"
end

return answers
