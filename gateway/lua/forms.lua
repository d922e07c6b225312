-- The form that a value of each kind must have, written as text: what stands between the quotes of a
-- JSON string, the characters of a JSON number, or a decoded query parameter.
local find, match = string.find, string.match

local forms = {}

-- The JSON types that a value of each kind may be written as; a string alone where none is named.
local JSON_TYPES = {
  bool = { boolean = true },
  decimal = { string = true, number = true },
  double = { number = true },
  int32 = { number = true },
  uint32 = { number = true },
  int64 = { string = true, number = true },
  uint64 = { string = true, number = true },
  list = {},
  map = {},
  message = {},
  struct = {},
  values = {},
}
local STRING = { string = true }

local WORDS = {
  bool = "true or false",
  bytes = "a string in base64",
  decimal = "a decimal, as a string or a number",
  double = "a finite number",
  duration = "a duration in seconds, such as 1.5s",
  int32 = "a whole number from -2147483648 to 2147483647",
  int64 = "a whole number of 64 bits",
  list = "an array",
  map = "an object",
  message = "an object",
  string = "a string",
  struct = "an object",
  timestamp = "a time as RFC 3339 has it, such as 2026-11-23T12:00:00Z",
  uint32 = "a whole number from 0 to 4294967295",
  uint64 = "a whole number of 64 bits, not negative",
  values = "an array",
}

-- Whether a field of the kind may be written as a JSON value of the type.
function forms.takes(kind, json_type)
  return (JSON_TYPES[kind] or STRING)[json_type]
end

-- The required form of a field, in words.
function forms.words(field)
  if field.kind ~= "enum" then return WORDS[field.kind] end
  local names = {}
  for name in pairs(field.values) do names[#names + 1] = name end
  table.sort(names)
  return "one of " .. table.concat(names, ", ")
end

-- Whether whole digits are at most the limit, which has no leading zero.
local function is_within(digits, limit)
  if not digits or find(digits, "^0%d") then return false end
  if #digits ~= #limit then return #digits < #limit end
  return digits <= limit
end

local function signed(most)
  local least = string.sub(most, 1, -2) .. "8"
  return function(text)
    local sign, digits = match(text, "^(%-?)(%d+)$")
    return is_within(digits, sign == "-" and least or most)
  end
end

local function unsigned(most)
  return function(text) return is_within(match(text, "^%d+$"), most) end
end

local DAYS = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function days_of(year, month)
  local leaps = year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
  return month == 2 and leaps and 29 or DAYS[month] or 0
end

local function is_timestamp(text)
  local year, month, day, hour, minute, second, rest =
    match(text, "^(%d%d%d%d)%-(%d%d)%-(%d%d)T(%d%d):(%d%d):(%d%d)(.+)$")
  if not year or year == "0000" then return false end
  local fraction = match(rest, "^%.(%d+)")
  if fraction and #fraction > 9 then return false end
  local zone = fraction and string.sub(rest, #fraction + 2) or rest
  local hours, minutes = match(zone, "^[+-](%d%d):(%d%d)$")
  local is_zone = zone == "Z" or hours and hours < "24" and minutes < "60"
  day = tonumber(day)
  local is_day = day >= 1 and day <= days_of(tonumber(year), tonumber(month))
  return is_zone and is_day and hour < "24" and minute < "60" and second < "60"
end

local function is_double(text)
  local number = tonumber(text)
  return find(text, "^%-?%d") and number and number - number == 0
end

-- Whether a text has the form of the kind; a kind that is not here has no form.
local HAS = {
  bool = function(text) return text == "true" or text == "false" end,
  bytes = function(text) return #text % 4 == 0 and find(text, "^[%w+/_-]*=?=?$") end,
  double = is_double,
  int32 = signed("2147483647"),
  uint32 = unsigned("4294967295"),
  int64 = signed("9223372036854775807"),
  uint64 = unsigned("18446744073709551615"),
  timestamp = is_timestamp,
  duration = function(text)
    local seconds, fraction = match(text, "^%-?(%d+)%.?(%d*)s$")
    return is_within(seconds, "315576000000") and #fraction <= 9
  end,
}

-- Whether the text fits the field that the contract describes.
function forms.fits(field, text)
  if field.kind == "enum" then return field.values[text] end
  local has = HAS[field.kind]
  return not has or has(text)
end

-- An exponent beyond this is left, and the text is refused where it is read.
local EXPONENT_MAX = 30

-- The digits of a JSON number without its exponent: 1E+2 is 100, 1050e-2 is 10.50.
function forms.plain(text)
  local sign, whole, fraction, exponent = match(text, "^(%-?)(%d+)%.?(%d*)[eE]%+?(%-?%d+)$")
  local shift = tonumber(exponent)
  if not shift or shift > EXPONENT_MAX or shift < -EXPONENT_MAX then return text end
  local digits = string.rep("0", -shift) .. whole .. fraction .. string.rep("0", shift - #fraction)
  local point = math.max(-shift, 0) + #whole + shift
  local before, after = string.sub(digits, 1, point), string.sub(digits, point + 1)
  before = string.gsub(before, "^0+(%d)", "%1")
  return sign .. before .. (after == "" and "" or "." .. after)
end

-- Leads and first continuations that would be overlong, a surrogate, or beyond the last character.
local NEVER_UTF8 = {
  "[\192\193\245-\255]", "\224[\128-\159]", "\237[\160-\191]", "\240[\128-\143]", "\244[\144-\191]",
}

-- Whether the text is UTF-8. Each whole character is put out of the way, and nothing may be left.
function forms.is_utf8(text)
  if find(text, "^[\1-\127%z]*$") then return true end
  for _, pattern in ipairs(NEVER_UTF8) do
    if find(text, pattern) then return false end
  end
  text = string.gsub(text, "[\194-\223][\128-\191]", " ")
  text = string.gsub(text, "[\224-\239][\128-\191][\128-\191]", " ")
  text = string.gsub(text, "[\240-\244][\128-\191][\128-\191][\128-\191]", " ")
  return not find(text, "[\128-\255]")
end

return forms
