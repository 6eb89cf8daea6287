-- Writes JSON: options for the native library, and the status. It reads none.
-- Not every nginx comes with a JSON library.

local text = require "resty.vrrp.text"

local ngx = ngx
local abs = math.abs
local byte = string.byte
local concat = table.concat
local floor = math.floor
local format = string.format
local gsub = string.gsub
local is_utf8 = text.is_utf8
local sort = table.sort
local pairs = pairs
local type = type


local _M = {
    null = ngx.null,
}


-- Members of the status in the order in which people read them. One order fits
-- every object. Members that are not in the list follow by name.
local RANK = {}
do
    local order = [[
        error at from to
        router_id test verdict findings
        module nginx carrier pid master_pid generation started now
        heartbeat_age_ms healthy draining control
        workers total alive board_locked
        name interface vrid family version node instances
        state since reason fault transitions
        address priority self last_advert_age_ms assigned
        label lost contested
        effective_priority preempt advert_interval_ms active_down_interval_ms
        active sync_group addresses peers checks ok weight warnings text
        counters history
        advertisements_sent advertisements_received
        priority_zero_sent priority_zero_received announcements_sent errors
        checksum ttl vrid length type auth interval address_list
        owner own_source unlisted martian not_running
    ]]
    local rank = 0
    for name in order:gmatch("%S+") do
        rank = rank + 1
        RANK[name] = RANK[name] or rank
    end
end


local ESCAPES = {
    ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f",
    ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t",
}

local MAX_DEPTH = 16
-- A double cannot hold every whole number above this.
local MAX_EXACT = 2 ^ 53


local function escape(char)
    return ESCAPES[char] or format("\\u%04x", byte(char))
end


local function quoted(value)
    return '"' .. gsub(value, '[%c"\\]', escape) .. '"'
end


local function before(a, b)
    local rank_a, rank_b = RANK[a], RANK[b]
    if rank_a and rank_b then
        return rank_a < rank_b
    end
    if rank_a or rank_b then
        return rank_a ~= nil
    end
    return a < b
end


local function path_of(path, key)
    if type(key) == "number" then
        return path .. "[" .. key .. "]"
    end
    return path == "" and key or path .. "." .. key
end


local function fail(path, problem)
    if path == "" then
        return nil, problem
    end
    return nil, path .. ": " .. problem
end


local write


local function write_list(list, out, path, depth)
    local count = #list
    for key in pairs(list) do
        local whole = type(key) == "number" and key == floor(key)
        if not whole or key < 1 or key > count then
            return fail(path, "a list cannot have names or holes")
        end
    end

    out[#out + 1] = "["
    for index = 1, count do
        if index > 1 then
            out[#out + 1] = ","
        end
        local ok, err = write(list[index], out, path_of(path, index), depth)
        if not ok then
            return nil, err
        end
    end
    out[#out + 1] = "]"
    return true
end


local function write_object(object, out, path, depth)
    local names = {}
    for name in pairs(object) do
        if type(name) ~= "string" then
            return fail(path, "a list cannot have holes, and a name must be"
                              .. " a text, got a " .. type(name))
        end
        names[#names + 1] = name
    end
    sort(names, before)

    for index, name in ipairs(names) do
        if not is_utf8(name) then
            return fail(path, "a name is not valid UTF-8")
        end
        out[#out + 1] = (index == 1 and "{" or ",") .. quoted(name) .. ":"
        local ok, err = write(object[name], out, path_of(path, name), depth)
        if not ok then
            return nil, err
        end
    end
    out[#out + 1] = "}"
    return true
end


local function write_number(number, out, path)
    if number ~= number or abs(number) == math.huge then
        return fail(path, "not a number that can be written down")
    end
    local whole = number == floor(number) and abs(number) < MAX_EXACT
    out[#out + 1] = format(whole and "%.0f" or "%.17g", number)
    return true
end


function write(value, out, path, depth)
    local kind = type(value)
    if kind == "string" then
        if not is_utf8(value) then
            if not out.repairs then
                return fail(path, "not valid UTF-8")
            end
            value = gsub(value, "[\128-\255]", "?")
        end
        out[#out + 1] = quoted(value)
        return true
    end
    if kind == "number" then
        return write_number(value, out, path)
    end
    if kind == "boolean" then
        out[#out + 1] = value and "true" or "false"
        return true
    end
    if value == _M.null then
        out[#out + 1] = "null"
        return true
    end
    if kind ~= "table" then
        return fail(path, "a " .. kind .. " cannot be used here")
    end

    if depth == MAX_DEPTH then
        return fail(path, "nested too deep, or a table within itself")
    end
    if next(value) == nil or #value > 0 then
        return write_list(value, out, path, depth + 1)
    end
    return write_object(value, out, path, depth + 1)
end


-- Returns a value as JSON; or nil and the problem, with the path of the value
-- that cannot be written. An empty table is an empty list.
function _M.encode(value)
    local out = {}
    local ok, err = write(value, out, "", 0)
    if not ok then
        return nil, err
    end
    return concat(out)
end


-- Returns a value of the status as JSON. Any process of nginx can have written
-- its texts: what is not UTF-8 becomes question marks.
function _M.show(value)
    local out = { repairs = true }
    write(value, out, "", 0)
    return concat(out)
end


return _M
