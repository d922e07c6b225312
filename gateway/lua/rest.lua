-- REST as it is before and after the transcoder, which neither refuses what a call does not know nor
-- says why it refuses. Runs in Envoy, on the REST listener only; `contract` is made from the .proto
-- files, and nothing about a call stands here.

-- Every request is a coroutine, short, and mostly calls of Envoy, which cannot be compiled: that LuaJIT
-- tries it all the same costs more than it gains, a twentieth of what Envoy uses for a payment.
jit.off()

local answers = require("answers")
local body = require("body")
local contract = require("contract")
local oauth = require("oauth")
local query = require("query")
local refusals = require("refusals")
local routes = require("routes")

local find, lower, match = string.find, string.lower, string.match

local BODY_BYTES_MAX = contract.limits.body_max_bytes
-- The headers that are passed on, but for those that only a webhook has. First those that a service
-- reads, then those that Envoy itself still needs. Of a caller's text must be looked at whether gRPC can
-- carry it; the others are Envoy's words or ours.
local CALLERS, OURS = 1, 2
local NEEDED = {
  authorization = CALLERS, ["idempotency-key"] = CALLERS, traceparent = CALLERS, tracestate = CALLERS,
  ["x-api-key"] = CALLERS,
  [":authority"] = OURS, [":method"] = OURS, [":path"] = OURS, [":protocol"] = OURS, [":scheme"] = OURS,
  ["content-length"] = CALLERS, ["content-type"] = CALLERS, host = CALLERS, origin = CALLERS, te = CALLERS,
  ["transfer-encoding"] = CALLERS, ["x-forwarded-for"] = CALLERS, ["x-forwarded-proto"] = CALLERS,
  ["x-request-id"] = OURS,
}
local SAFE = { GET = "GET", HEAD = "GET" }

-- Headers of gRPC that a REST client should not see.
local GRPC_NOISE = {
  "grpc-status", "grpc-message", "grpc-status-details-bin",
  "grpc-accept-encoding", "x-envoy-upstream-service-time",
}

local OTHER_PORT = "native gRPC has its own port"
local OAUTH_CHALLENGE = 'Basic realm="caravel", charset="UTF-8"'
local CHALLENGE = 'Bearer realm="caravel"'

