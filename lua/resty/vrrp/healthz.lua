-- GET …/healthz: whether the node, or one of its instances, is well.

local answer = require "resty.vrrp.answer"
local layout = require "resty.vrrp.layout"
local status = require "resty.vrrp.status"

local ngx = ngx
local pairs = pairs
local type = type


local _M = {}


local KNOWN = {
    instance = true, state = true, live = true, draining = true,
}


local function is_state(word)
    for _, name in pairs(layout.STATES) do
        if word == name then
            return true
        end
    end
    return false
end


local function first_problem(arguments, instances)
    for name, value in pairs(arguments) do
        if not KNOWN[name] then
            return 400, "known here: instance, state, draining, live"
        end
        if type(value) == "table" then
            return 400, name .. " is asked more than once"
        end
    end
    local instance, wanted = arguments.instance, arguments.state
    local live, draining = arguments.live, arguments.draining
    if live ~= nil and (live ~= true and live ~= ""
                        or instance ~= nil or wanted ~= nil
                        or draining ~= nil) then
        return 400, "live is asked alone, and has no value"
    end
    if draining ~= nil and draining ~= "true" and draining ~= "false" then
        return 400, "draining is true or false"
    end
    if wanted ~= nil and instance == nil then
        return 400, "state is asked of one instance: instance=NAME&state=…"
    end
    if wanted ~= nil and not is_state(wanted) then
        return 400, "state is initialize, backup, active or fault"
    end
    if instance ~= nil and not instances[instance] then
        return 404, "no instance has this name"
    end
end


-- Returns the status code and what is wrong with a question of this node, or
-- nothing. Depends on the arguments alone, and on the names of the instances.
_M.first_problem = first_problem


local function is_drained_as_asked(board, draining)
    local is_draining = board.header.draining == 1
    if draining == nil or is_draining == (draining == "true") then
        return true
    end
    return false, is_draining and "the node is drained"
                  or "the node is not drained"
end


local function judge(board, arguments)
    if arguments.live ~= nil then
        return status.is_alive(board)
    end
    local healthy, reason = is_drained_as_asked(board, arguments.draining)
    if not healthy then
        return false, reason
    end
    return status.is_healthy(board, arguments.instance, arguments.state)
end


function _M.serve(board)
    local arguments = ngx.req.get_uri_args()
    local code, problem = first_problem(arguments, board.by_name)
    if code then
        return answer.refuse(code, problem)
    end
    local healthy, reason = judge(board, arguments)
    if healthy then
        return answer.show(ngx.HTTP_OK, { healthy = true })
    end
    return answer.show(ngx.HTTP_SERVICE_UNAVAILABLE,
                       { healthy = false, reason = reason })
end


return _M
