-- Which web page has a browser send a request. A browser says so in each POST,
-- and no page can keep it from that.

local ngx = ngx


local _M = {}


-- Returns what of the current request tells who has it sent.
function _M.read()
    local var = ngx.var
    return {
        origin = var.http_origin, site = var.http_sec_fetch_site,
        -- Over HTTP/3 some versions of nginx have the host alone.
        host_and_port = var.http_host or var.host, host = var.host,
        scheme = var.scheme, server_name = var.server_name,
    }
end


-- Tells whether a name cannot be that of another web site. Who owns a name may
-- have it point to this server: then his pages and ours are of one origin.
local function is_ours(request)
    local host = request.host
    return request.scheme == "https" or host == "localhost"
           or host == request.server_name
           or host:find("^%d+%.%d+%.%d+%.%d+$") ~= nil
           or host:find("^%[[%x:.]+%]$") ~= nil
end


-- Returns why the page that has a request sent must not ask for it, or nil.
-- What no page has sent, as curl, may ask; and so may the page that this server
-- itself shows. Depends on what read() returns alone.
function _M.refuses(request)
    local site, origin = request.site, request.origin
    if not origin and (not site or site == "none") then
        return nil
    end
    if site and site ~= "same-origin" or origin
       and origin:match("^https?://(.+)$") ~= request.host_and_port then
        return "a page of another web site must not ask for this: the request"
               .. " has the header Origin or Sec-Fetch-Site"
    end
    if not is_ours(request) then
        return "open the page by an address of this server or by HTTPS, or make"
               .. " its name the first one of server_name"
    end
    return nil
end


return _M
