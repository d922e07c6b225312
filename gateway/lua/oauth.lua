-- The errors of the token endpoint in the form of RFC 6749, beside ours.
local answers = require("answers")

local match = string.match

local oauth = {}

-- Its errors by our reasons, and where those say no more by the status.
local ERRORS = {
  CLIENT_NOT_ALLOWED = "unauthorized_client", GRANT_TYPE_UNSUPPORTED = "unsupported_grant_type",
  SCOPE_INVALID = "invalid_scope", TOKENS_NOT_ISSUED = "unauthorized_client",
  [401] = "invalid_client", [429] = "temporarily_unavailable",
  [500] = "server_error", [503] = "temporarily_unavailable", [504] = "temporarily_unavailable",
}

-- The body of an error, given as text, with the members of RFC 6749 in front of it. The description is
-- the message, in which JSON has only ASCII: the RFC allows no other.
function oauth.error_of(text, status)
  local name = ERRORS[answers.reason_of(text)] or ERRORS[status] or "invalid_request"
  -- Without what JSON escapes, a text ends at the next quote.
  local plain = string.gsub(string.gsub(text, "\\u%x%x%x%x", "?"), "\\.", "'")
  local message = string.gsub(match(plain, '"message":"([^"]*)"') or "", "[\128-\255]+", "?")
  return '{"error":"' .. name .. '","error_description":"' .. message .. '",' .. string.sub(text, 2)
end

return oauth
