-- GET …/: the page for people, page.html, which has everything in itself.

local answer = require "resty.vrrp.answer"

local concat = table.concat
local format = string.format
local io_open = io.open
local ngx = ngx


local _M = {}


-- What the page may do: run its own script, and speak with its own server.
local POLICY = concat({
    "default-src 'none'",
    "script-src 'nonce-%s'",
    "style-src 'nonce-%s'",
    "img-src data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
}, "; ")

-- Stands in the page where the number of the answer belongs.
local PLACE = "@NONCE@"
local NONCE_BYTES = 16


local function read_file(path, size)
    local file, err = io_open(path, "rb")
    if not file then
        return nil, err
    end
    if size then
        -- No more than is needed is taken from the kernel.
        file:setvbuf("no")
    end
    local text
    text, err = file:read(size or "*a")
    file:close()
    return text, err
end


-- Returns the page in pieces, or nil and an error.
local function read_page()
    local here = debug.getinfo(1, "S").source:match("^@(.*)%.lua$")
    if not here then
        return nil, "page.html lies beside page.lua, which has no path"
    end
    local text, err = read_file(here .. ".html")
    if not text then
        return nil, err
    end
    local found, from = {}, 1
    for stop, go_on in text:gmatch("()" .. PLACE .. "()") do
        found[#found + 1] = text:sub(from, stop - 1)
        from = go_on
    end
    found[#found + 1] = text:sub(from)
    return found
end


-- Returns a number that nobody can guess, in hexadecimal digits.
local function new_nonce()
    local bytes, err = read_file("/dev/urandom", NONCE_BYTES)
    if not bytes then
        return nil, err
    end
    return (bytes:gsub(".", function(byte)
        return format("%02x", byte:byte())
    end))
end


-- The page, between the places of the number; read in the master, since what is
-- installed later is of another version.
local pieces, page_error = read_page()


function _M.serve()
    local nonce, err = new_nonce()
    err = page_error or err
    if err then
        return answer.refuse(ngx.HTTP_INTERNAL_SERVER_ERROR,
                             "the page cannot be read: " .. err)
    end
    ngx.header["Content-Security-Policy"] = format(POLICY, nonce, nonce)
    ngx.header["X-Content-Type-Options"] = "nosniff"
    ngx.header["Referrer-Policy"] = "no-referrer"
    return answer.send(ngx.HTTP_OK, "text/html; charset=utf-8",
                       { concat(pieces, nonce) })
end


return _M
