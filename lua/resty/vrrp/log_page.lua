-- GET …/log: the last lines of the engine, as text.

local answer = require "resty.vrrp.answer"
local board_module = require "resty.vrrp.board"
local clock = require "resty.vrrp.clock"
local layout = require "resty.vrrp.layout"
local text = require "resty.vrrp.text"

local countable = board_module.countable
local iso8601 = clock.iso8601
local max = math.max
local ngx = ngx
local on_one_line = text.on_one_line
local pairs = pairs
local sort = table.sort
local text_of = board_module.text_of
local tonumber = tonumber
local type = type


local _M = {}


local LEVELS = { [4] = "error", [5] = "warn", [6] = "notice" }


-- Returns how many lines are asked for; or nil and what is wrong.
function _M.wanted(arguments)
    for name in pairs(arguments) do
        if name ~= "lines" then
            return nil, "known here: lines"
        end
    end
    local lines = arguments.lines
    if lines == nil then
        return layout.LINES
    end
    local count = type(lines) == "string" and tonumber(lines:match("^%d+$"))
    if not count or count < 1 or count > layout.LINES then
        return nil, "lines is a number from 1 to " .. layout.LINES
    end
    return count
end


-- Returns a line by its number, or nil if it is being overwritten.
local function read(board, number)
    local slot = board.lines[number % layout.LINES]
    if slot.number ~= number then
        return nil
    end
    local line = { at_ms = tonumber(slot.at_ms), number = number,
                   level = LEVELS[slot.level] or "?",
                   text = on_one_line(text_of(slot.text)) }
    return slot.number == number and line or nil
end


-- What the engine before has written last may stand behind later lines.
local function is_earlier(one, other)
    if one.at_ms ~= other.at_ms then
        return one.at_ms < other.at_ms
    end
    return one.number < other.number
end


function _M.serve(board)
    local count, problem = _M.wanted(ngx.req.get_uri_args())
    if not count then
        return answer.refuse(ngx.HTTP_BAD_REQUEST, problem)
    end
    local last = countable(board.header.lines)
    local lines = {}
    for number = max(1, last - layout.LINES + 1), last do
        lines[#lines + 1] = read(board, number)
    end
    sort(lines, is_earlier)
    local pieces = {}
    for index = max(1, #lines - count + 1), #lines do
        local line = lines[index]
        pieces[#pieces + 1] = iso8601(line.at_ms) .. " [" .. line.level .. "] "
                              .. line.text .. "\n"
    end
    return answer.send(ngx.HTTP_OK, "text/plain; charset=utf-8", pieces)
end


return _M
