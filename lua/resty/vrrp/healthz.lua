-- GET …/healthz: whether the node, or one of its instances, is well.

local answer = require "resty.vrrp.answer"
local layout = require "resty.vrrp.layout"
local status = require "resty.vrrp.status"

local ngx = ngx
local pairs = pairs
local type = type


local _M = {}


local function is_state(word)
    for _, name in pairs(layout.STATES) do
        if word == name then
            return true
        end
    end
    return false
end


function _M.serve(board)
    local arguments = ngx.req.get_uri_args()
    local name, wanted = arguments.instance, arguments.state
    if wanted ~= nil and name == nil then
        return answer.refuse(ngx.HTTP_BAD_REQUEST, "state is asked of one"
                             .. " instance: instance=NAME&state=…")
    end
    if wanted ~= nil and not is_state(wanted) then
        return answer.refuse(ngx.HTTP_BAD_REQUEST,
                             "state is initialize, backup, active or fault")
    end
    if name ~= nil and (type(name) ~= "string" or not board.by_name[name]) then
        return answer.refuse(ngx.HTTP_NOT_FOUND, "no instance has this name")
    end

    local healthy, reason = status.is_healthy(board, name, wanted)
    if healthy then
        return answer.show(ngx.HTTP_OK, { healthy = true })
    end
    return answer.show(ngx.HTTP_SERVICE_UNAVAILABLE,
                       { healthy = false, reason = reason })
end


return _M
