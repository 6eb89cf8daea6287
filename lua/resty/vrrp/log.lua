-- Lines of nginx's error log.

local errlog = require "ngx.errlog"
local text = require "resty.vrrp.text"

local on_one_line = text.on_one_line
local raw_log = errlog.raw_log


local _M = {}


-- Writes one line, whatever the text is.
function _M.write(level, line)
    raw_log(level, "vrrp: " .. on_one_line(line))
end


return _M
