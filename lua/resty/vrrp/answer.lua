-- Answers over HTTP: each has a type, a length, and stays in no cache.

local json = require "resty.vrrp.json"

local ipairs = ipairs
local ngx = ngx


local _M = {}


-- Sends a text that is given in pieces.
function _M.send(code, content_type, pieces)
    local length = 0
    for _, piece in ipairs(pieces) do
        length = length + #piece
    end
    ngx.status = code
    ngx.header["Content-Type"] = content_type
    ngx.header["Content-Length"] = length
    ngx.header["Cache-Control"] = "no-store"
    ngx.print(pieces)
end


-- Sends a value as JSON.
function _M.show(code, value)
    return _M.send(code, "application/json", { json.show(value), "\n" })
end


-- Says in JSON what is wrong with a request.
function _M.refuse(code, problem)
    return _M.show(code, { error = problem })
end


return _M
