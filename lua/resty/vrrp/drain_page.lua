-- POST …/drain and …/undrain: what an operator has this node do.

local answer = require "resty.vrrp.answer"
local control = require "resty.vrrp.control"
local layout = require "resty.vrrp.layout"
local origin = require "resty.vrrp.origin"

local ngx = ngx


local _M = {}


local REQUESTS = { drain = layout.DRAIN, undrain = layout.UNDRAIN }


function _M.serve(board, name)
    local foreign = origin.refuses(origin.read())
    if foreign then
        return answer.refuse(ngx.HTTP_FORBIDDEN, foreign)
    end
    if board.header.control ~= 1 then
        return answer.refuse(ngx.HTTP_FORBIDDEN,
                             "not enabled: setup() needs control = true")
    end
    local ok, err = control.ask_and_wait(board, REQUESTS[name])
    if not ok then
        return answer.refuse(ngx.HTTP_SERVICE_UNAVAILABLE, err)
    end
    return answer.show(ngx.HTTP_OK, { draining = board.header.draining == 1 })
end


return _M
