-- What REST needs and the transcoder does not do. Runs in Envoy, on the REST listener only.

-- The JSON numbers that may stand where the API has decimal text, by path. Nothing else is touched,
-- least of all a webhook, whose signature covers its bytes.
local DECIMALS = { ["/api/payments"] = "amount_usd", ["/api/quotes"] = "amount_usd" }
local REFUND = "^/api/payments/[^/]+:refund$"

-- The statuses that the header x-http-status may put in place of the transcoder's own.
local REWRITES = { ["200"] = { ["201"] = true }, ["400"] = { ["422"] = true } }

-- What gRPC says beside its answer, and a REST client should not see.
local GRPC_NOISE = {
  "x-http-status", "grpc-status", "grpc-message", "grpc-status-details-bin",
  "grpc-accept-encoding", "x-envoy-upstream-service-time",
}

-- {"amount_usd": 100.00} becomes {"amount_usd": "100.00"}, digit for digit. A quote inside a JSON
-- string is escaped, so the pattern cannot match there.
local function quote_decimal(handle, name)
  local body = handle:body()
  if not body then return end
  local pattern = '("' .. name .. '"%s*:%s*)(%-?%d[%d%.eE%+%-]*)'
  local text, count = string.gsub(body:getBytes(0, body:length()), pattern, '%1"%2"')
  if count > 0 then body:setBytes(text) end
end

function envoy_on_request(handle)
  local headers = handle:headers()
  -- A caller without a trace gets one, named after the request, so that one id finds all logs.
  local trace_id = string.match(headers:get("traceparent") or "", "^00%-(%x+)%-%x+%-%x%x$")
  if not trace_id then
    trace_id = string.gsub(headers:get("x-request-id") or "", "-", "")
    headers:replace("traceparent", "00-" .. trace_id .. "-" .. string.sub(trace_id, 1, 16) .. "-01")
  end
  handle:streamInfo():dynamicMetadata():set("caravel", "trace_id", trace_id)

  local path = string.match(headers:get(":path"), "^[^?]*")
  local decimal = DECIMALS[path] or string.match(path, REFUND) and "amount_usd"
  if decimal and headers:get(":method") == "POST" then quote_decimal(handle, decimal) end
end

function envoy_on_response(handle)
  local headers = handle:headers()
  local content_type = headers:get("content-type") or ""
  if string.sub(content_type, 1, 16) == "application/grpc" then return end
  local grpc_status = headers:get("grpc-status")
  if grpc_status then
    handle:streamInfo():dynamicMetadata():set("caravel", "grpc_status", tonumber(grpc_status))
  end
  local wanted = headers:get("x-http-status")
  local allowed = REWRITES[headers:get(":status")]
  if wanted and allowed and allowed[wanted] then headers:replace(":status", wanted) end
  for _, name in ipairs(GRPC_NOISE) do headers:remove(name) end
end
