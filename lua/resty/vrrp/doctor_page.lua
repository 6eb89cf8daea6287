-- GET …/doctor: what is well on this node, what is not, and what to do. The
-- engine examines the node, and writes what it finds on the board.

local answer = require "resty.vrrp.answer"
local board_module = require "resty.vrrp.board"
local layout = require "resty.vrrp.layout"
local text_module = require "resty.vrrp.text"

local concat = table.concat
local format = string.format
local gsub = string.gsub
local ipairs = ipairs
local is_utf8 = text_module.is_utf8
local max = math.max
local ngx = ngx
local on_one_line = text_module.on_one_line
local pairs = pairs
local text_of = board_module.text_of


local _M = {}


local OK, WARNING, FAULT = 0, 1, 2
local VERDICTS = layout.VERDICTS
local RUNS = "it beats, and its threads have CAP_NET_ADMIN and CAP_NET_RAW"
local NOT_YET = "the engine has begun a moment ago, and has yet to examine the"
                .. " node: ask again"


-- Returns what is wrong with the arguments of a request, or nothing.
local function first_problem(arguments)
    for name in pairs(arguments) do
        if name ~= "format" then
            return "known here: format"
        end
    end
    local wanted = arguments.format
    if wanted ~= nil and wanted ~= "json" and wanted ~= "text" then
        return "format is text, json, or left out"
    end
end


_M.first_problem = first_problem


-- Returns a list of { test, verdict, text }: first the engine, then what it has
-- found.
local function read_findings(board)
    local running, problem, awaited = board:engine()
    if not running then
        local text = "the engine does not run: " .. problem
                     .. ". More is in resty-vrrp log, and in nginx's error log"
        return { { "engine", awaited and WARNING or FAULT, text } }
    end
    local findings = { { "engine", OK, RUNS } }
    for one in board:each_finding() do
        local verdict = VERDICTS[one.verdict] and one.verdict or WARNING
        findings[#findings + 1] = { text_of(one.test), verdict,
                                    text_of(one.text) }
    end
    if not findings[2] then
        findings[2] = { "examination", WARNING, NOT_YET }
    end
    return findings
end


local function to_json(board, findings)
    local shown, gravest = {}, OK
    for index, one in ipairs(findings) do
        shown[index] = { test = one[1], verdict = VERDICTS[one[2]],
                         text = one[3] }
        gravest = max(gravest, one[2])
    end
    return { router_id = text_of(board.header.router_id),
             verdict = VERDICTS[gravest], findings = shown }
end


-- Any process of nginx can have written a text of the board.
local function harmless(value)
    if not is_utf8(value) then
        value = gsub(value, "[\128-\255]", "?")
    end
    return on_one_line(value)
end


local function to_text(board, findings)
    local lines = { harmless(text_of(board.header.router_id)) .. "\n" }
    for _, one in ipairs(findings) do
        lines[#lines + 1] = format("%-7s  %-16s  %s\n", VERDICTS[one[2]],
                                   harmless(one[1]), harmless(one[3]))
    end
    return concat(lines)
end


-- The status code is 200 whatever was found: see healthz for a verdict by code.
function _M.serve(board)
    local arguments = ngx.req.get_uri_args()
    local problem = first_problem(arguments)
    if problem then
        return answer.refuse(ngx.HTTP_BAD_REQUEST, problem)
    end
    local findings = read_findings(board)
    if arguments.format == "json" then
        return answer.show(ngx.HTTP_OK, to_json(board, findings))
    end
    return answer.send(ngx.HTTP_OK, "text/plain; charset=utf-8",
                       { to_text(board, findings) })
end


return _M
