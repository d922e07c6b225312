-- Requests for the operators' console. Runs in Envoy, on its one route: a key that stands in a path goes
-- no further than here and into no log, and a caller without a trace gets one, named after the request.

function envoy_on_request(handle)
  local headers = handle:headers()
  local path = headers:get(":path") or ""
  if string.find(path, "cv[lo]_%a+_%w") then
    headers:replace(":path", (string.gsub(path, "(cv[lo]_%a+_)%w+", "%1x")))
  end
  if not string.match(headers:get("traceparent") or "", "^00%-%x+%-%x+%-%x%x$") then
    local id = string.gsub(headers:get("x-request-id") or "", "-", "")
    headers:replace("traceparent", "00-" .. id .. "-" .. string.sub(id, 1, 16) .. "-01")
  end
end
