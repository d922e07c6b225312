-- The parts of JSON, read strictly as RFC 8259 has them. A state holds the text, the place (at), and
-- how many parts have been read; what is no JSON ends the reading with an error { message, offset }.
local byte, char, find, match, sub = string.byte, string.char, string.find, string.match, string.sub

local json = {}

-- More than any request needs, and little enough that reading it holds nobody up.
local PARTS_MAX = 5000

local QUOTE, BACKSLASH = byte('"\\', 1, 2)
local ESCAPED = {
  ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t",
}
local LITERALS = { ["true"] = "boolean", ["false"] = "boolean", ["null"] = "null" }
local BLANKS = { [9] = true, [10] = true, [13] = true, [32] = true }

-- Ends the reading.
function json.fail(state, message)
  error({ message = message, offset = state.at - 1 }, 0)
end

-- Counts one more part: a value, a name, or an escape.
function json.count(state)
  state.parts = state.parts + 1
  if state.parts > PARTS_MAX then json.fail(state, "the body has too many parts") end
end

-- Moves to the next byte that is no blank, and gives it.
function json.peek(state)
  local next = byte(state.text, state.at)
  if not BLANKS[next] then return next end
  state.at = match(state.text, "^[ \t\r\n]*()", state.at)
  return byte(state.text, state.at)
end

local function utf8_of(code)
  if code < 0x80 then return char(code) end
  local last = char(0x80 + code % 64)
  code = math.floor(code / 64)
  if code < 0x20 then return char(0xC0 + code) .. last end
  last = char(0x80 + code % 64) .. last
  code = math.floor(code / 64)
  if code < 0x10 then return char(0xE0 + code) .. last end
  return char(0xF0 + math.floor(code / 64), 0x80 + code % 64) .. last
end

-- The character of the \u escape at that place, and the place behind it.
local function unicode(state, at)
  local high = tonumber(match(state.text, "^\\u(%x%x%x%x)", at) or "", 16)
  if not high then json.fail(state, "a string has an escape that JSON does not know") end
  if high < 0xD800 or high > 0xDFFF then return utf8_of(high), at + 6 end
  local low = tonumber(match(state.text, "^\\u(%x%x%x%x)", at + 6) or "", 16)
  if high > 0xDBFF or not low or low < 0xDC00 or low > 0xDFFF then
    json.fail(state, "a string has half of a surrogate pair")
  end
  return utf8_of(0x10000 + (high - 0xD800) * 1024 + low - 0xDC00), at + 12
end

-- The text of a string that has escapes, or is none.
local function escaped_string(state)
  local text, from, parts = state.text, state.at + 1, nil
  while true do
    local stop = find(text, '["\\%z\1-\31]', from)
    local ends_with = stop and byte(text, stop)
    state.at = stop or #text
    if ends_with == QUOTE then
      local last = sub(text, from, stop - 1)
      state.at = stop + 1
      return parts and table.concat(parts) .. last or last
    elseif ends_with ~= BACKSLASH then
      json.fail(state, stop and "a string has a control character" or "a string does not end")
    end
    json.count(state)
    local plain, escaped = sub(text, from, stop - 1), ESCAPED[sub(text, stop + 1, stop + 1)]
    from = stop + 2
    if not escaped then escaped, from = unicode(state, stop) end
    parts = parts or {}
    parts[#parts + 1] = plain .. escaped
  end
end

-- The text of the string that begins here. Nearly every one has no escape.
function json.string(state)
  local text, from = state.text, state.at + 1
  local stop = match(text, '^[^"\\%c]*()', from)
  if byte(text, stop) ~= QUOTE then return escaped_string(state) end
  state.at = stop + 1
  return sub(text, from, stop - 1)
end

-- The number that begins here, as it is written.
local function number(state)
  local text, from = state.text, state.at
  local stop = match(text, "^%-?0()", from) or match(text, "^%-?[1-9]%d*()", from)
  if not stop then json.fail(state, "a JSON value must stand here") end
  stop = match(text, "^%.%d+()", stop) or stop
  stop = match(text, "^[eE][+-]?%d+()", stop) or stop
  state.at = stop
  return sub(text, from, stop - 1)
end

-- The value that begins here and is neither object nor array: its text, and its JSON type.
function json.scalar(state)
  if byte(state.text, state.at) == QUOTE then return json.string(state), "string" end
  local word = match(state.text, "^%a+", state.at)
  local json_type = LITERALS[word]
  if not json_type then return number(state), "number" end
  state.at = state.at + #word
  return word, json_type
end

return json
