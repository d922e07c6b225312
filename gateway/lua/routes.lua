-- Finds the call that a path and a method name, in the table that is made from the contract.
local contract = require("contract")
local forms = require("forms")

local find = string.find

local routes = {}

-- A branch has the branches below it by segment, "*" being a variable, and the calls that end there
-- by verb ("" without one) and method.
local function new_branch() return { below = {}, ends = {} } end

local root = new_branch()
-- The calls at a path without variables, by the path as it is written.
local plain = {}
local ANY_SEGMENT = "*"

local function resolve(fields)
  for _, field in pairs(fields or {}) do
    local single = field.kind ~= "map" and field.kind ~= "list" and field or field.of
    if single.kind == "enum" then single.values = contract.enums[single.of] end
    if single.kind == "message" then single.fields = contract.messages[single.of] end
  end
end

local function add(route)
  local path, verb = string.match(route.path, "^([^:]*):?(.*)$")
  local branch = root
  route.in_path = {}
  for segment in string.gmatch(path, "[^/]+") do
    local variable = string.match(segment, "^{(.*)}$")
    if variable then route.in_path[variable] = true end
    segment = variable and ANY_SEGMENT or segment
    branch.below[segment] = branch.below[segment] or new_branch()
    branch = branch.below[segment]
  end
  branch.ends[verb] = branch.ends[verb] or {}
  branch.ends[verb][route.method] = route
  if not next(route.in_path) then plain[route.path] = branch.ends[verb] end
end

for _, fields in pairs(contract.messages) do resolve(fields) end
for _, route in ipairs(contract.routes) do
  resolve(route.body)
  resolve(route.query)
  add(route)
end

-- Text with its %XX read, or nil where it has others, no UTF-8, or a character that nobody prints.
function routes.decode(text)
  if find(text, "^[%w._~-]*$") then return text end
  if find(text, "%", 1, true) then
    if find(string.gsub(text, "%%%x%x", ""), "%", 1, true) then return nil end
    text = string.gsub(text, "%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end)
  end
  if find(text, "[%z\1-\31\127]") or not forms.is_utf8(text) then return nil end
  return text
end

local function encode(text)
  return (string.gsub(text, "[^%w._~-]", function(one)
    return string.format("%%%02X", string.byte(one))
  end))
end

-- The branch that a last segment ends at, what is left of the segment, and the verb it ends in.
local function last_of(branch, segment)
  local name, verb = string.match(segment, "^(.*):([^:]*)$")
  for _, rest in ipairs({ name or segment, segment }) do
    local below = branch.below[rest] or branch.below[ANY_SEGMENT]
    local ends = below and below.ends[rest == segment and "" or verb]
    if ends and rest ~= "" then return below, ends, rest, rest ~= segment and verb or nil end
  end
end

-- The calls at a path, by method, and the path as the transcoder shall read it: what stands for a
-- variable has no colon in it that would begin a verb, and the verb's own colon is one. Returns nil
-- for a path that is not there, and nil and true for one that cannot be read.
function routes.find(path)
  if plain[path] then return plain[path], path end
  local branch, written = root, {}
  local segments = {}
  for segment in string.gmatch(path, "/([^/]*)") do
    local decoded = routes.decode(segment)
    if not decoded then return nil, true end
    segments[#segments + 1] = decoded
  end
  for index = 1, #segments - 1 do
    local segment = segments[index]
    local exact = branch.below[segment]
    branch = exact or segment ~= "" and branch.below[ANY_SEGMENT]
    if not branch then return nil end
    written[index] = exact and segment or encode(segment)
  end
  local below, ends, rest, verb = last_of(branch, segments[#segments] or "")
  if not below then return nil end
  rest = branch.below[rest] and rest or encode(rest)
  written[#segments] = verb and rest .. ":" .. verb or rest
  return ends, "/" .. table.concat(written, "/")
end

return routes
