-- Refusals in the one form that all errors have, google.rpc.Status.
local contract = require("contract")

local match = string.match

local answers = {}

local TYPE = '{"@type":"type.googleapis.com/google.rpc.'
local TEXT_BYTES_MAX = 400

-- The start of an error's first detail. No text of a caller can look like it, for its quotes are escaped.
local ERROR_INFO = '"details":%[{"@type":"type%.googleapis%.com/google%.rpc%.ErrorInfo","reason":"([%u_]+)"'

-- The reason of an error, given as the body of its answer; empty where it has none.
function answers.reason_of(text)
  return match(text, ERROR_INFO) or ""
end

-- The status that the contract has for an error, given as the body of its answer and the status that
-- it has so far; nil for a reason that the contract does not know.
function answers.status_of(text, present)
  local cases = contract.reasons[answers.reason_of(text)]
  if not cases then return nil end
  local code, usual = tonumber(match(text, '^{"code":(%d+),') or ""), cases[""]
  for _, answer in pairs(cases) do
    local is_other = answer.code == code and usual.code ~= code
    if answer.status == present or is_other then return answer.status end
  end
  return usual.status
end

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

-- The body of an error. A refusal has a code, a status, a reason and a message, and may have metadata,
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
  return '{"code":' .. refusal.code .. ',"message":' .. quote(refusal.message)
    .. ',"details":[' .. table.concat(details, ",") .. "]}"
end

return answers
