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
    { "metrics", READ, "resty.vrrp.metrics_page" },
    { "drain", WRITE, "resty.vrrp.drain_page" },
    { "undrain", WRITE, "resty.vrrp.drain_page" },
}

local REQUEST, KNOWN = {}, {}
for index, request in ipairs(REQUESTS) do
    -- Now, in the master: what is installed later is of another version.
    require(request[3])
    REQUEST[request[1]] = request
    KNOWN[index] = request[1] == "" and "/" or request[1]
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


-- Returns the row of REQUESTS and the last segment of a path; or nil, the
-- status code, what is wrong, and the methods that are allowed.
function _M.find(path, method)
    local segment = path:match("([^/]*)$")
    local request = REQUEST[segment]
    if not request then
        return nil, 404, "known requests: " .. KNOWN
    end
    local methods = request[2]
    if not allows(methods, method) then
        return nil, 405, "only " .. methods:gsub(", ", " and "), methods
    end
    return request, segment
end


-- Answers the current request.
function _M.serve(board)
    local request, found, problem, methods =
        _M.find(ngx.var.uri, ngx.req.get_method())
    if not request then
        ngx.header["Allow"] = methods
        return answer.refuse(found, problem)
    end
    return require(request[3]).serve(board, found)
end


return _M
