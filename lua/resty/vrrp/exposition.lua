-- The text format of Prometheus, version 0.0.4.

local text = require "resty.vrrp.text"

local concat = table.concat
local gsub = string.gsub
local ipairs = ipairs
local setmetatable = setmetatable


local _M = { CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8" }
local mt = { __index = _M }


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
        samples[metric[1]] = {}
    end
    return setmetatable({ metrics = metrics, samples = samples }, mt)
end


-- Adds a sample. Labels are given as text, without braces; "" is none.
function _M:add(name, labels, value)
    local samples = self.samples[name]
    local braced = labels ~= "" and "{" .. labels .. "} " or " "
    samples[#samples + 1] = name .. braced .. value .. "\n"
end


-- Returns the page in pieces. A metric without a sample is left out.
function _M:pieces(breathe)
    local pieces = {}
    for _, metric in ipairs(self.metrics) do
        local name = metric[1]
        local samples = self.samples[name]
        if samples[1] then
            pieces[#pieces + 1] = "# HELP " .. name .. " " .. metric[3]
                                  .. "\n# TYPE " .. name .. " " .. metric[2]
                                  .. "\n"
            pieces[#pieces + 1] = concat(samples)
        end
        breathe()
    end
    return pieces
end


return _M
