-- The text format of Prometheus, version 0.0.4.

local text = require "resty.vrrp.text"

local concat = table.concat
local gsub = string.gsub
local ipairs = ipairs
local setmetatable = setmetatable


local _M = { CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8" }
local mt = { __index = _M }


-- Samples are kept in parts, of which most are the same for many: a string of
-- its own for each sample would have LuaJIT sort its table of strings anew,
-- which takes longer than a slice of work may. So many parts become a text.
local MAX_PARTS = 2000
local ESCAPES = { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n" }


-- Returns a label, as in name="value". Any process of nginx can have written
-- the value: what is not UTF-8 becomes question marks.
function _M.label(name, value)
    if not text.is_utf8(value) then
        value = gsub(value, "[\128-\255]", "?")
    end
    return name .. '="' .. gsub(value, '[\\"\n]', ESCAPES) .. '"'
end


-- Returns an empty page of these metrics, each { name, type, help }. All
-- samples of one metric stand together, in the order of the list.
function _M.new(metrics)
    local samples = {}
    for _, metric in ipairs(metrics) do
        local name = metric[1]
        samples[name] = {
            name = name, begin = name .. "{", texts = {}, parts = {}, count = 0,
        }
    end
    return setmetatable({ metrics = metrics, samples = samples }, mt)
end


local function finish(sample)
    if sample.count > 0 then
        local texts = sample.texts
        texts[#texts + 1] = concat(sample.parts, "", 1, sample.count)
        sample.count = 0
    end
end


-- Adds a sample. Labels are a text without braces, "" for none, and so are more
-- of them, which begin with a comma.
function _M:add(name, labels, value, more)
    local sample = self.samples[name]
    local parts, count = sample.parts, sample.count
    local has_labels = labels ~= ""
    parts[count + 1] = has_labels and sample.begin or sample.name
    parts[count + 2] = labels
    parts[count + 3] = more or ""
    parts[count + 4] = has_labels and "} " or " "
    parts[count + 5] = value
    parts[count + 6] = "\n"
    sample.count = count + 6
    if sample.count >= MAX_PARTS then
        finish(sample)
    end
end


-- Returns the page in pieces. A metric without a sample is left out. Calls
-- breathe() between any two steps.
function _M:pieces(breathe)
    local pieces = {}
    for _, metric in ipairs(self.metrics) do
        local name = metric[1]
        local sample = self.samples[name]
        finish(sample)
        if sample.texts[1] then
            pieces[#pieces + 1] = "# HELP " .. name .. " " .. metric[3]
                                  .. "\n# TYPE " .. name .. " " .. metric[2]
                                  .. "\n"
        end
        for _, piece in ipairs(sample.texts) do
            pieces[#pieces + 1] = piece
        end
        breathe()
    end
    return pieces
end


return _M
