-- GET /healthz asks payments in one of the places that the listener's calls have, which its route
-- names: 200 only while it answers that calls are welcome. Runs in Envoy, on that one route.

-- The question has no name of a service, and the answer's one field is 1 for SERVING.
local QUESTION = "\0\0\0\0\0"
local SERVING = "\0\0\0\0\2\8\1"
local MILLISECONDS = 2000

function envoy_on_request(handle)
  local _, body = handle:httpCall(handle:metadata():get("cluster"), {
    [":method"] = "POST",
    [":path"] = "/grpc.health.v1.Health/Check",
    [":authority"] = "payments",
    ["content-type"] = "application/grpc",
    ["te"] = "trailers",
  }, QUESTION, MILLISECONDS)
  if body ~= SERVING then handle:respond({ [":status"] = "503" }, "") end
end
