-- Answers HTTP requests under any prefix: the last segment of the path decides.

local answer = require "resty.vrrp.answer"

local concat = table.concat
local ipairs = ipairs
local ngx = ngx
local require = require


local _M = {}


local READ = "GET, HEAD"
local WRITE = "POST"

-- What can be asked for: the last segment of the path (none: the page for
-- people), the methods, and the module that answers. It has a function
-- serve(board, segment).
local REQUESTS = {
    { "", READ, "resty.vrrp.page" },
    { "status", READ, "resty.vrrp.status_page" },
    { "events", READ, "resty.vrrp.events_page" },
    { "healthz", READ, "resty.vrrp.healthz" },
    { "doctor", READ, "resty.vrrp.doctor_page" },
    { "log", READ, "resty.vrrp.log_page" },
    { "metrics", READ, "resty.vrrp.metrics_page" },
    { "drain", WRITE, "resty.vrrp.drain_page" },
    { "undrain", WRITE, "resty.vrrp.drain_page" },
}

local REQUEST, KNOWN = {}, {}
for index, request in ipairs(REQUESTS) do
    local segment, methods, module = request[1], request[2], request[3]
    -- Now, in the master: what is installed later is of another version.
    REQUEST[segment] = { methods = methods, handler = require(module) }
    KNOWN[index] = segment == "" and "/" or segment
end
KNOWN = concat(KNOWN, ", ")


local function allows(methods, method)
    for one in methods:gmatch("%u+") do
        if one == method then
            return true
        end
    end
    return false
end


-- Returns what answers a request, and the last segment of its path; or nil, the
-- status code, what is wrong, and the methods that are allowed.
function _M.find(path, method)
    local segment = path:match("([^/]*)$")
    local request = REQUEST[segment]
    if not request then
        return nil, 404, "known requests: " .. KNOWN
    end
    local methods = request.methods
    if not allows(methods, method) then
        return nil, 405, "only " .. methods:gsub(", ", " and "), methods
    end
    return request.handler, segment
end


-- Answers the current request.
function _M.serve(board)
    local handler, found, problem, methods =
        _M.find(ngx.var.uri, ngx.req.get_method())
    if not handler then
        ngx.header["Allow"] = methods
        return answer.refuse(found, problem)
    end
    return handler.serve(board, found)
end


return _M