local function methods_of(calls)
  local names = {}
  for method in pairs(calls) do names[#names + 1] = method end
  if calls.GET then names[#names + 1] = "HEAD" end
  names[#names + 1] = "OPTIONS"
  table.sort(names)
  return table.concat(names, ", ")
end

-- Removes what no service reads, and gRPC could not carry: its metadata are printable ASCII. Returns
-- the name of a header that is needed and cannot be carried.
local function clean(headers, is_webhook)
  local dropped, unreadable = {}, nil
  for name, text in pairs(headers) do
    local needed = NEEDED[name]
    if needed ~= OURS then
      local is_carried = (needed or is_webhook) and find(text, "^[\32-\126]*$")
      if needed and not is_carried then unreadable = name end
      if not is_carried then dropped[#dropped + 1] = name end
    end
  end
  for _, name in ipairs(dropped) do headers:remove(name) end
  return unreadable
end

-- Which call a request is, or a refusal, after a call whose errors have the same form.
local function route_of(handle, headers)
  local method = headers:get(":method")
  -- CONNECT has no path.
  local address, parameters = match(headers:get(":path") or "", "^([^?]*)%??(.*)$")
  local calls, written = routes.find(address)
  if not calls then
    if written then return nil, refusals.unreadable_path() end
    -- A page of the documentation, whose route in envoy.yaml says so.
    local allowed = handle:metadata():get("methods")
    if not allowed then return nil, refusals.not_found() end
    return nil, not SAFE[method] and refusals.other_method(method, allowed) or nil
  end
  local route = calls[SAFE[method] or method]
  if not route then
    local _, another = next(calls)
    return another, refusals.other_method(method, methods_of(calls))
  end
  local violations = parameters ~= "" and query.check(parameters, route)
  if violations then return route, refusals.of_violations(violations) end
  if written ~= address then
    headers:replace(":path", parameters ~= "" and written .. "?" .. parameters or written)
  end
  if method == "HEAD" then
    headers:replace(":method", "GET")
    handle:streamInfo():dynamicMetadata():set("caravel", "head", true)
  end
  return route
end

-- The refusal for the headers of a raw body that must be of one type, or nil.
local function unreadable_raw(headers, content_type, needed)
  local found = match(lower(content_type), "^%s*([^;]*[^;%s])%s*") or ""
  if found ~= needed then
    return refusals.unsupported("content-type", "The body must be a form; send content-type: " .. needed .. ".")
  elseif (headers:get("content-encoding") or "identity") ~= "identity" then
    return refusals.unsupported("content-encoding", "The body must not be compressed.")
  end
end

-- The refusal for the headers of a body, or nil.
local function unreadable_body(headers, content_type)
  if content_type ~= "application/json" then
    content_type = lower(content_type)
    local charset = match(content_type, ";%s*charset%s*=%s*\"?([^\"; ]*)")
    if not find(content_type, "^application/json%s*;") and content_type ~= "application/json" then
      return refusals.unsupported("content-type", "The body must be JSON; send content-type: application/json.")
    elseif charset and charset ~= "utf-8" then
      return refusals.unsupported("content-type", "JSON is UTF-8; leave the charset out.")
    end
  end
  if (headers:get("content-encoding") or "identity") ~= "identity" then
    return refusals.unsupported("content-encoding", "The body must not be compressed.")
  end
end

-- Returns nil, and what is wrong with a body that is there; puts numbers of decimal text between
-- quotes.
local function check_body(route, buffer, unreadable)
  if buffer:length() > BODY_BYTES_MAX then return nil, refusals.too_large() end
  if unreadable then return nil, unreadable end
  if route.raw then return nil end
  if not route.body then return nil, refusals.malformed("This call takes no body.") end
  local text = buffer:getBytes(0, buffer:length())
  local checked, problem = body.check(text, route.body, route.in_path)
  if not checked then return nil, refusals.of_body(problem) end
  if checked ~= text then buffer:setBytes(checked) end
end

local function respond(handle, refusal, request_id, route)
  local fields = { [":status"] = tostring(refusal.status) }
  if refusal.allow then fields.allow = refusal.allow end
  if refusal.status == 204 then
    handle:respond(fields, nil)
    return
  end
  fields["content-type"] = "application/json"
  local metadata = handle:streamInfo():dynamicMetadata()
  metadata:set("caravel", "reason", refusal.reason)
  metadata:set("caravel", "status", refusal.status)
  local text = answers.body(refusal, request_id)
  if route and route.oauth_errors then
    text = oauth.error_of(text, refusal.status)
    if refusal.status == 401 then fields["www-authenticate"] = OAUTH_CHALLENGE end
  end
  handle:respond(fields, text)
end

-- Runs a check; an error in it refuses the request, which Envoy would let pass.
local function guarded(handle, check, ...)
  local passed, first, second, third = pcall(check, ...)
  if passed then return first, second, third end
  handle:logErr("rest.lua: " .. tostring(first))
  return nil, refusals.INTERNAL_ERROR
end

local function trace(handle, headers, request_id)
  -- A caller without a trace gets one, named after the request, so that one id finds all logs.
  local trace_id = match(headers:get("traceparent") or "", "^00%-(%x+)%-%x+%-%x%x$")
  if not trace_id then
    trace_id = string.gsub(request_id, "-", "")
    headers:replace("traceparent", "00-" .. trace_id .. "-" .. string.sub(trace_id, 1, 16) .. "-01")
  end
  local metadata = handle:streamInfo():dynamicMetadata()
  metadata:set("caravel", "trace_id", trace_id)
  metadata:set("caravel", "request_id", request_id)
end

-- The call that a request is, and what is wrong with the request as far as its headers say. The
-- request is changed to what shall go upstream.
local function check_headers(handle, headers)
  -- The transcoder would let it pass as it is.
  local content_type = headers:get("content-type") or ""
  if find(content_type, "^application/grpc") then
    local is_native = headers:get("te") == "trailers"
    if is_native then handle:streamInfo():dynamicMetadata():set("caravel", "native", true) end
    return nil, refusals.unsupported("content-type", OTHER_PORT)
  end
  local route, refusal = route_of(handle, headers)
  if refusal or not route then return route, refusal end
  local length = tonumber(headers:get("content-length") or "") or 0
  if length > BODY_BYTES_MAX then return route, refusals.too_large() end
  local unreadable = route.body and unreadable_body(headers, content_type)
  if route.body_type then unreadable = unreadable_raw(headers, content_type, route.body_type) end
  -- Of a webhook nobody here can say which headers its signature needs.
  local name = clean(headers, route.raw and not route.body_type)
  if name then
    return route, refusals.unreadable_header(name)
  end
  -- Without a body it does not matter of which type it is.
  return route, nil, unreadable
end

-- A key has no business in a path. Of one that stands there nothing goes on, and nothing into a log.
local function hide_key(headers)
  local path = headers:get(":path") or ""
  if find(path, "cv[lo]_%a+_%w") then
    headers:replace(":path", (string.gsub(path, "(cv[lo]_%a+_)%w+", "%1x")))
  end
end

function envoy_on_request(handle)
  local headers = handle:headers()
  hide_key(headers)
  local request_id = headers:get("x-request-id") or ""
  trace(handle, headers, request_id)
  local route, refusal, unreadable = guarded(handle, check_headers, handle, headers)
  if refusal then return respond(handle, refusal, request_id, route) end
  if not route then return end
  if route.oauth_errors then handle:streamInfo():dynamicMetadata():set("caravel", "oauth", true) end
  if route.status then
    handle:streamInfo():dynamicMetadata():set("caravel", "success", route.status)
  end
  -- Nothing goes upstream before the body is here whole.
  local buffer = handle:body()
  if not buffer then return end
  local _, fault = guarded(handle, check_body, route, buffer, unreadable)
  if fault then respond(handle, fault, request_id, route) end
end

-- Puts a body in the place of an answer's, and returns its headers, which reading it has made old.
local function replace_body(handle, text)
  handle:body(true):setBytes(text)
  return handle:headers()
end

-- Gives an error the status of its reason. An error without details is none of the service's but
-- gRPC's own, and has words about our inside.
local function explain(handle, headers, request_id)
  local buffer = handle:body(true)
  local text = buffer:getBytes(0, buffer:length())
  local code = match(text, '^{"code":(%d+),.*"details":%[%]}$')
  if not code then
    headers = handle:headers()
    local status = answers.status_of(text, tonumber(headers:get(":status")))
    if status then headers:replace(":status", tostring(status)) end
    return headers
  end
  local refusal = refusals.unexplained(code)
  buffer:setBytes(answers.body(refusal, request_id))
  headers = handle:headers()
  headers:replace(":status", tostring(refusal.status))
  local seconds = refusal.retry_after_seconds
  if seconds then headers:replace("retry-after", tostring(seconds)) end
  return headers
end

-- Gives an error the members of RFC 6749 too.
local function explain_to_oauth(handle)
  local buffer = handle:body(true)
  local status = tonumber(handle:headers():get(":status"))
  buffer:setBytes(oauth.error_of(buffer:getBytes(0, buffer:length()), status))
  local headers = handle:headers()
  if status == 401 then headers:replace("www-authenticate", OAUTH_CHALLENGE) end
  return headers
end

-- A refusal of the gateway to a request whose content type is gRPC's has become an answer of gRPC,
-- with our form in its message. A client that cannot be one of gRPC gets it as any other does.
local function unwrap(handle, headers, noted)
  if noted.native then
    headers:replace("grpc-message", OTHER_PORT)
    return headers
  end
  local text = routes.decode(headers:get("grpc-message") or "") or ""
  local status = noted.status or answers.status_of(text) or refusals.INTERNAL_ERROR.status
  headers = replace_body(handle, text)
  headers:replace(":status", tostring(status))
  headers:replace("content-type", "application/json")
  return headers
end

-- Of the end of a success only its message gets here; it has headers that every answer of the call has.
local function announce(headers, message)
  for name, value in string.gmatch(message, "(ratelimit[%w-]*)=(%S+)") do headers:replace(name, value) end
end

-- The answer to HEAD is that to GET without its body, and says how long that is.
local function behead(handle, headers)
  local length = headers:get("content-length")
  headers = replace_body(handle, "")
  if length then headers:replace("content-length", length) end
end

function envoy_on_response(handle)
  local headers = handle:headers()
  local metadata = handle:streamInfo():dynamicMetadata()
  local noted = metadata:get("caravel") or {}
  local grpc_status = headers:get("grpc-status")
  if grpc_status then metadata:set("caravel", "grpc_status", tonumber(grpc_status)) end
  if find(headers:get("content-type") or "", "^application/grpc") then
    headers = unwrap(handle, headers, noted)
    if noted.native then return end
  elseif headers:get(":status") >= "400" and not noted.reason then
    headers = explain(handle, headers, noted.request_id or "")
    if headers:get(":status") == "401" then headers:replace("www-authenticate", CHALLENGE) end
    if noted.oauth then headers = explain_to_oauth(handle) end
  else
    local message = headers:get("grpc-message")
    if message then announce(headers, message) end
  end
  if noted.success and headers:get(":status") == "200" then
    headers:replace(":status", tostring(noted.success))
  end
  for _, name in ipairs(GRPC_NOISE) do headers:remove(name) end
  if noted.head then behead(handle, headers) end
end
