-- Holds a JSON body against the fields of a call, at every depth. The transcoder would drop a name
-- that it does not know, take one twice, and take more than JSON.
local forms = require("forms")
local json = require("json")

local byte, gsub = string.byte, string.gsub

local body = {}

local DEPTH_MAX = 32
local VIOLATIONS_MAX = 10
local NUMBER_CHARACTERS_MAX = 40

local QUOTE, COLON, COMMA = byte('":,', 1, 3)
local OBJECT, OBJECT_END, ARRAY, ARRAY_END = byte("{}[]", 1, 4)
-- A value of any form: what an unknown name has, and what google.protobuf.Value takes.
local ANY = { kind = "value" }
local ITEMS = { list = true, values = true, value = true }
local MEMBERS = { message = true, map = true, struct = true, value = true }

local value

local function refuse(state, path, reason, description)
  local violations = state.violations
  violations[#violations + 1] = { field = path, reason = reason, description = description }
  -- A longer list helps nobody, and the rest need not be read.
  if #violations == VIOLATIONS_MAX then error(violations, 0) end
end

local function unknown(state, path, name, members)
  if state.in_path[path] then
    refuse(state, path, "FIELD_MISPLACED", path .. " stands in the path and nowhere else")
    return
  end
  local names, plain = {}, string.lower((gsub(name, "_", "")))
  for known in pairs(members) do
    names[#names + 1] = known
    if gsub(known, "_", "") == plain then
      refuse(state, path, "FIELD_UNKNOWN", path .. " is unknown; the field is written " .. known)
      return
    end
  end
  table.sort(names)
  local may = #names > 0 and "there may be " .. table.concat(names, ", ") or "there are no fields"
  local named = name == "" and "a field without a name" or path
  refuse(state, path, "FIELD_UNKNOWN", named .. " is unknown; " .. may)
end

-- The field under a name of a message, after a look whether it may be there.
local function member(state, members, name, path, chosen)
  local field = members[name]
  if not field then
    unknown(state, path, name, members)
    return ANY
  end
  local group = field.oneof
  if group then
    local other = chosen[group] or name
    if other ~= name then
      refuse(state, path, "FIELDS_CONTRADICTORY", path .. " cannot be there together with " .. other)
    end
    chosen[group] = name
  end
  return field
end

local function object(state, field, path, depth)
  local present, chosen = {}, {}
  state.at = state.at + 1
  local next = json.peek(state)
  while next ~= OBJECT_END do
    if next ~= QUOTE then json.fail(state, "a name in double quotes must stand here") end
    json.count(state)
    local name = json.string(state)
    local inner = depth == 1 and name or path .. "." .. name
    if json.peek(state) ~= COLON then json.fail(state, "a colon must stand here") end
    state.at = state.at + 1
    if present[name] then refuse(state, inner, "FIELD_DUPLICATED", inner .. " is there twice") end
    present[name] = true
    local known = ANY
    if field.fields then known = member(state, field.fields, name, inner, chosen) end
    if field.kind == "map" then known = field.of end
    value(state, known, inner, depth)
    next = json.peek(state)
    if next == COMMA then
      state.at = state.at + 1
      next = json.peek(state)
      if next == OBJECT_END then json.fail(state, "a comma must not stand before the end") end
    elseif next ~= OBJECT_END then
      json.fail(state, "a comma or a closing brace must stand here")
    end
  end
  state.at = state.at + 1
end

local function array(state, field, path, depth)
  local index = 0
  state.at = state.at + 1
  local next = json.peek(state)
  while next ~= ARRAY_END do
    value(state, field.kind == "list" and field.of or ANY, path .. "[" .. index .. "]", depth)
    index = index + 1
    next = json.peek(state)
    if next == COMMA then
      state.at = state.at + 1
      next = json.peek(state)
      if next == ARRAY_END then json.fail(state, "a comma must not stand before the end") end
    elseif next ~= ARRAY_END then
      json.fail(state, "a comma or a closing bracket must stand here")
    end
  end
  state.at = state.at + 1
end

local function must_be(state, field, path)
  refuse(state, path, "FIELD_INVALID", path .. " must be " .. forms.words(field))
end

local function scalar(state, field, path)
  local from = state.at
  local text, json_type = json.scalar(state)
  if field.kind == "value" then return end
  if json_type == "null" then
    refuse(state, path, "FIELD_INVALID", path .. " must not be null; leave it out instead")
  elseif not forms.takes(field.kind, json_type) then
    must_be(state, field, path)
  elseif json_type == "number" and #text > NUMBER_CHARACTERS_MAX then
    refuse(state, path, "FIELD_INVALID", path .. " has too many digits")
  elseif not forms.fits(field, text) then
    must_be(state, field, path)
  elseif field.kind == "decimal" and json_type == "number" then
    local numbers = state.numbers
    numbers[#numbers + 1] = { from, state.at }
  end
end

function value(state, field, path, depth)
  json.count(state)
  local first = json.peek(state)
  if first ~= OBJECT and first ~= ARRAY then return scalar(state, field, path) end
  if depth == DEPTH_MAX then json.fail(state, "the body is nested too deeply") end
  if not (first == OBJECT and MEMBERS or ITEMS)[field.kind] then
    must_be(state, field, path)
    field = ANY
  end
  return (first == OBJECT and object or array)(state, field, path, depth + 1)
end

local function read(state, fields)
  if json.peek(state) ~= OBJECT then json.fail(state, "the body must be a JSON object") end
  object(state, { kind = "message", fields = fields }, "", 1)
  json.peek(state)
  if state.at <= #state.text then json.fail(state, "nothing may follow the JSON object") end
  if #state.violations > 0 then error(state.violations, 0) end
end

-- The text with the numbers put between quotes that stand for decimal text, digit for digit; an
-- exponent, which decimal text has not, is written out.
local function quoted(state)
  local text, parts, from = state.text, {}, 1
  for _, place in ipairs(state.numbers) do
    parts[#parts + 1] = string.sub(text, from, place[1] - 1)
    parts[#parts + 1] = '"' .. forms.plain(string.sub(text, place[1], place[2] - 1)) .. '"'
    from = place[2]
  end
  parts[#parts + 1] = string.sub(text, from)
  return table.concat(parts)
end

-- The body as the transcoder shall have it; or nil, and either a list of violations or an error
-- { message, offset } of a text that is no JSON. in_path names the fields that the path holds.
function body.check(text, fields, in_path)
  local state = { text = text, at = 1, parts = 0, in_path = in_path, violations = {}, numbers = {} }
  if not forms.is_utf8(text) then return nil, { message = "the body is not UTF-8", offset = 0 } end
  local passed, problem = pcall(read, state, fields)
  if not passed and type(problem) == "string" then error(problem, 0) end
  if not passed then return nil, problem end
  return #state.numbers > 0 and quoted(state) or text
end

return body
