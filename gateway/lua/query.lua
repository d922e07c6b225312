-- Holds the query of a request against the parameters of its call.
local forms = require("forms")
local routes = require("routes")

local find, match = string.find, string.match

local query = {}

local VIOLATIONS_MAX = 10

-- The violation of a parameter: a reason and a sentence, or nil.
local function fault(route, name, field, text, seen)
  if name == "" then return "FIELD_UNKNOWN", "a parameter of the query has no name" end
  if not field then
    if route.in_path[name] then
      return "FIELD_MISPLACED", name .. " stands in the path and nowhere else"
    elseif route.body and route.body[name] then
      return "FIELD_MISPLACED", name .. " stands in the body and nowhere else"
    end
    return "FIELD_UNKNOWN", name .. " is no parameter of this call; names are written as documented"
  elseif seen and field.kind ~= "list" then
    return "FIELD_DUPLICATED", name .. " is there twice"
  elseif not text then
    return "FIELD_INVALID", name .. " must be followed by a value that can be read"
  elseif text == "" and not field.may_be_empty then
    return "FIELD_INVALID", name .. " must not be empty; leave it out instead"
  end
  local single = field.kind == "list" and field.of or field
  if text ~= "" and not forms.fits(single, text) then
    return "FIELD_INVALID", name .. " must be " .. forms.words(single)
  end
end

-- The violations of the query, or nil.
function query.check(text, route)
  local violations, seen = {}, {}
  for pair in string.gmatch(text .. "&", "([^&]*)&") do
    local name, written = match(pair, "^([^=]*)=?(.*)$")
    local has_value = find(pair, "=", 1, true)
    -- A semicolon separates in some libraries and not in others, so it says nothing here.
    local decoded = has_value and not find(written, ";", 1, true) and routes.decode(written) or nil
    local reason, description = fault(route, name, route.query[name], decoded, seen[name])
    seen[name] = true
    if reason and #violations < VIOLATIONS_MAX then
      violations[#violations + 1] = { field = name, reason = reason, description = description }
    end
  end
  return #violations > 0 and violations or nil
end

return query
