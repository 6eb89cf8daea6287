-- POST …/drain and …/undrain: what an operator has this node do.

local answer = require "resty.vrrp.answer"
local bit = require "bit"
local board_module = require "resty.vrrp.board"
local control = require "resty.vrrp.control"
local layout = require "resty.vrrp.layout"
local origin = require "resty.vrrp.origin"

local bor = bit.bor
local bxor = bit.bxor
local byte = string.byte
local max = math.max
local ngx = ngx
local text_of = board_module.text_of


local _M = {}


local REQUESTS = { drain = layout.DRAIN, undrain = layout.UNDRAIN }


-- Compares two texts in a time that does not tell how much of them is equal.
local function are_equal(one, other)
    local difference = bxor(#one, #other)
    for index = 1, max(#one, #other) do
        difference = bor(difference, bxor(byte(one, index) or 0,
                                          byte(other, index) or 0))
    end
    return difference == 0
end


-- Returns the status code and why a request is refused, or nothing. Depends on
-- its header Authorization alone, on whether requests are taken, and on the
-- token that they must show ("": none).
function _M.first_problem(authorization, is_enabled, token)
    if not is_enabled then
        return 403, "not enabled: setup() needs control = true"
    end
    if token == "" then
        return nil
    end
    local scheme, given = (authorization or ""):match("^(%a+) +(%S+)$")
    if not scheme or scheme:lower() ~= "bearer"
       or not are_equal(given, token) then
        return 401, "the request needs the header Authorization: Bearer, and"
                    .. " behind that the token of setup()"
    end
end


function _M.serve(board, name)
    local foreign = origin.refuses(origin.read())
    if foreign then
        return answer.refuse(ngx.HTTP_FORBIDDEN, foreign)
    end
    local header = board.header
    local code, problem = _M.first_problem(ngx.var.http_authorization,
                                           header.control == 1,
                                           text_of(header.token))
    if code == 401 then
        ngx.header["WWW-Authenticate"] = 'Bearer realm="resty.vrrp"'
    end
    if code then
        return answer.refuse(code, problem)
    end
    local ok, err = control.ask_and_wait(board, REQUESTS[name])
    if not ok then
        return answer.refuse(ngx.HTTP_SERVICE_UNAVAILABLE, err)
    end
    return answer.show(ngx.HTTP_OK, { draining = header.draining == 1 })
end


return _M
