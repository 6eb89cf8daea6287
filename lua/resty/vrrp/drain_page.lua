-- POST …/drain and …/undrain: what an operator has this node do.

local answer = require "resty.vrrp.answer"
local control = require "resty.vrrp.control"
local layout = require "resty.vrrp.layout"

local ngx = ngx


local _M = {}


local REQUESTS = { drain = layout.DRAIN, undrain = layout.UNDRAIN }


-- Tells whether the page of a web site has a browser send this request. A
-- browser says so in every POST, and no page can keep it from that.
local function is_sent_by_a_page()
    local site = ngx.var.http_sec_fetch_site
    return ngx.var.http_origin ~= nil or site ~= nil and site ~= "none"
end


function _M.serve(board, name)
    if is_sent_by_a_page() then
        return answer.refuse(ngx.HTTP_FORBIDDEN,
                             "a web page must not ask for this: the request"
                             .. " has the header Origin or Sec-Fetch-Site")
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
