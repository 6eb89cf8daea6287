-- Answers over HTTP: each has a type, a length, and stays in no cache.

local json = require "resty.vrrp.json"
local pace = require "resty.vrrp.pace"

local ipairs = ipairs
local ngx = ngx


local _M = {}


-- Of a long text, so many bytes are sent at a time: nginx copies them.
local SLICE = 64 * 1024


local function send_headers(code, content_type, length)
    ngx.status = code
    ngx.header["Content-Type"] = content_type
    ngx.header["Content-Length"] = length
    ngx.header["Cache-Control"] = "no-store"
end


-- Sends pieces one slice after the other, as fast as the client takes them. A
-- client that is gone gets no more.
local function send_slices(pieces)
    local breathe = pace.new()
    -- Unless the headers have left, all is kept for a client of HTTP/1.0, and
    -- sent at once.
    ngx.send_headers()
    local slice, size = {}, 0
    for _, piece in ipairs(pieces) do
        slice[#slice + 1] = piece
        size = size + #piece
        if size >= SLICE then
            if not (ngx.print(slice) and ngx.flush(true)) then
                return
            end
            slice, size = {}, 0
            breathe()
        end
    end
    ngx.print(slice)
end


-- Sends a text that is given in pieces, each much shorter than a slice or of a
-- length that does not grow with the number of instances.
function _M.send(code, content_type, pieces)
    local length = 0
    for _, piece in ipairs(pieces) do
        length = length + #piece
    end
    send_headers(code, content_type, length)
    if length <= SLICE or ngx.is_subrequest then
        ngx.print(pieces)
    else
        send_slices(pieces)
    end
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
