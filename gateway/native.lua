-- Errors on the native listener in the form of all errors: google.rpc.Status with ErrorInfo and
-- RequestInfo, where Envoy answers itself or gRPC did before a service saw the call. Runs in Envoy.

local TYPE = "type.googleapis.com/google.rpc."
local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

-- Refusals of gRPC itself below a service, by their codes: the caller's faults, but for the last.
local UNREADABLE = { "3", "FIELD_INVALID", "The call cannot be read." }
local BELOW = {
  ["8"] = { "8", "REQUEST_TOO_LARGE", "The message is larger than 288 KiB." },
  ["12"] = UNREADABLE,
  ["13"] = UNREADABLE,
}
local AWAY = { "14", "SERVICE_UNAVAILABLE", "The service cannot answer now." }

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

local function refusal(headers, code)
  local reason = headers:get("x-error-reason")
  if reason then
    local message = string.gsub(headers:get("grpc-message") or "", "%%(%x%x)", function(hex)
      return string.char(tonumber(hex, 16))
    end)
    return code, reason, message
  end
  return unpack(BELOW[code] or AWAY)
end

function envoy_on_response(handle)
  local headers = handle:headers()
  local request_id = headers:get("x-error-request-id") or ""
  headers:remove("x-error-request-id")
  local found = headers:get("grpc-status")
  -- A refusal without an answer has its status among the headers.
  if not found or found == "0" or headers:get("grpc-status-details-bin") then return end
  local code, reason, message = refusal(headers, found)
  local status = string.char(8, tonumber(code)) .. field(2, message)
    .. detail("ErrorInfo", field(1, reason) .. field(2, "caravel.dev"))
    .. detail("RequestInfo", field(1, request_id))
  headers:replace("grpc-status", code)
  headers:replace("grpc-message", message)
  headers:replace("grpc-status-details-bin", base64(status))
  headers:remove("x-error-reason")
end
