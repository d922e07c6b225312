-- Errors on the native listener in the form of all errors: google.rpc.Status with ErrorInfo and
-- RequestInfo, where Envoy answers itself or gRPC did before a service saw the call. Runs in Envoy.
local contract = require("contract")

local TYPE = "type.googleapis.com/google.rpc."
local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

-- Refusals of gRPC itself below a service, by its codes: the caller's faults, but for the last. Each
-- is a reason and a sentence.
local UNREADABLE = { "FIELD_INVALID", "The call cannot be read." }
local MESSAGE_KIB = contract.limits.message_max_bytes / 1024
local BELOW = {
  ["8"] = { "REQUEST_TOO_LARGE", "The message is larger than " .. MESSAGE_KIB .. " KiB." },
  ["12"] = UNREADABLE,
  ["13"] = UNREADABLE,
}
local AWAY = { "SERVICE_UNAVAILABLE", "The service cannot answer now." }

local function base64(text)
  local out = {}
  for at = 1, #text, 3 do
    local a, b, c = string.byte(text, at, at + 2)
    local bits = a * 65536 + (b or 0) * 256 + (c or 0)
    for shift = 18, (c and 0) or (b and 6) or 12, -6 do
      local place = math.floor(bits / 2 ^ shift) % 64 + 1
      out[#out + 1] = string.sub(ALPHABET, place, place)
    end
  end
  return table.concat(out)
end

-- One field of protobuf: a text, or a message that is written already.
local function field(number, text)
  local length = #text
  local low = length % 128
  local size = length < 128 and string.char(length) or string.char(low + 128, math.floor(length / 128))
  return string.char(number * 8 + 2) .. size .. text
end

local function detail(name, text)
  return field(3, field(1, TYPE .. name) .. field(2, text))
end

-- The reason, the message, and what the contract says of the reason in this case. Where Envoy itself
-- refuses, a header has the reason, and behind a blank the case that is not the usual one.
local function refusal(headers, code)
  local reason, case = string.match(headers:get("x-error-reason") or "", "^(%S+) ?(%S*)$")
  if not reason then
    local below, message = unpack(BELOW[code] or AWAY)
    return below, message, contract.reasons[below][""]
  end
  local message = string.gsub(headers:get("grpc-message") or "", "%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end)
  return reason, message, contract.reasons[reason][case]
end

function envoy_on_response(handle)
  local headers = handle:headers()
  local request_id = headers:get("x-error-request-id") or ""
  headers:remove("x-error-request-id")
  local found = headers:get("grpc-status")
  -- A refusal without an answer has its status among the headers.
  if not found or found == "0" or headers:get("grpc-status-details-bin") then return end
  local reason, message, answer = refusal(headers, found)
  local status = string.char(8, answer.code) .. field(2, message)
    .. detail("ErrorInfo", field(1, reason) .. field(2, "caravel.dev"))
    .. detail("RequestInfo", field(1, request_id))
  headers:replace("grpc-status", tostring(answer.code))
  headers:replace("grpc-message", message)
  headers:replace("grpc-status-details-bin", base64(status))
  headers:remove("x-error-reason")
  local seconds = answer.retry_after_seconds
  if seconds then headers:replace("retry-after", tostring(seconds)) end
end
